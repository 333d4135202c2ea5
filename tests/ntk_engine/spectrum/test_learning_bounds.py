"""Bounds on learning curves: they hold against 50 digits, of singular and of steep kernels too, and are not idle."""

import math

import mpmath
import pytest
import torch
from mpmath import mpf

from ntk_engine import spectrum
from tests.ntk_engine.spectrum.bounded import KERNELS, RANKS, M, Y

SIZES = [1, 3, 4, 6, 7, 9, 10]
RIDGES = [0.0, 1e-12, 1e-6, 1e-2, 1.0]
EPS = 2.0**-52
Exact = tuple[mpf, mpf, mpf, mpf, list[mpf]]


class Slowly:
    """All eigenpairs of a kernel at 50 digits, those beyond its rank 0, and what theory makes of them."""

    def __init__(self, k: torch.Tensor, rank: int, noise: float) -> None:
        rising, q = mpmath.eigsy(mpmath.matrix(k.tolist()) / M)
        c = q.T * mpmath.matrix(Y.tolist())
        order = range(M - 1, -1, -1)
        self.rank, self.values = rank, [rising[i] if M - 1 - i < rank else mpf(0) for i in order]
        self.powers = [sum(c[i, j] ** 2 for j in range(2)) / M + 2 * mpf(noise) / M for i in order]

    def __call__(self, n: int, ridge: float) -> Exact:
        """unseen, train, everywhere, κ, L."""
        if ridge == 0.0 and n >= self.rank:
            return self.least_squares(n)
        kappa = self.kappa(n, mpf(ridge))
        learned = [x / (x + kappa) for x in self.values]
        left, rho = [kappa / (x + kappa) for x in self.values], mpf(ridge) / (M * kappa)
        slope = sum(a * (rho + (1 - rho) * b) for a, b in zip(left, learned, strict=True))
        unseen = n / slope * self.bias(left) * M / sum(left)
        train = (ridge / kappa * sum(left) / M / n) ** 2 * unseen
        return unseen, train, self.whole(n, unseen, train), kappa, learned

    def bias(self, left: list[mpf]) -> mpf:
        return sum(a * a * p for a, p in zip(left, self.powers, strict=True))

    def whole(self, n: int, unseen: mpf, train: mpf) -> mpf:
        return train if n == M else (1 - mpf(n) / M) * unseen + mpf(n) / M * train

    def least_squares(self, n: int) -> Exact:
        r = self.rank
        learned = [mpf(1)] * r + [mpf(0)] * (M - r)
        if r == M:
            left = [1 / x for x in self.values]
            return M**2 * self.bias(left) / sum(left) ** 2, mpf(0), mpf(0), mpf(0), learned
        if n == r:
            return mpmath.inf, mpf(0), mpmath.inf, mpf(0), learned
        unseen = mpf(n) / (n - r) * sum(self.powers[r:]) * M / (M - r)
        train = (mpf(n - r) / n) ** 2 * unseen
        return unseen, train, self.whole(n, unseen, train), mpf(0), learned

    def kappa(self, n: int, ridge: mpf) -> mpf:
        low, high = mpf(-200), mpf(100)
        for _ in range(220):
            middle = mpmath.exp((low + high) / 2)
            total = sum(x / (x + middle) for x in self.values)
            if total + ridge / middle * (1 - total / M) > n:
                low = (low + high) / 2
            else:
                high = (low + high) / 2
        return mpmath.exp(low)


def curves(k: torch.Tensor, noise: float) -> tuple[spectrum.LearningCurve, spectrum.LearningCurve]:
    """A curve and its bounds."""
    found = spectrum.eigh(k)
    assert found.eigenvectors is not None
    asked = found.eigenvalues, found.eigenvectors.mT @ Y / M**0.5, SIZES, RIDGES
    curve = spectrum.learning_curve(*asked, noise=noise)
    errors = spectrum.errors_of(found, spectrum.errors(k, found), Y)
    return curve, spectrum.learning_bounds(curve, *asked, errors=errors, noise=noise)


