"""When to stop training by least squares: where the expected cost is least, and what that saves."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import torch

from ntk_engine.function_space.bounds import rounding
from ntk_engine.function_space.dynamics import GradientDescent
from ntk_engine.function_space.expected_cost import HeldOut, held_out, noise
from ntk_engine.function_space.statistics import cost

if TYPE_CHECKING:
    from torch import Tensor

    from ntk_engine.function_space.dynamics import Dynamics
    from ntk_engine.function_space.expected_cost import Noise
    from ntk_engine.function_space.points import Components
    from ntk_engine.function_space.prediction import Gaussian

__all__ = ["Stopping", "early_stopping"]

# Times a decade, the first steps of a descent, into how many parts what lies between two times is cut and how often,
# and how many of the lowest valleys are looked into.
_PER_DECADE, _FIRST, _PARTS, _CUTS, _VALLEYS = 40, 256, 16, 9, 3


class _Curve(NamedTuple):
    times: Tensor
    """Rising (T), with 0 and inf."""
    costs: Tensor
    """T."""
    at: Callable[[Tensor], Tensor]
    """C at other times."""
    dynamics: Dynamics

    def between(self, low: float, high: float) -> tuple[Tensor, Tensor]:
        """Some times from low to high, rising, of which the dynamics has each, and C there."""
        parts = torch.linspace(low, high, _PARTS + 1, dtype=self.times.dtype, device=self.times.device)
        times = _whole(parts, self.dynamics)
        return times, self.at(times)


class Stopping(NamedTuple):
    """Where the expected cost C = ½ E‖f_t − y‖² is least."""

    time: float
    """0 … inf; of a descent a whole number of steps times η."""
    cost: float
    """There."""
    start: float
    """At t = 0."""
    end: float
    """At t = inf; inf where there is no limit."""
    interval: tuple[float, float]
    """Around `time`, while the cost is at most 1 + slack of the least."""
    times: Tensor
    """Rising from 0 to inf (T), float64."""
    costs: Tensor
    """C at these (T), to rounding of the terms it is a sum of; inf where a descent is beyond all numbers."""

    @property
    def saved(self) -> float:
        """What stopping there saves, in cost: 0 where the end is best."""
        return self.end - self.cost


def early_stopping(g: Gaussian, known: HeldOut | Noise, *, slack: float = 0.01) -> Stopping:
    """When to stop the training that `g` describes, whatever its own times: least squares, its ridge and its dynamics.

    `HeldOut(y)`: C(t) = 1/(2n) Σ_x E|f_t(x) − y(x)|² over the test points. `Noise(s²)`: an estimate, whose mean over
    the noise of the targets is C(t) = 1/(2N) Σ_x E|f_t(x) − y'(x)|² on the training points, y' = f* + new noise; of f*
    itself it is k s²/2 less. E is also over f_0 ~ GP(0, Σ) where g has a covariance ("diagonal" is enough); elsewhere
    f_0 is 0 or given, or the cost is that of the mean.

    C may have several valleys. It is looked at 40 times a decade, where e^{−tλ} is smooth, from 10⁻³/λ_1 to 50/λ_min,
    the first 256 steps of a descent and both of two neighbours later (1 − ηλ may be negative), and between those times
    where it is lowest. Costs within rounding of each other are equal: inf is preferred to them, and then 0.

    O(nN²) once, or nothing with `Noise`, then O(N²) or O(N) for each of 40 times a decade from λ_min to λ_1 and some
    thousand besides; memory for two N×N matrices and for numbers of components at all times. Raises ValueError where y
    does not fit the test points or there are none, or where s² or the slack is negative.
    """
    if not (math.isfinite(slack) and slack >= 0.0):
        raise ValueError(f"a slack is a finite number from 0, not {slack}")
    shared = g.train_points.shared
    costs = held_out(g, known.y) if isinstance(known, HeldOut) else noise(shared, known.variance)

    def at(times: Tensor) -> Tensor:
        gains = torch.stack([shared.gain(shared.found.values, t) for t in times.tolist()])
        found = costs(gains)
        return found.masked_fill(~found.isfinite(), math.inf)

    times = _times(shared)
    curve = _Curve(times, at(times), at, shared.dynamics)
    start, end = float(curve.costs[0]), float(curve.costs[-1])
    equal = rounding(len(shared.c)) * start
    time, least = _least(curve, equal)
    limit = (1.0 + slack) * least + equal
    interval = _edge(curve, time, limit, -1), _edge(curve, time, limit, 1)
    if isinstance(known, HeldOut):
        least, start, end = (_direct(g, known.y, t) for t in (time, 0.0, math.inf))
    return Stopping(time, least, start, end, interval, times, curve.costs)


def _direct(g: Gaussian, y: Tensor, t: float) -> float:
    """C at one time, without the cancellation of the quadratic form where f_t is near to y."""
    found = g.test_at(t)
    return float(cost(found.mean, found.variance, y.double()))


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


def _least(curve: _Curve, equal: float) -> tuple[float, float]:
    """The best time, and C there, from the lowest valleys of a curve."""
    costs = curve.costs
    padded = torch.nn.functional.pad(costs, (1, 1), value=math.inf)
    valleys = (costs <= padded[:-2]) & (costs <= padded[2:])
    lowest = costs.masked_fill(~valleys, math.inf).argsort(stable=True)[:_VALLEYS].tolist()
    found = [_bottom(curve, i) for i in lowest if valleys[i] and 0 < i < len(costs) - 1]
    least = min([float(costs.min()), *(pair[1] for pair in found)])
    for i in (-1, 0):
        if float(costs[i]) <= least + equal:
            return float(curve.times[i]), float(costs[i])
    return min(found, key=lambda pair: pair[1])


def _bottom(curve: _Curve, i: int) -> tuple[float, float]:
    """The least C near the i-th time, and when."""
    low, high = float(curve.times[i - 1]), float(curve.times[i + 1])
    if math.isinf(high):
        high = float(curve.times[i])
    best = float(curve.times[i]), float(curve.costs[i])
    for _ in range(_CUTS):
        times, costs = curve.between(low, high)
        j = int(costs.argmin())
        best = min(best, (float(times[j]), float(costs[j])), key=lambda pair: pair[1])
        low, high = float(times[max(j - 1, 0)]), float(times[min(j + 1, len(times) - 1)])
    return best


def _edge(curve: _Curve, time: float, limit: float, sign: int) -> float:
    """The last time before (sign −1) or after (1) the best one up to which C stays within a limit."""
    ahead = (curve.times - time) * sign > 0.0
    times, costs = (x[ahead] if sign > 0 else x[ahead].flip(0) for x in (curve.times, curve.costs))
    beyond = (costs > limit).nonzero()
    if len(beyond) == 0:
        return time if len(times) == 0 else float(times[-1])
    i = int(beyond[0])
    inside, outside = time if i == 0 else float(times[i - 1]), float(times[i])
    if math.isinf(inside) or math.isinf(outside):
        return inside
    for _ in range(_CUTS):
        between, values = curve.between(min(inside, outside), max(inside, outside))
        between, values = (x if sign > 0 else x.flip(0) for x in (between, values))
        j = max(int((values[:-1] <= limit).long().cumprod(dim=0).sum()), 1)
        inside, outside = float(between[j - 1]), float(between[j])
    return inside
