"""The expected cost of least squares at any time, as a function of the gains g_t(λ) of its components.

With c = Uᵀ(y − f_0), B = κU/N, S = UᵀΣ(X, X)U it is a quadratic form in them:

    held out      2n C(t) = Σ_x |f_0 − y + B g c|² + k Σ_x Var f_t(x) = 2n C(0) + 2 hᵀg + gᵀMg,
                  M = (BᵀB) ∘ (ccᵀ + kS),    h = Σ_x B ∘ ((f_0 − y) cᵀ − k Σ(x, X)U)
    stated noise  2N C(t) = Σ_i (1 − a_i)² (|c_i|² + k S_ii) + 2 k s² Σ_i a_i,    a = λ g

so that a time takes O(N²), or O(N), once M is there. The second is C_p (Mallows 1973), the unbiased estimate of Stein
(1981) for a linear smoother: of targets f* + noise of variance s², with m_t − f_0 = A_t (y − f_0),

    E|m_t − y|² = E|m_t − f*|² + N k s² − 2 k s² tr A_t
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from ntk_engine.function_space.cost_bounds import CostBound, held_out_bound, noise_bound
from ntk_engine.function_space.prediction import outputs

if TYPE_CHECKING:
    from torch import Tensor

    from ntk_engine.function_space.points import Components
    from ntk_engine.function_space.prediction import Gaussian

__all__ = ["Costs", "HeldOut", "Noise", "held_out", "noise"]


class Costs(NamedTuple):
    """C of gains, and how far it may be off."""

    at: Callable[[Tensor], Tensor]
    """C (T) of gains (T×N)."""
    bound: CostBound


class HeldOut(NamedTuple):
    """The cost is known from points that are held out: the test points of a `Gaussian`."""

    y: Tensor
    """Their targets (n×k)."""


class Noise(NamedTuple):
    """The cost is estimated on the training points, whose targets are f* + independent noise."""

    variance: float
    """s², of every output."""


def held_out(g: Gaussian, y: Tensor) -> Costs:
    """The quadratic form. O(nN²), and memory for two N×N matrices; ValueError where y (n×k) does not fit."""
    points, shared = g.test_points, g.train_points.shared
    power = _power(shared)
    if points is None:
        raise ValueError("there are no test points: the kernel has no cross block")
    n, k = points.start.shape
    away = points.start - outputs(y, n, "the targets held out", k)
    form, linear, constant = shared.c @ shared.c.mT, points.b.mT @ away, away.square().sum()
    linear = (linear * shared.c).sum(dim=1)
    if shared.prior is not None and points.prior is not None and points.between is not None:
        form = form.add_(shared.prior, alpha=k)
        linear = linear - k * (points.b * points.between).sum(dim=0)
        constant = constant + k * (points.prior if points.prior.ndim == 1 else points.prior.diagonal()).sum()
    form = form.mul_(points.b.mT @ points.b)

    def costs(gains: Tensor) -> Tensor:
        # (a + 2h + Mg)·g, whose terms are no larger than those of the cost.
        return ((gains @ form + 2.0 * linear) * gains).sum(dim=1).add(constant).clamp_min(0.0) / (2 * n)

    return Costs(costs, held_out_bound(points, power, float(constant)))


def noise(shared: Components, variance: float) -> Costs:
    """C_p; ValueError where the variance is no number from 0."""
    if not (math.isfinite(variance) and variance >= 0.0):
        raise ValueError(f"a variance of noise is a finite number from 0, not {variance}")
    n, k = shared.c.shape
    power = _power(shared)

    def costs(gains: Tensor) -> Tensor:
        fitted = shared.found.values * gains
        found: Tensor = ((1.0 - fitted).square() @ power + 2.0 * k * variance * fitted.sum(dim=1)) / (2 * n)
        return found

    return Costs(costs, noise_bound(shared, power, variance))


def _power(shared: Components) -> Tensor:
    """|c_j|² + kS_jj (N), the mean square of components of y − f_0."""
    power = shared.c.square().sum(dim=1)
    if shared.prior is not None:
        power = power + shared.c.shape[1] * shared.prior.diagonal().clamp_min(0.0)
    return power