def off(found: float, exact: mpf) -> float:
    """How far a number is from another, 0 for inf and inf."""
    return 0.0 if mpf(found) == exact else float(abs(mpf(found) - exact))


@pytest.mark.parametrize("noise", [0.0, 0.1])
@pytest.mark.parametrize("name", KERNELS)
def test_they_hold(name: str, noise: float) -> None:
    curve, bounds = curves(KERNELS[name], noise)
    with mpmath.workdps(50):
        slowly = Slowly(KERNELS[name], RANKS[name], noise)
        for i, ridge in enumerate(RIDGES):
            for j, n in enumerate(SIZES):
                *numbers, learned = slowly(n, ridge)
                for one, bound, exact in zip(curve[:4], bounds[:4], numbers, strict=True):
                    assert off(float(one[i, j]), exact) <= float(bound[i, j]), (ridge, n)
                    assert not math.isnan(float(bound[i, j]))
                for value, bound, exact in zip(
                    curve.learnability[i, j], bounds.learnability[i, j], learned, strict=True
                ):
                    assert off(float(value), exact) <= float(bound) <= 1.0


def test_they_are_not_idle() -> None:
    """Of an ordinary kernel, λ_1/λ_M = 32: at most so many eps of a scale that ‖E‖ ≤ 2(M + 6) eps Σλ says.

    Derivatives by log λ are at most about λ_1/(λ_M + κ), and sums of M positive terms have 4√M eps: 10⁴ eps in all.
    """
    curve, bounds = curves(KERNELS["plain"], 0.0)
    for name in ("unseen", "everywhere", "kappa", "learnability"):
        value, bound = getattr(curve, name), getattr(bounds, name)
        assert bool((bound <= 5e4 * EPS * value.clamp_min(curve.kappa.amax() if name == "kappa" else 0.1)).all()), name
    ridged = slice(3, None)
    assert bool((bounds.train[ridged] <= 5e4 * EPS * curve.train[ridged]).all())
    # Nothing is left on points trained on, without a ridge.
    assert bool((bounds.train[0] == 0.0).all())


@pytest.mark.parametrize("name", ["plain", "steep"])
def test_what_a_kernel_moved_by_a_known_error_does(name: str) -> None:
    """E of 10⁻³ λ_M put in, and said: the curve of K + E is within the bounds of K's, and these within 300 of that."""
    k, found = KERNELS[name], spectrum.eigh(KERNELS[name])
    size = 1e-3 * float(found.eigenvalues[-1])
    v = found.eigenvectors
    assert v is not None
    generator = torch.Generator().manual_seed(3)
    moved = torch.zeros(len(RIDGES), len(SIZES), dtype=torch.float64)
    asked = found.eigenvalues, v.mT @ Y / M**0.5, SIZES, RIDGES
    curve = spectrum.learning_curve(*asked)
    bounds = spectrum.learning_bounds(curve, *asked, errors=spectrum.Errors(size, 0.0))
    for _ in range(20):
        e = torch.randn(M, M, dtype=torch.float64, generator=generator)
        e = e + e.mT
        other = spectrum.eigh(k + M * size * e / torch.linalg.matrix_norm(e))
        assert other.eigenvectors is not None
        again = spectrum.learning_curve(other.eigenvalues, other.eigenvectors.mT @ Y / M**0.5, SIZES, RIDGES)
        for a, b, bound in zip(curve, again, bounds, strict=True):
            # Both have roundings of their own, below those of sums of M terms.
            within = ((a - b).abs() <= bound + 4 * M**0.5 * EPS * a.abs()) | (a == b)
            assert bool(within.all())
        moved = torch.maximum(moved, (curve.unseen - again.unseen).abs())
    told = bounds.unseen.isfinite()
    assert bool((bounds.unseen <= 300 * moved)[told].all())


def test_sizes_that_are_none() -> None:
    values, v = torch.ones(3, dtype=torch.float64), torch.ones(3, dtype=torch.float64)
    curve = spectrum.learning_curve(values, v, [0])
    with pytest.raises(ValueError, match="from 1"):
        spectrum.learning_bounds(curve, values, v, [0], errors=spectrum.Errors(0.0, 0.0))
