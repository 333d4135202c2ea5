"""Learning curves of one data set, for which eigenvectors need not spread over its points.

Every point x of M has a share of its own in what is learned. It is in the sample with probability α = N/M, and then has
the ridge δ; else, one that is infinite. Seen from the others, where its posterior variance is V_x, both are on average
what a ridge μ_x of all M points is: the coherent potential of random alloys (Soven 1967), or the cavity method,

    1/(μ_x + V_x) = α/(δ + V_x),     1/(μ_x + V_x) = G_xx,  G = (K + diag μ)⁻¹,     so     μ_x = δ + (1 − α)/G_xx

With equal G_xx it is the κ of `learning_curve`, μ = Mκ. s = (K_NN + δ)⁻¹y on the sample has E s_x² = −∂_{δ_x} yᵀGy, and
errs by (δ + V_x) s_x = (α/G_xx) s_x where x is left out of it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import torch

from ntk_engine.spectrum.dense import checked
from ntk_engine.spectrum.learning_curve import learning_curve
from ntk_engine.spectrum.population_bounds import Settled, population_bounds

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["PopulationCurve", "population_curve"]

# Steps of Newton's method, the change that is none, and one that is rounding of a singular kernel if no more comes.
_STEPS, _SMALL, _ROUNDING = 100, 1e-11, 1e-2
_EPS = 2.0**-52


class PopulationCurve(NamedTuple):
    """For R ridges and T numbers of training points; errors are squared, summed over outputs, a point."""

    unseen: Tensor
    """Of points that were not trained on (R×T); the cost C = ½ E‖f − y‖² is half of it."""
    train: Tensor
    """Of the N training points (R×T)."""
    everywhere: Tensor
    """Of all M points, trained on or not (R×T)."""
    points: Tensor
    """Of each point, where it was not trained on (R×T×M)."""
    unseen_bound: Tensor
    """How far each of these may be off, for K as it was computed (`population_bounds`), R×T; inf for no telling,"""
    train_bound: Tensor
    """R×T,"""
    everywhere_bound: Tensor
    """R×T,"""
    points_bound: Tensor
    """R×T×M."""


def population_curve(
    k: Tensor, y: Tensor, sizes: Sequence[int], ridges: Sequence[float] = (0.0,), *, noise: float = 0.0
) -> PopulationCurve:
    """Expected errors of f = κ(x, X)(K(X, X) + δ)⁻¹y, X being N of M points drawn without replacement.

    k: the kernel of all points (M×M), positive semidefinite. y: M×k, or M. sizes, ridges, noise: as `learning_curve`
    has them, but N from 1. With A = I − (1 − α) diag(G_xx⁻²)(G ∘ G), which is (∂μ/∂δ)⁻¹,

        points = α/G_xx² · (A⁻ᵀ |Gy|²)_x,      train: the mean of (δ G_xx/α)² of it,      unseen: its own mean

    and noise of variance s² adds ks² G²_xx to |Gy|²_x. It is a mean over draws to leading order in 1/N, as
    `learning_curve`, but for any eigenvectors: with outliers, and for N a large part of M. At N = M it is exact: what a
    point errs by where it alone was left out. It fails where points have twins, nearly the same: for them it counts
    which of the two was drawn, and not what is drawn on average. A ridge that is less than rounding of K, M eps ‖K‖, is
    taken to be that; of a singular K errors are then right to a percent, and bounds say nothing.

    μ − δ − (1 − α)/G_xx is convex and A⁻¹ ≥ 0 where it is not negative, so that Newton's steps fall to the one solution
    from there on. Each takes some 4 M³ operations, an N and a ridge about six of them; memory for a dozen M×M
    matrices. Raises ValueError where shapes do not fit, or a number is out of range, and ArithmeticError where K is not
    positive semidefinite.
    """
    checked(k)
    k, y = k.double(), y.double()
    y = y[:, None] if y.ndim == 1 else y
    m = len(k)
    if not all(1 <= n <= m for n in sizes):
        raise ValueError(f"the numbers of training points are from 1 to {m}, not {list(sizes)}")
    if y.ndim != 2 or len(y) != m:
        raise ValueError(f"y has a row for each of {m} points, not {tuple(y.shape)}")
    # A power of 2, of which squares of G neither overflow nor underflow; errors are of K/δ.
    unit = 2.0 ** (math.frexp(float(k.diagonal().abs().max()))[1] - 1)
    k, ridges = k / unit, [ridge / unit for ridge in ridges]
    values = torch.linalg.eigvalsh(k).flip(0) / m
    # It has the same faults to find in the other arguments.
    start = learning_curve(values, y, sizes, ridges, noise=noise).kappa
    floor = m * torch.finfo(k.dtype).eps * float(torch.linalg.matrix_norm(k))
    rows = [
        [_errors(k, y, n / m, (ridge, max(ridge, floor)), m * float(start[i, j]), noise) for j, n in enumerate(sizes)]
        for i, ridge in enumerate(ridges)
    ]
    points, train, points_bound, train_bound = (
        torch.stack([torch.stack([one[part] for one in row]) for row in rows]) for part in range(4)
    )
    unseen, seen = points.mean(dim=2), k.new_tensor(list(sizes)) / m
    everywhere = (1.0 - seen) * unseen + seen * train
    unseen_bound = points_bound.mean(dim=2) + 4 * m**0.5 * _EPS * unseen
    # Of all points none is unseen, and may be unknown.
    others = ((1.0 - seen) * unseen_bound).where(seen < 1.0, 0.0)
    everywhere_bound = others + seen * train_bound + 8 * _EPS * everywhere
    bounds = unseen_bound, train_bound, everywhere_bound, points_bound
    return PopulationCurve(unseen, train, everywhere, points, *bounds)


def _errors(
    k: Tensor, y: Tensor, part: float, ridges: tuple[float, float], start: float, noise: float
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Those of each point (M), and of those trained on (a number), at one α, and bounds.

    ridges: δ, and what stands for it.
    """
    ridge = ridges[1]
    if ridge == 0.0:
        # K = 0, and so is f.
        points = y.square().sum(dim=1) + noise * y.shape[1]
        off = 4 * y.shape[1] ** 0.5 * _EPS * points + _EPS * points
        return points, points.mean(), off, off.mean() + 4 * len(k) ** 0.5 * _EPS * points.mean()
    settled = _settled(k, part, ridge, max(start, ridge))
    g, own = settled.g, settled.g.diagonal()
    power = (g @ y).square().sum(dim=1)
    if noise > 0.0:
        power = power + noise * y.shape[1] * g.square().sum(dim=1)
    points = torch.linalg.solve(settled.turned.mT, power) * part / own.square()
    train = ((ridge * own / part).square() * points).mean()
    return points, train, *population_bounds(k, y, settled, points, ridges, noise)


def _settled(k: Tensor, part: float, ridge: float, start: float) -> Settled:
    """Where μ is what it makes of itself."""
    mu, last = k.new_full((len(k),), start), math.inf
    for _ in range(_STEPS):
        g = _inverse(k, mu)
        own = g.diagonal()
        turned = (g / own[:, None]).square().mul_(part - 1.0)
        turned.diagonal().add_(1.0)
        step = torch.linalg.solve(turned, ridge + (1.0 - part) / own - mu)
        change = float((step / mu).abs().max())
        if change <= _SMALL or last <= change <= _ROUNDING:
            return Settled(part, mu, g, turned)
        last = change
        # From too low a start the step may leave what has a meaning; from high enough it does not.
        mu = torch.where((mu + step > 0.0).all(), mu + step, 2.0 * mu)
    raise ArithmeticError(f"a learning curve did not settle in {_STEPS} steps")


def _inverse(k: Tensor, mu: Tensor) -> Tensor:
    factor, failed = torch.linalg.cholesky_ex(k + torch.diag(mu))
    if bool(failed):
        raise ArithmeticError("a learning curve needs a kernel that is positive semidefinite to rounding")
    inverse: Tensor = torch.cholesky_inverse(factor)
    return inverse
