"""In what order training learns: when each component, and each point, is learned to a given level."""

from __future__ import annotations

import math
from collections.abc import Callable
from math import inf, log1p
from typing import TYPE_CHECKING, NamedTuple

import torch

from ntk_engine.function_space.dynamics import Flow
from ntk_engine.function_space.order_bounds import length_bound, times_bound

if TYPE_CHECKING:
    from torch import Tensor

    from ntk_engine.function_space.points import Components
    from ntk_engine.function_space.prediction import Gaussian

__all__ = ["Order", "learning_order"]

# At how many times a decade all points are looked at, and how often what lies between two is halved.
_PER_DECADE, _HALVINGS = 40, 50
# At how many of these times, about, it is found out how far residuals may be off.
_BOUNDS = 64
_EPS = 2.0**-52


class Order(NamedTuple):
    """Times of gradient flow. Bounds are for the kernel as it was computed; inf where nothing can be said."""

    components: Tensor
    """When what is left of a component is 1 − level of what it was (N): −log(1 − level)/λ; inf on the null space."""
    points: Tensor
    """When the mean is, for good, as near to a point's target as 1 − level of f*(x) − f_0(x) (N); inf for never."""
    components_bound: Tensor
    """How far each of these may be off (N); inf where λ may be 0."""
    points_bound: Tensor
    """The same of points (N), as far as a residual that rises again does so at the times looked at, 40 a decade."""


class _Crossings(NamedTuple):
    """At which of the times all residuals are looked at, and how far they may be off."""

    grid: Tensor
    """T, rising."""
    bounds: Tensor
    """How far the length of any point's residual may be off (T)."""
    last: Tensor
    """The last time, counted from 1, at which the residual is above what is allowed (3×N); 0 for none.

    Of residuals as large as their bounds allow, as they are, and as small.
    """


def learning_order(g: Gaussian, to_gain: Tensor, level: float) -> Order:
    """Of gradient flow without a ridge on K/N, as `gaussian` has it, and y − f_0 (N×k), 0 < level < 1.

    A point's residual is Σ_i u_i(x) e^{−tλ_i} c_i, c = Uᵀ(y − f_0), in length over the outputs; it may rise before it
    falls, so that the last time counts. Where the length errs by ρ (`order_bounds`), that time is between the last ones
    at which it is ρ above and ρ below what is allowed. What is never learned, by arithmetic, may be learned very late:
    its bound is inf. Raises ValueError for a level outside 0 … 1, a ridge, or steps.
    """
    shared = g.train_points.shared
    if not 0.0 < level < 1.0:
        raise ValueError(f"a level is between 0 and 1, neither included, not {level}")
    if shared.ridge != 0.0 or not isinstance(shared.dynamics, Flow):
        raise ValueError("an order of learning is of gradient flow, without a ridge")
    values, wanted = shared.found.values, to_gain.norm(dim=1)
    positive = values > 0.0
    components = torch.where(positive, -log1p(-level) / values.where(positive, 1.0), inf)
    certain = times_bound(components, shared.found)
    allowed = (1.0 - level) * wanted
    if not bool(positive.any()):
        points = torch.where(wanted > 0.0, inf, 0.0)
        return Order(components, points, certain, points)
    crossings = _crossings(g, allowed)
    late, points, early = (_crossing(shared, crossings, allowed, side) for side in (1, 0, -1))
    apart = torch.maximum(early - points, points - late) + 4 * _EPS * points
    bound = apart.masked_fill(points.isinf() | early.isinf(), inf)
    some = wanted > 0.0
    return Order(components, torch.where(some, points, 0.0), certain, torch.where(some, bound, 0.0))


def _crossings(g: Gaussian, allowed: Tensor) -> _Crossings:
    """Before the first time nothing has happened, after the last everything, to rounding."""
    shared, bound = g.train_points.shared, length_bound(g.train_points)
    values, basis = shared.found.values, shared.found.basis.high
    ends = 1e-3 / float(values.max()), 50.0 / float(values[: shared.found.rank].min())
    first, end = (math.log10(time) for time in ends)
    count = int((end - first) * _PER_DECADE) + 2
    grid = torch.logspace(first, end, count, dtype=values.dtype, device=values.device)
    bounds = _larger(grid, bound)
    last = torch.zeros(3, len(basis), dtype=torch.long, device=values.device)
    sides = bounds.new_tensor([1.0, 0.0, -1.0])[:, None]
    for number, (time, off) in enumerate(zip(grid, bounds, strict=True), start=1):
        rest = (basis @ (torch.exp(-time * values)[:, None] * shared.c)).norm(dim=1)
        last = torch.where(rest > allowed + sides * (off + _EPS * allowed), number, last)
    return _Crossings(grid, bounds, last)


def _larger(grid: Tensor, bound: Callable[[float], Tensor]) -> Tensor:
    """Of some of the times, the first and the last among them, and the larger of those around the others (T)."""
    places = torch.arange(len(grid), device=grid.device)
    step = max(len(grid) // _BOUNDS, 1)
    some = torch.unique(torch.cat([places[::step], places[-1:]]))
    found = torch.stack([bound(time) for time in grid[some].tolist()])
    after = torch.searchsorted(some, places)
    return torch.maximum(found[after], found[(after - 1).clamp_min(0)])


def _crossing(shared: Components, found: _Crossings, allowed: Tensor, side: int) -> Tensor:
    """The last time of residuals above what is allowed and (side 1, 0 or −1) their bounds (N); inf for never below."""
    values, basis = shared.found.values, shared.found.basis.high
    above, count = found.last[1 - side], len(found.grid)
    low = torch.cat([found.grid.new_zeros(1), found.grid])[above]
    ends = above.clamp_max(count - 1)
    high = found.grid[ends]
    off = torch.maximum(found.bounds[(ends - 1).clamp_min(0)], found.bounds[ends])
    limit = allowed + side * (off + _EPS * allowed)

    def left(times: Tensor) -> Tensor:
        """Lengths of residuals of points, each at its own time."""
        decay = torch.exp(-times[:, None] * values)
        lengths: Tensor = torch.einsum("pi,pi,ik->pk", basis, decay, shared.c).norm(dim=1)
        return lengths

    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        over = left(middle) > limit
        low, high = torch.where(over, middle, low), torch.where(over, high, middle)
    return torch.where(above == count, inf, high)
