"""How far times of learning may be off: of components by their eigenvalues, of points by their residuals."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import TYPE_CHECKING

import torch

from ntk_engine.function_space import bounds

if TYPE_CHECKING:
    from torch import Tensor

    from ntk_engine.function_space.graded import Decomposition
    from ntk_engine.function_space.points import TrainPoints

__all__ = ["eigenvalue_bounds", "length_bound", "times_bound"]

_EPS = 2.0**-52


def eigenvalue_bounds(found: Decomposition) -> Tensor:
    """Bounds (N) on the error of each λ, smaller for those that were taken together later.

    UᵀKU/N = Λ + E, the columns of E having norms ρ_j. Let a group begin at s, with T_s² the sum of ρ_j² from there on.
    Beside the block of E before s there are a block E_2 behind it and one E_1 between them, ‖E_1‖² + ‖E_2‖² ≤ T_s².
    Without E_1 the eigenvalues behind s are within ‖E_2‖ of λ, and it moves all by ‖E_1‖ (Weyl): √2 T_s, where those
    before s stay above. Elsewhere it is T of the group before, of all of them ‖E‖ (Hoffman, Wielandt 1953). That U is
    orthonormal to ω = ‖UᵀU − I‖ alone is a part ω of each (Ostrowski).
    """
    rho = found.residuals
    tails = rho.square().flip(0).cumsum(0).flip(0).sqrt()
    starts = [0, *((rho[1:] != rho[:-1]).nonzero()[:, 0] + 1).tolist(), len(rho)]
    made, certain = torch.empty_like(rho), float(tails[0])
    for start, stop in pairwise(starts):
        own = 2**0.5 * float(tails[start])
        if start > 0 and float(found.values[start - 1]) - certain > float(found.values[start]) + own:
            certain = min(certain, own)
        made[start:stop] = certain
    made[found.rank :] += found.null
    gram = found.basis.high.mT @ found.basis.high
    gram.diagonal().sub_(1.0)
    lacks = torch.linalg.matrix_norm(gram) + bounds.rounding(len(rho))
    total: Tensor = made + lacks * found.values
    return total


def times_bound(times: Tensor, found: Decomposition) -> Tensor:
    """Bounds (N) on times t = a/λ: t δ/(λ − δ) for a λ that errs by δ, and inf where λ may be 0."""
    off = eigenvalue_bounds(found)
    told = found.values > off
    least = (found.values - off).where(told, 1.0)
    return torch.where(told, times.where(told, 0.0) * (off / least + 4 * _EPS), torch.inf)


def length_bound(points: TrainPoints) -> Callable[[float], Tensor]:
    """A bound (a number), at a time, on the error of the length of Σ_i u_i(x) e^{−tλ_i} c_i at every point.

    As that of means, and for eigenvalues that were made 0: if they are from 0 to δ, what they decay by is 1 − e^{−tδ}.
    """
    shared = points.shared
    found, n = shared.found, len(points.start)
    errors = torch.full_like(points.reach, bounds.rounding(n))
    null = torch.linalg.vector_norm(shared.c[found.rank :])
    slow = float(eigenvalue_bounds(found)[-1]) if found.rank < n else 0.0

    def bound(t: float) -> Tensor:
        left = shared.left(found.values, t)
        moved = shared.moved(shared.left, t, left, points.reach)
        each = bounds.mean_bound(left, moved, points.reach, errors, shared.c.abs(), shared.c_error)
        late = -torch.expm1(each.new_tensor(-t * slow))
        total: Tensor = torch.linalg.vector_norm(each) + late * null
        return total

    return bound
