"""When to stop training by least squares: where the expected cost is least, and what that saves."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import torch

from ntk_engine.function_space.bounds import rounding
from ntk_engine.function_space.cost_curve import CUTS, cost_curve
from ntk_engine.function_space.expected_cost import HeldOut, held_out, noise
from ntk_engine.function_space.statistics import cost, cost_bound, cost_rounding
from ntk_engine.function_space.stopping_bounds import hull, interval_bound

if TYPE_CHECKING:
    from torch import Tensor

    from ntk_engine.function_space.cost_curve import CostCurve
    from ntk_engine.function_space.expected_cost import Noise
    from ntk_engine.function_space.prediction import Gaussian

__all__ = ["Known", "Stopping", "early_stopping"]

# How many of the lowest valleys are looked into.
_VALLEYS = 3


class Known(NamedTuple):
    """A number, and how far it may be off."""

    value: float
    bound: float


class Stopping(NamedTuple):
    """Where the expected cost C = ½ E‖f_t − y‖² is least.

    Bounds are for the kernels as they were computed; inf where nothing can be said.
    """

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
    time_bound: float
    """How far the best of all times may be from `time`, as far as valleys show at `times` (`stopping_bounds`)."""
    cost_bound: float
    """Of the cost at `time`; the least of all is then within the largest of `costs_bound` in its valley."""
    start_bound: float
    end_bound: float
    interval_bound: tuple[float, float]
    costs_bound: Tensor
    """T."""

    @property
    def saved(self) -> float:
        """What stopping there saves, in cost: 0 where the end is best."""
        return self.end - self.cost

    @property
    def saved_bound(self) -> float:
        """How far that may be off."""
        return self.end_bound + self.cost_bound


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
    thousand besides; bounds, of some 64 of these times, are O(N²) each where d_t swings, and O(N) elsewhere. Memory for
    two N×N matrices and for numbers of components at all times. Raises ValueError where y does not fit the test points
    or there are none, or where s² or the slack is negative.
    """
    if not (math.isfinite(slack) and slack >= 0.0):
        raise ValueError(f"a slack is a finite number from 0, not {slack}")
    shared = g.train_points.shared
    curve = cost_curve(shared, held_out(g, known.y) if isinstance(known, HeldOut) else noise(shared, known.variance))
    equal = rounding(len(shared.c)) * float(curve.costs[0])
    bottoms = _bottoms(curve)
    time, least = _least(curve, bottoms, equal)
    off = curve.doubt(time).bound(least)
    limit = (1.0 + slack) * least + equal
    interval = curve.edge(time, limit, -1)[0], curve.edge(time, limit, 1)[0]
    best = hull(curve, bottoms, time, least + off)
    limits = (1.0 + slack) * (least - off), limit + (1.0 + slack) * off
    edges = interval_bound(curve, best, time, interval, limits)
    at = _direct(g, known.y, time) if isinstance(known, HeldOut) else Known(least, off)
    start, end = (_end(g, known, curve, number) for number in (0, -1))
    return Stopping(
        time, at.value, start.value, end.value, interval, curve.times, curve.costs,
        best.bound(time), at.bound, start.bound, end.bound, edges, curve.bounds,
    )  # fmt: skip


def _end(g: Gaussian, known: HeldOut | Noise, curve: CostCurve, number: int) -> Known:
    """C at the first or the last time."""
    if isinstance(known, HeldOut):
        return _direct(g, known.y, float(curve.times[number]))
    return Known(float(curve.costs[number]), float(curve.bounds[number]))


def _direct(g: Gaussian, y: Tensor, t: float) -> Known:
    """C at one time, without the cancellation of the quadratic form where f_t is near to y."""
    found, y = g.test_at(t), y.double()
    y = y[:, None] if y.ndim == 1 else y
    value, away = cost(found.mean, found.variance, y), found.mean - y
    off = cost_bound(away, found.mean_bound, found.covariance_bound)
    bound = float(off + cost_rounding(value, away, found.mean, squares=True))
    return Known(float(value), math.inf if math.isnan(bound) else bound)


def _bottoms(curve: CostCurve) -> list[tuple[float, float]]:
    """Times and costs of the bottoms of the lowest valleys."""
    costs = curve.costs
    padded = torch.nn.functional.pad(costs, (1, 1), value=math.inf)
    valleys = (costs <= padded[:-2]) & (costs <= padded[2:])
    lowest = costs.masked_fill(~valleys, math.inf).argsort(stable=True)[:_VALLEYS].tolist()
    return [_bottom(curve, i) for i in lowest if valleys[i] and 0 < i < len(costs) - 1]


def _least(curve: CostCurve, bottoms: list[tuple[float, float]], equal: float) -> tuple[float, float]:
    """The best time, and C there."""
    costs = curve.costs
    least = min([float(costs.min()), *(pair[1] for pair in bottoms)])
    for i in (-1, 0):
        if float(costs[i]) <= least + equal:
            return float(curve.times[i]), float(costs[i])
    return min(bottoms, key=lambda pair: pair[1])


def _bottom(curve: CostCurve, i: int) -> tuple[float, float]:
    """The least C near the i-th time, and when."""
    low, high = float(curve.times[i - 1]), float(curve.times[i + 1])
    if math.isinf(high):
        high = float(curve.times[i])
    best = float(curve.times[i]), float(curve.costs[i])
    for _ in range(CUTS):
        times, costs = curve.between(low, high)
        j = int(costs.argmin())
        best = min(best, (float(times[j]), float(costs[j])), key=lambda pair: pair[1])
        low, high = float(times[max(j - 1, 0)]), float(times[min(j + 1, len(times) - 1)])
    return best
