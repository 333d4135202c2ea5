"""In what order training learns: when each component, and each point, is learned to a given level."""

from __future__ import annotations

from math import inf, log1p
from typing import TYPE_CHECKING, NamedTuple

import torch

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Order", "learning_order"]

# At how many times a decade all points are looked at, and how often what lies between two is halved.
_PER_DECADE, _HALVINGS = 40, 50


class Order(NamedTuple):
    """Times of gradient flow."""

    components: Tensor
    """When what is left of a component is 1 − level of what it was (N): −log(1 − level)/λ; inf on the null space."""
    points: Tensor
    """When the mean is, for good, as near to a point's target as 1 − level of f*(x) − f_0(x) (N); inf for never."""


def learning_order(values: Tensor, basis: Tensor, to_gain: Tensor, level: float) -> Order:
    """From λ (N, 0 where they are rounding) and eigenvectors (N×N, columns) of K/N, and y − f_0 (N×k), 0 < level < 1.

    A point's residual is Σ_i u_i(x) e^{−tλ_i} c_i, c = Uᵀ(y − f_0), in length over the outputs; it may rise before it
    falls, so that the last time counts. Raises ValueError for a level outside 0 … 1.
    """
    if not 0.0 < level < 1.0:
        raise ValueError(f"a level is between 0 and 1, neither included, not {level}")
    positive = values > 0.0
    components = torch.where(positive, -log1p(-level) / values.where(positive, 1.0), inf)
    c, allowed = basis.mT @ to_gain, (1.0 - level) * to_gain.norm(dim=1)

    def left(times: Tensor, rows: Tensor) -> Tensor:
        """Lengths of residuals of points, each at its own time."""
        decay = torch.exp(-times[:, None] * values)
        found: Tensor = torch.einsum("pi,pi,ik->pk", rows, decay, c).norm(dim=1)
        return found

    if not bool(positive.any()):
        return Order(components, torch.where(allowed > 0.0, inf, 0.0))
    # Before the first nothing has happened, after the last everything, to rounding.
    ends = 1e-3 / float(values.max()), 50.0 / float(values[positive].min())
    first, last = (torch.tensor(end, dtype=torch.float64).log10().item() for end in ends)
    count = int((last - first) * _PER_DECADE) + 2
    grid = torch.logspace(first, last, count, dtype=values.dtype, device=values.device)
    above = torch.zeros(len(basis), dtype=torch.long, device=values.device)
    for number, time in enumerate(grid, start=1):
        rest = (basis @ (torch.exp(-time * values)[:, None] * c)).norm(dim=1)
        above = torch.where(rest > allowed, number, above)
    low = torch.cat([grid.new_zeros(1), grid])[above]
    high = grid[above.clamp_max(count - 1)]
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        over = left(middle, basis) > allowed
        low, high = torch.where(over, middle, low), torch.where(over, high, middle)
    points = torch.where(above == count, inf, high)
    return Order(components, torch.where(to_gain.norm(dim=1) > 0.0, points, 0.0))
