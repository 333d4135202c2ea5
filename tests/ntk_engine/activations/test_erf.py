"""erf: its pairs against the printed dual, and that against quadrature."""

import mpmath
import pytest

from ntk_engine.activations.erf import Erf
from tests.ntk_engine.activations import exact
from tests.ntk_engine.activations.printed import printed

ROOTS = (1e-6, 1e-3, 0.03, 0.3, 0.7, 1.0, 3.0, 30.0, 1e3, 1e6)
EXTREMES = (1e-150, 1e-60, 1e-20, 1e20, 1e60, 1e150)
FAMILY = [Erf(), Erf(a=-2.0, b=0.7, c=0.4), Erf(a=0.1, b=-30.0, c=-1e-5)]


@pytest.fixture(params=FAMILY, ids=str)
def sigma(request: pytest.FixtureRequest) -> Erf:
    family: Erf = request.param
    return family


@pytest.mark.parametrize("sigma", FAMILY[:2], ids=str)
def test_the_printed_dual_is_that_of_the_gaussian(sigma: Erf) -> None:
    exact.assert_printed(sigma, printed(sigma))


def test_pairs(sigma: Erf) -> None:
    exact.assert_pairs(sigma, printed(sigma), exact.pairs(ROOTS))


def test_pairs_of_extreme_norms(sigma: Erf) -> None:
    exact.assert_pairs(sigma, printed(sigma), exact.pairs(EXTREMES, (0.0, 1e-9, 0.1)))


def test_gaps_are_right_relative_to_themselves() -> None:
    exact.assert_relative_gaps(Erf(), printed(Erf()), ROOTS)


def test_moments(sigma: Erf) -> None:
    exact.assert_moments(sigma, printed(sigma), (1e-300, *EXTREMES, *ROOTS))
    assert exact.moment(sigma, 0.0) == abs(sigma.c)


def test_zero_rows(sigma: Erf) -> None:
    exact.assert_zero_rows(sigma)


@pytest.mark.parametrize("sigma", FAMILY[:2], ids=str)
def test_functions(sigma: Erf) -> None:
    # exp magnifies the last digit of b²z² ≤ 16 as many times as that is.
    digits = exact.ROUNDINGS + 16.0
    exact.assert_function(sigma, lambda z: sigma.a * mpmath.erf(sigma.b * z) + sigma.c, digits=digits)


def test_derivatives(sigma: Erf) -> None:
    exact.assert_differentiable(sigma, printed(sigma), (1e-60, 1e-6, 0.3, 1.0, 1e6, 1e60))


def test_the_formula_is_recorded_as_it_is_computed(sigma: Erf) -> None:
    exact.assert_recorded(sigma, (1e-150, 1e-6, 0.3, 1.0, 1e6, 1e150))


@pytest.mark.parametrize(
    ("parameters", "named"),
    [
        ({"a": 0}, "a must not be 0"),
        ({"b": 0.0}, "b must not be 0"),
        ({"c": float("inf")}, "c must be a finite number"),
    ],
)
def test_parameters_that_are_refused(parameters: dict[str, float], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        Erf(**parameters)


def test_parameters_are_floats() -> None:
    assert [type(value) for value in (Erf(2, 3, 4).a, Erf(2, 3, 4).b, Erf(2, 3, 4).c)] == [float] * 3
