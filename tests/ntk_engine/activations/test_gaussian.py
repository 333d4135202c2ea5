"""The Gaussian bump: its pairs against the printed dual, and that against quadrature."""

import mpmath
import pytest

from ntk_engine.activations.gaussian import Gaussian
from tests.ntk_engine.activations import exact
from tests.ntk_engine.activations.printed import printed

ROOTS = (1e-6, 1e-3, 0.03, 0.3, 0.7, 1.0, 3.0, 30.0, 1e3, 1e6)
EXTREMES = (1e-150, 1e-60, 1e-20, 1e20, 1e60, 1e149)
FAMILY = [Gaussian(), Gaussian(a=-3.0, b=-0.3)]


@pytest.fixture(params=FAMILY, ids=str)
def sigma(request: pytest.FixtureRequest) -> Gaussian:
    family: Gaussian = request.param
    return family


def test_the_printed_dual_is_that_of_the_gaussian(sigma: Gaussian) -> None:
    exact.assert_printed(sigma, printed(sigma))


def test_pairs(sigma: Gaussian) -> None:
    exact.assert_pairs(sigma, printed(sigma), exact.pairs(ROOTS))


def test_pairs_of_extreme_norms(sigma: Gaussian) -> None:
    exact.assert_pairs(sigma, printed(sigma), exact.pairs(EXTREMES, (0.0, 1e-9, 0.1)))


def test_gaps_are_right_relative_to_themselves(sigma: Gaussian) -> None:
    exact.assert_relative_gaps(sigma, printed(sigma), ROOTS)


def test_moments(sigma: Gaussian) -> None:
    exact.assert_moments(sigma, printed(sigma), (1e-300, *EXTREMES, *ROOTS))
    assert exact.moment(sigma, 0.0) == abs(sigma.a)


def test_zero_rows(sigma: Gaussian) -> None:
    exact.assert_zero_rows(sigma)


def test_functions(sigma: Gaussian) -> None:
    # exp magnifies the last digits of bz² ≤ 16 as many times as that is.
    digits = exact.ROUNDINGS + 2 * 16.0
    exact.assert_function(sigma, lambda z: sigma.a * mpmath.exp(sigma.b * z * z), digits=digits)


def test_derivatives(sigma: Gaussian) -> None:
    exact.assert_differentiable(sigma, printed(sigma), (1e-60, 1e-6, 0.3, 1.0, 1e6, 1e60))


def test_the_formula_is_recorded_as_it_is_computed(sigma: Gaussian) -> None:
    exact.assert_recorded(sigma, (1e-150, 1e-6, 0.3, 1.0, 1e6, 1e149))


@pytest.mark.parametrize(
    ("parameters", "named"),
    [({"a": 0}, "a must not be 0"), ({"b": 0.0}, "b must be negative"), ({"b": True}, "b must be a finite number")],
)
def test_parameters_that_are_refused(parameters: dict[str, float], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        Gaussian(**parameters)
