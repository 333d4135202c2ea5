"""How far an expected cost C = ½ E‖f_t − y‖² may be off, at any time, from numbers of components alone.

√(2C) is a norm of f_t − y, over points and over f_0, so that it errs by no more than f_t does in that norm. With p_j =
|c_j|² + kS_jj, the mean square of Uᵀ(y − f_0(X)), and b_j the root mean square over points of what a component moves,

    |C − C̃| ≤ √(2C) Q + Q²/2,      Q = Σ_j ρ_j ‖b_i F_ij‖_i √p_j + …      (`bounds.moved`)

by Cauchy and Schwarz on every column of E. Beside it there are the roundings of the sums that C is made of. It is a
bound to first order in E/λ, for the kernels as they were computed, whose eigenvalues that are rounding are 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import torch

from ntk_engine.function_space.bounds import mean_bound, rounding, slope

if TYPE_CHECKING:
    from torch import Tensor

    from ntk_engine.function_space.points import Components, TestPoints

__all__ = ["CostBound", "Doubt", "held_out_bound", "noise_bound"]


class Doubt(NamedTuple):
    """What is known of costs at a time."""

    q: float
    """Q, how far √(2C) may be off,"""
    rest: float
    """and C besides."""

    def bound(self, cost: float) -> float:
        """Of such a cost: √(2(C + rest)) Q + Q²/2 + rest; inf for what is no number."""
        total = math.sqrt(2 * max(cost + self.rest, 0.0)) * self.q + self.q * self.q / 2 + self.rest
        return math.inf if math.isnan(total) else total


CostBound = Callable[[float], Doubt]
"""Of a time."""

_EPS = 2.0**-52


def held_out_bound(points: TestPoints, power: Tensor, constant: float) -> CostBound:
    """Of the quadratic form on n test points; power: p (N); constant: 2n C(0). O(nN) once, then as `bounds.moved`.

    An entry M_ij of the form is a sum with n b_i b_j √(p_i p_j) at most of products, h_i one of √(n p_i 2nC(0)) b_i.
    """
    shared, (n, k) = points.shared, points.start.shape
    size, off = power.sqrt()[:, None], _own_error(shared)
    b = torch.linalg.vector_norm(points.b, dim=0) / n**0.5
    rounded, whole = rounding(max(n * k, len(power))), math.sqrt(constant)

    def doubt(t: float) -> Doubt:
        gains = shared.gain(shared.found.values, t)
        moved = shared.moved(shared.gain, t, gains, b)
        q = float(mean_bound(gains, moved, b, points.b_error, size, off))
        steps = n**0.5 * (gains.abs() * b)[:, None] * size
        sums = rounded * (whole + float(steps.sum())) * (whole + float(torch.linalg.vector_norm(steps))) / (2 * n)
        return Doubt(q, sums + _prior_error(shared, gains.abs() * b, k))

    return doubt


def noise_bound(shared: Components, power: Tensor, variance: float) -> CostBound:
    """Of Mallows' estimate; power: p (N). Its trace Σ a(λ_i) moves by Σ |a'(λ_i)| ρ_i to first order."""
    found, (n, k) = shared.found, shared.c.shape
    size, off = power.sqrt()[:, None], _own_error(shared)
    b, none = torch.full_like(power, n**-0.5), torch.zeros_like(power)

    def doubt(t: float) -> Doubt:
        left = shared.left(found.values, t)
        moved = shared.moved(shared.left, t, left, b)
        # 1 − a, of an a that is rounded.
        lost = 4 * _EPS * torch.linalg.vector_norm((2.0 + left.abs())[:, None] * size) / n**0.5
        q = float(mean_bound(left, moved, b, none, size, off) + lost)
        falls = slope(found, lambda lam: shared.left(lam, t), left)
        # Where the trace is negative, what is fitted is more than C.
        trace = float((falls * found.residuals).sum() - (1.0 - left).sum().clamp_max(0.0))
        sums = float(left.square() @ power) / (2 * n) + k * variance / n * float((1.0 - left).abs().sum())
        return Doubt(q, k * variance / n * trace + rounding(n) * sums + _prior_error(shared, left.abs() * b, k))

    return doubt


def _own_error(shared: Components) -> Tensor:
    """Bounds on the errors of |c_j| (N×1)."""
    found: Tensor = torch.linalg.vector_norm(shared.c_error, dim=1)[:, None]
    return found


def _prior_error(shared: Components, reach: Tensor, k: int) -> float:
    """What rounding of S may add to C, reach (N) being of every component's factor in it.

    On the null space S may be rounding of all of it, which its own size does not tell.
    """
    if shared.scales is None:
        return 0.0
    scales = shared.scales.clone()
    scales[shared.found.rank :] = scales.amax()
    return k / 2 * rounding(len(reach)) * float((reach * scales).square().sum())
