"""exp: its pairs against the printed dual, and that against quadrature."""

from math import inf

import mpmath
import pytest

from ntk_engine.activations.exponential import Exp
from tests.ntk_engine.activations import exact
from tests.ntk_engine.activations.printed import printed

ROOTS = (1e-6, 1e-3, 0.03, 0.3, 1.0, 2.0, 5.0, 20.0)
SMALL = (1e-150, 1e-60, 1e-20)
FAMILY = [Exp(), Exp(a=-3.0, b=-0.7)]


@pytest.fixture(params=FAMILY, ids=str)
def sigma(request: pytest.FixtureRequest) -> Exp:
    family: Exp = request.param
    return family


def test_the_printed_dual_is_that_of_the_gaussian(sigma: Exp) -> None:
    exact.assert_printed(sigma, printed(sigma))


def test_pairs(sigma: Exp) -> None:
    exact.assert_pairs(sigma, printed(sigma), exact.pairs(ROOTS))


def test_pairs_of_small_norms(sigma: Exp) -> None:
    exact.assert_pairs(sigma, printed(sigma), exact.pairs(SMALL, (0.0, 1e-9, 0.1)))


def test_gaps_are_right_relative_to_themselves(sigma: Exp) -> None:
    exact.assert_relative_gaps(sigma, printed(sigma), [root for root in ROOTS if root <= 1.0])


def test_moments(sigma: Exp) -> None:
    exact.assert_moments(sigma, printed(sigma), (1e-300, *SMALL, *(root for root in ROOTS if root <= 1.0)))
    # exp magnifies the last digits of b²q as many times as that is.
    exact.assert_moments(sigma, printed(sigma), ROOTS, digits=exact.ROUNDINGS + 2 * 400.0)
    assert exact.moment(sigma, 0.0) == abs(sigma.a)
    assert exact.moment(sigma, 1e3) == inf


def test_zero_rows(sigma: Exp) -> None:
    exact.assert_zero_rows(sigma)


def test_functions(sigma: Exp) -> None:
    exact.assert_function(sigma, lambda z: sigma.a * mpmath.exp(sigma.b * z))


def test_derivatives(sigma: Exp) -> None:
    exact.assert_differentiable(sigma, printed(sigma), (1e-60, 1e-6, 0.3, 1.0, 10.0))


def test_the_formula_is_recorded_as_it_is_computed(sigma: Exp) -> None:
    exact.assert_recorded(sigma, (1e-150, 1e-6, 0.3, 1.0, 10.0))


@pytest.mark.parametrize(
    ("parameters", "named"),
    [({"a": 0}, "a must not be 0"), ({"b": 0.0}, "b must not be 0"), ({"b": "1"}, "b must be a finite number")],
)
def test_parameters_that_are_refused(parameters: dict[str, float], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        Exp(**parameters)
