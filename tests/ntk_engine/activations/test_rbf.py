"""rbf: its pairs against the printed dual, and that against quadrature."""

import mpmath
import pytest
from mpmath import mpf

from ntk_engine.activations.rbf import Rbf
from tests.ntk_engine.activations import exact
from tests.ntk_engine.activations.printed import printed

ROOTS = (1e-6, 1e-3, 0.03, 0.3, 0.7, 1.0, 3.0, 30.0, 1e3, 1e6)
EXTREMES = (1e-150, 1e-60, 1e-20, 1e20, 1e60, 1e149)
FAMILY = [Rbf(), Rbf(gamma=0.3)]


@pytest.fixture(params=FAMILY, ids=str)
def sigma(request: pytest.FixtureRequest) -> Rbf:
    family: Rbf = request.param
    return family


def test_the_printed_dual_is_that_of_the_gaussian(sigma: Rbf) -> None:
    exact.assert_printed(sigma, printed(sigma))


def test_pairs(sigma: Rbf) -> None:
    exact.assert_pairs(sigma, printed(sigma), exact.pairs(ROOTS))


def test_pairs_of_extreme_norms(sigma: Rbf) -> None:
    exact.assert_pairs(sigma, printed(sigma), exact.pairs(EXTREMES, (0.0, 1e-9, 0.1)))


def test_gaps_are_right_relative_to_themselves(sigma: Rbf) -> None:
    exact.assert_relative_gaps(sigma, printed(sigma), ROOTS)


def test_moments(sigma: Rbf) -> None:
    exact.assert_moments(sigma, printed(sigma), (1e-300, *EXTREMES, *ROOTS))
    assert exact.moment(sigma, 0.0) == 1.0


def test_zero_rows(sigma: Rbf) -> None:
    exact.assert_zero_rows(sigma)


def test_functions(sigma: Rbf) -> None:
    def wave(z: mpf) -> mpf:
        return mpmath.sqrt(2) * mpmath.sin(mpmath.sqrt(2 * mpf(sigma.gamma)) * z + mpmath.pi / 4)

    # The argument, up to 8, errs by its last digits.
    exact.assert_function(sigma, wave, absolute=2.0)


def test_derivatives(sigma: Rbf) -> None:
    exact.assert_differentiable(sigma, printed(sigma), (1e-60, 1e-6, 0.3, 1.0, 1e3))


def test_the_formula_is_recorded_as_it_is_computed(sigma: Rbf) -> None:
    exact.assert_recorded(sigma, (1e-150, 1e-6, 0.3, 1.0, 3.0, 1e3, 1e149))


@pytest.mark.parametrize(("gamma", "named"), [(0, "must be positive"), (-1.0, "must be positive"), (1e400, "finite")])
def test_parameters_that_are_refused(gamma: float, named: str) -> None:
    with pytest.raises(ValueError, match=f"gamma .*{named}"):
        Rbf(gamma)
