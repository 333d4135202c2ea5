"""The expected cost as a curve over times: where it is looked at, and where between two times it leaves a range."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import torch

from ntk_engine.function_space.bounds import at_some
from ntk_engine.function_space.cost_bounds import Doubt
from ntk_engine.function_space.dynamics import GradientDescent

if TYPE_CHECKING:
    from torch import Tensor

    from ntk_engine.function_space.cost_bounds import CostBound
    from ntk_engine.function_space.dynamics import Dynamics
    from ntk_engine.function_space.expected_cost import Costs
    from ntk_engine.function_space.points import Components

__all__ = ["CUTS", "CostCurve", "cost_curve"]

# Times a decade, the first steps of a descent, into how many parts what lies between two times is cut and how often.
_PER_DECADE, _FIRST, _PARTS, CUTS = 40, 256, 16, 9


class CostCurve(NamedTuple):
    times: Tensor
    """Rising (T), with 0 and inf."""
    costs: Tensor
    """T; inf where it is no number."""
    bounds: Tensor
    """How far these may be off (T)."""
    at: Callable[[Tensor], Tensor]
    """C at other times."""
    doubt: CostBound
    """How far it may be off there."""
    dynamics: Dynamics

    def between(self, low: float, high: float) -> tuple[Tensor, Tensor]:
        """Some times from low to high, rising, of which the dynamics has each, and C there."""
        parts = torch.linspace(low, high, _PARTS + 1, dtype=self.times.dtype, device=self.times.device)
        times = _whole(parts, self.dynamics)
        return times, self.at(times)

    def edge(self, start: float, limit: float, sign: int, side: int = 0) -> tuple[float, float]:
        """The last time before (sign −1) or after (1) start up to which C stays within a limit, and the next one.

        side: 1 for a C that is as large as its bound allows, −1 for one as small; between two times that were looked
        at, bounds are the larger of theirs. The two times are one where C stays within the limit for good.
        """
        ahead = ((self.times - start) * sign > 0.0).nonzero()[:, 0]
        ahead = ahead if sign > 0 else ahead.flip(0)
        within = self.costs[ahead] + side * self.bounds[ahead] <= limit if side else self.costs[ahead] <= limit
        beyond = (~within).nonzero()
        if len(beyond) == 0:
            end = start if len(ahead) == 0 else float(self.times[ahead[-1]])
            return end, end
        i, at = int(beyond[0]), int(ahead[int(beyond[0])])
        inside, outside = start if i == 0 else float(self.times[ahead[i - 1]]), float(self.times[at])
        off = float(self.bounds[[at, at - sign]].max()) if side else 0.0
        return self._cut(inside, outside, limit - side * off)

    def _cut(self, inside: float, outside: float, limit: float) -> tuple[float, float]:
        """Nearer to each other."""
        if math.isinf(inside) or math.isinf(outside):
            return inside, outside
        falls = outside < inside
        for _ in range(CUTS):
            times, costs = self.between(min(inside, outside), max(inside, outside))
            times, costs = (x.flip(0) if falls else x for x in (times, costs))
            j = max(int((costs[:-1] <= limit).long().cumprod(dim=0).sum()), 1)
            inside, outside = float(times[j - 1]), float(times[j])
        return inside, outside


def cost_curve(shared: Components, costs: Costs) -> CostCurve:
    """40 times a decade, and more of the first steps of a descent."""

    def at(times: Tensor) -> Tensor:
        gains = torch.stack([shared.gain(shared.found.values, t) for t in times.tolist()])
        found = costs.at(gains)
        return found.masked_fill(~found.isfinite(), math.inf)

    times = _times(shared)
    found = at(times)
    # They take O(N²) each where d_t swings. For the flow, and points held out, they rise with t.
    doubts = at_some(times, costs.bound).tolist()
    bounds = [Doubt(*doubt).bound(cost) for doubt, cost in zip(doubts, found.tolist(), strict=True)]
    return CostCurve(times, found, found.new_tensor(bounds), at, costs.bound, shared.dynamics)


def _times(shared: Components) -> Tensor:
    """0, all times between which C is smooth, and inf."""
    values, dynamics = shared.found.values, shared.dynamics
    ends = values.new_tensor([0.0, math.inf])
    lam = values[: shared.found.rank] + shared.ridge
    if len(lam) == 0:
        return ends
    first, last = 1e-3 / float(lam.max()), 50.0 / float(lam.min())
    step = dynamics.learning_rate if isinstance(dynamics, GradientDescent) else 0.0
    first, last = max(first, step), max(last, step)
    # Momentum, and steps near the largest that converge, take longer.
    while 2.0**-56 < float(dynamics.decay(lam, float(_whole(lam.new_tensor([last]), dynamics))).abs().max()) < 1.0:
        last *= 2.0
    count = int(math.log10(last / first) * _PER_DECADE) + 2
    grid = torch.logspace(math.log10(first), math.log10(last), count, dtype=values.dtype, device=values.device)
    if step > 0.0:
        steps = (grid / step).round()
        early = torch.arange(1.0, _FIRST + 1.0, dtype=grid.dtype, device=grid.device)
        grid = torch.cat([early, steps, steps + 1.0]) * step
    return _rising(torch.cat([ends, grid]))


def _whole(times: Tensor, dynamics: Dynamics) -> Tensor:
    """The times, or the nearest that are whole steps, rising."""
    if isinstance(dynamics, GradientDescent):
        times = (times / dynamics.learning_rate).round() * dynamics.learning_rate
    return _rising(times)


def _rising(times: Tensor) -> Tensor:
    """Each once."""
    times = times.sort().values
    return torch.cat([times[:1], times[1:][times[1:] > times[:-1]]])
