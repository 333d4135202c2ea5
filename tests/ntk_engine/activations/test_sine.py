"""sin and cos: their pairs against the printed dual, and that against quadrature."""

import mpmath
import pytest

from ntk_engine.activations.sine import Cos, Sin
from tests.ntk_engine.activations import exact
from tests.ntk_engine.activations.printed import printed

ROOTS = (1e-6, 1e-3, 0.03, 0.3, 0.7, 1.0, 1.4, 3.0, 30.0, 1e3, 1e6)
EXTREMES = (1e-150, 1e-60, 1e-20, 1e10, 1e20)
FAMILY = [Sin(), Cos(), Sin(a=-3.0, b=0.7, c=0.4), Cos(b=-1.3, c=1e-6), Sin(c=1e-3)]


@pytest.fixture(params=FAMILY, ids=str)
def sigma(request: pytest.FixtureRequest) -> Sin | Cos:
    family: Sin | Cos = request.param
    return family


@pytest.mark.parametrize("sigma", FAMILY[:4], ids=str)
def test_the_printed_dual_is_that_of_the_gaussian(sigma: Sin | Cos) -> None:
    exact.assert_printed(sigma, printed(sigma))


def test_pairs(sigma: Sin | Cos) -> None:
    exact.assert_pairs(sigma, printed(sigma), exact.pairs(ROOTS))


def test_pairs_of_extreme_norms(sigma: Sin | Cos) -> None:
    exact.assert_pairs(sigma, printed(sigma), exact.pairs(EXTREMES, (0.0, 1e-9, 0.1)))


def test_pairs_of_the_largest_norms(sigma: Sin | Cos) -> None:
    """Only duplicates and, where there is one part, antipodes are correlated."""
    root = 1e149
    after = exact.computed(sigma, [exact.Pair(root, root, 1.0, 0.0), exact.Pair(root, root, 1.0, 1e-18)])
    assert after.rho.tolist() == pytest.approx([1.0, 0.0], abs=exact.ROUNDINGS * exact.EPS)
    assert after.gap.tolist() == pytest.approx([0.0, 1.0], abs=exact.ROUNDINGS * exact.EPS)
    assert after.slope.tolist() == pytest.approx([(sigma.b * root) ** 2, 0.0], rel=exact.ROUNDINGS * exact.EPS)


@pytest.mark.parametrize("sigma", FAMILY[:2], ids=str)
def test_gaps_are_right_relative_to_themselves(sigma: Sin | Cos) -> None:
    exact.assert_relative_gaps(sigma, printed(sigma), [root for root in ROOTS if root <= 1.0])


def test_moments(sigma: Sin | Cos) -> None:
    exact.assert_moments(sigma, printed(sigma), (1e-300, *EXTREMES, *ROOTS))


def test_zero_rows(sigma: Sin | Cos) -> None:
    exact.assert_zero_rows(sigma)


def test_functions(sigma: Sin | Cos) -> None:
    wave = mpmath.sin if sigma.type == "sin" else mpmath.cos
    exact.assert_function(sigma, lambda z: sigma.a * wave(sigma.b * z + sigma.c), absolute=abs(sigma.a))


def test_derivatives(sigma: Sin | Cos) -> None:
    exact.assert_differentiable(sigma, printed(sigma), (1e-60, 1e-6, 0.3, 1.0, 1e3))


def test_the_formula_is_recorded_as_it_is_computed(sigma: Sin | Cos) -> None:
    exact.assert_recorded(sigma, (1e-150, 1e-6, 0.3, 1.0, 3.0, 1e3, 1e149))


@pytest.mark.parametrize("family", [Sin, Cos])
@pytest.mark.parametrize(
    ("parameters", "named"),
    [({"a": 0}, "a must not be 0"), ({"b": 0.0}, "b must not be 0"), ({"c": None}, "c must be a finite number")],
)
def test_parameters_that_are_refused(family: type[Sin | Cos], parameters: dict[str, float], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        family(**parameters)
