"""In what order training learns: when each component, and each point, is learned to a given level."""

from __future__ import annotations

import math
from math import inf, log1p
from typing import TYPE_CHECKING, NamedTuple

import torch

from ntk_engine.function_space.bounds import at_some
from ntk_engine.function_space.dynamics import Flow
from ntk_engine.function_space.order_bounds import length_bound, times_bound

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from torch import Tensor

    from ntk_engine.function_space.points import Components
    from ntk_engine.function_space.prediction import Gaussian

__all__ = ["Order", "learning_order"]

# At how many times a decade all points are looked at.
_PER_DECADE = 40
# Steps of Newton's method or halvings, of which some five are needed, and widenings of a bound by a factor.
_STEPS, _WIDENINGS, _FACTOR = 60, 12, 2.0
_ROUNDINGS = 64
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


class _Seen(NamedTuple):
    """All residuals at some times, before the first of which nothing has happened, and after the last everything."""

    times: Tensor
    """T, rising."""
    lengths: Tensor
    """T×N."""
    bounds: Tensor
    """How far any of them may be off (T)."""

    def last(self, allowed: Tensor, side: int) -> Tensor:
        """The last time, counted from 1, at which the length and `side` times its bound exceed what is allowed (N)."""
        # Without a side no bound counts, be it infinite.
        off = side * (self.bounds[:, None] + _EPS * allowed) if side else torch.zeros_like(self.lengths)
        above = self.lengths > allowed - off
        places = torch.arange(1, len(self.times) + 1, device=self.times.device)
        found: Tensor = (above * places[:, None]).amax(dim=0)
        return found

    def before(self, last: Tensor) -> Tensor:
        """That time (N); 0 for none."""
        return torch.cat([self.times.new_zeros(1), self.times])[last]

    def after(self, last: Tensor) -> Tensor:
        """The next one (N); inf for none."""
        return torch.cat([self.times, self.times.new_full((1,), inf)])[last]


def learning_order(g: Gaussian, to_gain: Tensor, levels: Sequence[float]) -> Iterator[Order]:
    """For every level, of gradient flow without a ridge on K/N, as `gaussian` has it; y − f_0 (N×k), 0 < level < 1.

    A point's residual is Σ_i u_i(x) e^{−tλ_i} c_i, c = Uᵀ(y − f_0), in length over the outputs; it may rise before it
    falls, so that the last time counts. Where the length errs by ρ (`order_bounds`), that time is between one at which
    it is ρ above what is allowed, and one at which it is ρ below. What is never learned, by arithmetic, may be learned
    very late: its bound is inf. Raises ValueError for a level outside 0 … 1, a ridge, or steps.
    """
    shared = g.train_points.shared
    for level in levels:
        if not 0.0 < level < 1.0:
            raise ValueError(f"a level is between 0 and 1, neither included, not {level}")
    if shared.ridge != 0.0 or not isinstance(shared.dynamics, Flow):
        raise ValueError("an order of learning is of gradient flow, without a ridge")
    seen = _seen(g) if bool((shared.found.values > 0.0).any()) else None
    return (_order(shared, seen, to_gain.norm(dim=1), level) for level in levels)


def _order(shared: Components, seen: _Seen | None, wanted: Tensor, level: float) -> Order:
    values = shared.found.values
    positive = values > 0.0
    components = torch.where(positive, -log1p(-level) / values.where(positive, 1.0), inf)
    certain = times_bound(components, shared.found)
    if seen is None:
        points = torch.where(wanted > 0.0, inf, 0.0)
        return Order(components, points, certain, points)
    points, bound = _points(shared, seen, wanted, 1.0 - level)
    some = wanted > 0.0
    return Order(components, torch.where(some, points, 0.0), certain, torch.where(some, bound, 0.0))


def _seen(g: Gaussian) -> _Seen:
    shared, bound = g.train_points.shared, length_bound(g.train_points)
    values, basis = shared.found.values, shared.found.basis.high
    ends = 1e-3 / float(values.max()), 50.0 / float(values[: shared.found.rank].min())
    first, end = (math.log10(time) for time in ends)
    count = int((end - first) * _PER_DECADE) + 2
    times = torch.logspace(first, end, count, dtype=values.dtype, device=values.device)
    lengths = [(basis @ (torch.exp(-time * values)[:, None] * shared.c)).norm(dim=1) for time in times]
    return _Seen(times, torch.stack(lengths), at_some(times, lambda time: [float(bound(time))])[:, 0])


