"""Bounds on learning curves of one data set, against the equations at 50 digits."""

import mpmath
import pytest
import torch
from mpmath import mpf

from ntk_engine import infinite
from ntk_engine.architecture import mlp
from ntk_engine.spectrum import population_curve
from tests.ntk_engine.spectrum.bounded import KERNELS, M, Y

SIZES = [1, 3, 5, 9, 10]
RIDGES = [0.0, 1e-9, 1e-2, 1.0]
EPS = 2.0**-52
Matrix = mpmath.matrix


def shares(g: Matrix, part: mpf) -> Matrix:
    """A = I − (1 − α) diag(G_xx⁻²)(G ∘ G)."""
    return Matrix([[(1 if x == z else 0) - (1 - part) * (g[x, z] / g[x, x]) ** 2 for z in range(M)] for x in range(M)])


def settled(k: Matrix, part: mpf, ridge: mpf) -> Matrix:
    """G, by Newton's steps from above."""
    mu = [ridge] * M if part == 1 else [sum(k[i, i] for i in range(M))] * M
    for _ in range(200 if part < 1 else 0):
        g = (k + mpmath.diag(mu)) ** -1
        step = mpmath.lu_solve(shares(g, part), Matrix([ridge + (1 - part) / g[x, x] - mu[x] for x in range(M)]))
        change = max(abs(step[x] / mu[x]) for x in range(M))
        new = [mu[x] + step[x] for x in range(M)]
        mu = new if min(new) > 0 else [2 * x for x in mu]
        if change < mpf(10) ** -40:
            break
    return (k + mpmath.diag(mu)) ** -1


def slowly(k: torch.Tensor, n: int, ridge: float, noise: float) -> tuple[list[mpf], mpf, mpf, mpf]:
    """points, unseen, train, everywhere."""
    part, y = mpf(n) / M, Matrix(Y.tolist())
    g = settled(Matrix(k.tolist()), part, mpf(ridge))
    image = g * y
    power = [
        sum(image[x, o] ** 2 for o in range(2)) + 2 * mpf(noise) * sum(g[x, z] ** 2 for z in range(M)) for x in range(M)
    ]
    q = mpmath.lu_solve(shares(g, part).T, Matrix(power))
    points = [part * q[x] / g[x, x] ** 2 for x in range(M)]
    train = sum((mpf(ridge) * g[x, x] / part) ** 2 * points[x] for x in range(M)) / M
    unseen = sum(points) / M
    return points, unseen, train, (1 - part) * unseen + part * train


@pytest.mark.parametrize("noise", [0.0, 0.1])
@pytest.mark.parametrize("name", KERNELS)
def test_they_hold(name: str, noise: float) -> None:
    """Nothing is said where there is nothing to say: no ridge, and N the rank of a singular kernel or more.

    Or half of the points, where of twins one is drawn on average.
    """
    k = KERNELS[name]
    found = population_curve(k, Y, SIZES, RIDGES, noise=noise)
    with mpmath.workdps(50):
        for i, ridge in enumerate(RIDGES):
            for j, n in enumerate(SIZES):
                if ridge == 0.0 and name in ("rank", "repeated") and n >= 4:
                    assert bool(found.points_bound[i, j].isinf().all())
                    assert bool(found.everywhere_bound[i, j].isinf())
                    continue
                points, *numbers = slowly(k, n, ridge, noise)
                for value, bound, exact in zip(found.points[i, j], found.points_bound[i, j], points, strict=True):
                    assert abs(mpf(float(value)) - exact) <= float(bound), (ridge, n)
                for at, exact in zip(("unseen", "train", "everywhere"), numbers, strict=True):
                    value, bound = getattr(found, at)[i, j], getattr(found, f"{at}_bound")[i, j]
                    assert abs(mpf(float(value)) - exact) <= float(bound), (at, ridge, n)


def test_they_are_not_idle() -> None:
    """Of an ordinary kernel: γ = 4√M eps a rounding, times M for sums of |G|h, and 32 for its condition: 10⁵ eps."""
    found = population_curve(KERNELS["plain"], Y, SIZES, RIDGES)
    assert bool((found.points_bound <= 1e5 * EPS * found.points.amax()).all())
    assert bool((found.unseen_bound <= 1e5 * EPS * found.unseen).all())
    assert bool((found.train_bound[2:] <= 1e5 * EPS * found.train[2:]).all())


def test_no_kernel() -> None:
    """f is 0, and errors are sums of squares."""
    found = population_curve(torch.zeros(M, M, dtype=torch.float64), Y, [1, M])
    exact = Y.square().sum(dim=1)
    assert bool(((found.points - exact).abs() <= found.points_bound).all())
    assert float(found.points_bound.amax()) <= 10 * EPS * float(exact.amax())


@pytest.mark.parametrize("exponent", [-900, -550, 400])
def test_the_size_of_a_kernel_does_not_matter(exponent: int) -> None:
    unit = 2.0**exponent
    for name in ("plain", "steep"):
        found = population_curve(unit * KERNELS[name], Y, SIZES, [unit * ridge for ridge in RIDGES])
        for one, other in zip(found, population_curve(KERNELS[name], Y, SIZES, RIDGES), strict=True):
            torch.testing.assert_close(one, other, rtol=0, atol=0, equal_nan=True)


def test_norms_of_many_sizes_at_all_points() -> None:
    """Without a ridge y is met with one point left out: (y_x − K_x K⁻¹y)², 1/(K⁻¹)_xx² of (K⁻¹y)_x², at 50 digits."""
    norms = torch.tensor([1.5e5, 0.1, 1.5e6, 2e-7, 150.0, 1e-4], dtype=torch.float64)
    x = norms[:, None] * torch.randn(6, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    k = infinite.kernel(mlp(2, "erf", beta=0.1), x).ntk
    y = Y[:6, :1]
    found = population_curve(k, y, [6], [0.0])
    with mpmath.workdps(50):
        inverse = mpmath.inverse(mpmath.matrix(k.tolist()))
        gained = inverse * mpmath.matrix(y.tolist())
        for point in range(6):
            value, bound = float(found.points[0, 0, point]), float(found.points_bound[0, 0, point])
            assert abs((gained[point] / inverse[point, point]) ** 2 - mpf(value)) <= bound
