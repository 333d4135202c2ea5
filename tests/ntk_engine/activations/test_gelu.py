"""GELU: its pairs against the printed dual, and that against quadrature."""

import mpmath
import torch

from ntk_engine.activations.gelu import Gelu
from ntk_engine.activations.relu import Relu
from tests.ntk_engine.activations import exact
from tests.ntk_engine.activations.printed import printed

ROOTS = (1e-6, 1e-3, 0.03, 0.3, 0.7, 1.0, 1.4142, 1.7, 3.0, 30.0, 1e3, 1e6)
EXTREMES = (1e-150, 1e-60, 1e-20, 1e20, 1e60, 1e150)
PRINTED = printed(Gelu())


def test_the_printed_dual_is_that_of_the_gaussian() -> None:
    exact.assert_printed(Gelu(), PRINTED)


def test_pairs() -> None:
    exact.assert_pairs(Gelu(), PRINTED, exact.pairs(ROOTS))


def test_pairs_of_extreme_norms() -> None:
    exact.assert_pairs(Gelu(), PRINTED, exact.pairs(EXTREMES, (0.0, 1e-9, 0.1)))


def test_gaps_are_right_relative_to_themselves() -> None:
    exact.assert_relative_gaps(Gelu(), PRINTED, ROOTS)


def test_moments() -> None:
    exact.assert_moments(Gelu(), PRINTED, (1e-300, *EXTREMES, *ROOTS))
    assert exact.moment(Gelu(), 0.0) == 0.0


def test_large_rows_are_those_of_relu() -> None:
    some = exact.pairs((1e40, 1e150))
    for after, right in zip(exact.computed(Gelu(), some), exact.computed(Relu(), some), strict=True):
        assert torch.allclose(after, right, rtol=0.0, atol=exact.ROUNDINGS * exact.EPS)


def test_zero_rows() -> None:
    exact.assert_zero_rows(Gelu())


def test_functions() -> None:
    # exp magnifies the last digit of z²/2 ≤ 8 as many times as that is, and Φ(z) + z φ(z) cancels some at z < 0.
    exact.assert_function(Gelu(), lambda z: z * mpmath.ncdf(z), digits=2 * exact.ROUNDINGS + 8.0)


def test_derivatives() -> None:
    exact.assert_differentiable(Gelu(), PRINTED, (1e-60, 1e-6, 0.3, 1.0, 1e6, 1e60))


def test_the_formula_is_recorded_as_it_is_computed() -> None:
    exact.assert_recorded(Gelu(), (1e-150, 1e-6, 0.3, 1.0, 1.7, 1e6, 1e150))