def _points(shared: Components, seen: _Seen, wanted: Tensor, share: float) -> tuple[Tensor, Tensor]:
    """The last times at which residuals are above a share of what they were (N; inf: never below), and bounds (N)."""
    allowed = share * wanted
    last, late, early = (seen.last(allowed, side) for side in (0, 1, -1))
    never, low, high = last == len(seen.times), seen.before(last), seen.after(last)
    points, apart, slope = _crossing(shared, low, torch.where(never | (wanted == 0.0), low, high), wanted, share)
    around = last.clamp_max(len(seen.times) - 1)
    off = torch.maximum(seen.bounds[(around - 1).clamp_min(0)], seen.bounds[around]) + _EPS * allowed
    # What it takes where residuals are straight, and a little more.
    width = 1.05 * (apart.abs() + off) / slope.abs() + 4 * _EPS * points
    # A residual that may be above again at a later time that was looked at crosses no sooner than that.
    beyond = torch.where(late == last, inf, seen.after(late) - points)
    behind = _within(shared, points, width, lambda lengths, of: lengths + off[of] <= allowed[of], high - points)
    ahead = _within(
        shared, points, -width, lambda lengths, of: lengths - off[of] > allowed[of], points - seen.before(early)
    )
    bound = torch.maximum(torch.where(late == last, behind, beyond), ahead)
    return points.masked_fill(never, inf), bound.masked_fill(never, inf)


def _crossing(
    shared: Components, low: Tensor, high: Tensor, wanted: Tensor, share: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Where residuals fall to a share of what they were, by how much they miss that there, and their slopes (N each).

    By Newton's method, and by halving wherever it would leave an interval that has the crossing, until the miss is some
    roundings of what residuals were.
    """
    times, allowed = (low + high) / 2, share * wanted
    lengths, slopes, going = torch.empty_like(low), torch.empty_like(low), torch.arange(len(low), device=low.device)
    for _ in range(_STEPS):
        at = times[going]
        lengths[going], slopes[going] = _residuals(shared, at, going)
        miss = lengths[going] - allowed[going]
        low[going], high[going] = torch.where(miss > 0.0, at, low[going]), torch.where(miss > 0.0, high[going], at)
        newton = at - miss / slopes[going]
        inside = (newton > low[going]) & (newton < high[going])
        after = torch.where(inside, newton, (low[going] + high[going]) / 2)
        far = (miss.abs() > _ROUNDINGS * _EPS * wanted[going]) & ((after - at).abs() > 4 * _EPS * at)
        going, after = going[far], after[far]
        if len(going) == 0:
            break
        times[going] = after
    return times, lengths - allowed, slopes


def _within(
    shared: Components, points: Tensor, width: Tensor, certain: Callable[[Tensor, Tensor], Tensor], most: Tensor
) -> Tensor:
    """How far from these times, on the side of `width`, residuals are certain to be on theirs; at most `most` (N).

    certain: whether lengths (n) of the residuals of points with these numbers (n) are.
    """
    found, going = most.clone(), (width.abs() < most).nonzero()[:, 0]
    for _ in range(_WIDENINGS):
        lengths, _ = _residuals(shared, (points + width)[going].clamp_min(0.0), going)
        done = certain(lengths, going)
        found[going[done]] = width[going[done]].abs()
        width = _FACTOR * width
        going = going[~done]
        going = going[width[going].abs() < most[going]]
        if len(going) == 0:
            break
    return found


def _residuals(shared: Components, times: Tensor, points: Tensor) -> tuple[Tensor, Tensor]:
    """Lengths of residuals of points with these numbers, each at its own time, and how they change (n each)."""
    values, basis = shared.found.values, shared.found.basis.high
    kept = basis[points] * torch.exp(-times[:, None] * values)
    rests = kept @ shared.c
    lengths = rests.norm(dim=1)
    falling = (rests * (kept @ (values[:, None] * shared.c))).sum(dim=1)
    return lengths, -falling / lengths
