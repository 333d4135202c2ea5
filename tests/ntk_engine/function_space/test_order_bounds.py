"""Bounds on times of learning, against 50 digits: of singular kernels and steep spectra too, whose null space moves."""

import math

import mpmath
import pytest
from mpmath import mpf

from ntk_engine.function_space import Blocks, Gaussian, gaussian, learning_order
from ntk_engine.function_space.graded import decompose
from ntk_engine.function_space.order_bounds import eigenvalue_bounds
from tests.ntk_engine.spectrum.bounded import KERNELS, RANKS, STEPS, M, Y
from tests.ntk_engine.spectrum.bounded import of as with_eigenvalues

EPS = 2.0**-52
LEVELS = [0.5, 0.99]
# Down to what is rounding, without a gap.
HOSTILE = KERNELS | {"very steep": with_eigenvalues(10.0 ** (-2.0 * STEPS))}
NULL = {name: M - rank for name, rank in RANKS.items()}


def of(name: str) -> Gaussian:
    return gaussian(Blocks(HOSTILE[name]), None, Y, [0.0], start="zero", covariance="none")


class Slowly:
    """Residuals of every point at any time, at 50 digits."""

    def __init__(self, name: str) -> None:
        rising, self.q = mpmath.eigsy(mpmath.matrix(HOSTILE[name].tolist()) / M)
        # What is rounding of 50 digits is null space.
        self.values = [x if abs(x) > mpf(10) ** -40 else mpf(0) for x in rising]
        self.c = self.q.T * mpmath.matrix(Y.tolist())

    def left(self, point: int, t: mpf) -> mpf:
        kept = [self.q[point, i] * mpmath.exp(-t * self.values[i]) for i in range(M)]
        return mpmath.sqrt(sum(sum(kept[i] * self.c[i, k] for i in range(M)) ** 2 for k in range(2)))


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("name", HOSTILE)
def test_they_hold(name: str, level: float) -> None:
    [found] = learning_order(of(name), Y, [level])
    with mpmath.workdps(50):
        slowly = Slowly(name)
        for value, bound, lam in zip(found.components, found.components_bound, reversed(slowly.values), strict=True):
            if math.isfinite(float(bound)):
                assert abs(-mpmath.log(1 - mpf(level)) / lam - mpf(float(value))) <= float(bound)
        for point, (time, bound) in enumerate(zip(found.points.tolist(), found.points_bound.tolist(), strict=True)):
            allowed = (1 - mpf(level)) * mpmath.sqrt(sum(mpf(y) ** 2 for y in Y[point].tolist()))
            if not math.isfinite(bound):
                continue
            assert slowly.left(point, mpf(time) - mpf(bound)) >= allowed
            for later in (1.0, 1.01, 1.1, 2.0, 10.0):
                assert slowly.left(point, (mpf(time) + mpf(bound)) * later) <= allowed


def test_what_nothing_is_said_of() -> None:
    """What is never learned, and components whose eigenvalues may be 0; of others there always is a bound."""
    for name in RANKS:
        [found] = learning_order(of(name), Y, [0.9])
        assert int(found.components_bound.isinf().sum()) == NULL[name]
        assert bool((found.points_bound.isinf() == found.points.isinf()).all())
        assert bool(found.points.isinf().any()) == (NULL[name] > 0)


def test_they_are_not_idle() -> None:
    """Of an ordinary kernel: residuals ρ_j of some √M eps λ_1 over λ_M = λ_1/32, for components and for points."""
    [found] = learning_order(of("plain"), Y, [0.9])
    assert bool((found.components_bound <= 1e4 * EPS * found.components).all())
    assert bool((found.points_bound <= 1e4 * EPS * found.points).all())


@pytest.mark.parametrize("name", HOSTILE)
def test_eigenvalues_one_by_one(name: str) -> None:
    """Each is within its bound, and of a steep spectrum that is far less than one bound for all."""
    found = decompose(HOSTILE[name])
    off = eigenvalue_bounds(found)
    with mpmath.workdps(50):
        exact = sorted(mpmath.eigsy(mpmath.matrix(HOSTILE[name].tolist()) / M, eigvals_only=True), reverse=True)
        for value, bound, lam in zip(found.values.tolist(), off.tolist(), exact, strict=True):
            assert abs(mpf(value) - lam) <= bound
    # Beside what is said of all, M eigenvectors that are not quite orthonormal.
    assert bool((off <= found.values_bound + 20 * M**0.5 * EPS * found.values).all())
    if name == "steep":
        assert float(off[-1]) <= 1e-8 * float(found.values_bound)
