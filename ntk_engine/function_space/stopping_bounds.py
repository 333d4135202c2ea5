"""How far the best time, and the interval of those nearly as good, may be off.

Where C is known to ± β, the time whose true cost is least is among those of C − β ≤ C(t̂) + β(t̂), t̂ being the one that
was found: a true cost above that one's is not the least. Of that set there is the hull, over all times that were looked
at and the bottoms of the valleys that were looked into, cut where C leaves the limit. It is certain as far as C has no
valley between two of these times that it does not show at them. A flat valley gives a wide hull, and an end that cannot
be told from what comes before it one that is endless.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from ntk_engine.function_space.dynamics import GradientDescent

if TYPE_CHECKING:
    from ntk_engine.function_space.cost_curve import CostCurve

__all__ = ["Hull", "hull", "interval_bound"]


class Hull(NamedTuple):
    """Of all times that may be the best one."""

    first: float
    last: float

    def bound(self, time: float) -> float:
        """How far the best one may be from a time."""
        return max(apart(time, self.first), apart(time, self.last))


def hull(curve: CostCurve, bottoms: Sequence[tuple[float, float]], time: float, highest: float) -> Hull:
    """Of times whose cost may be as low as `highest`, the most that the cost at the best time may be.

    bottoms: times and costs of valleys.
    """
    inside = curve.costs.isfinite() & (curve.costs - curve.bounds <= highest)
    low = [t for t, cost in bottoms if cost - curve.doubt(t).bound(cost) <= highest]
    times = [time, *low, *curve.times[inside].tolist()]
    return Hull(_outer(curve, min(times), highest, -1), _outer(curve, max(times), highest, 1))


def interval_bound(
    curve: CostCurve, best: Hull, time: float, interval: tuple[float, float], limits: tuple[float, float]
) -> tuple[float, float]:
    """How far each edge may be off of the interval around the best time, of costs within a limit.

    limits: the least and the most that the limit may be. Up to the first, C + β is certainly within; beyond the
    second, C − β is not. Where the first does not join all times that may be the best, it may be about any of these.
    """
    inner = curve.edge(time, limits[0], -1, 1)[0], curve.edge(time, limits[0], 1, 1)[0]
    if not (inner[0] <= best.first and best.last <= inner[1]):
        inner = best.last, best.first
    outer = _outer(curve, best.first, limits[1], -1), _outer(curve, best.last, limits[1], 1)
    left, right = (max(apart(edge, a), apart(edge, b)) for edge, a, b in zip(interval, inner, outer, strict=True))
    return left, right


def _outer(curve: CostCurve, start: float, limit: float, sign: int) -> float:
    """Up to where C − β may be within a limit; the steps of a descent are told apart, the times of a flow cut off."""
    inside, outside = curve.edge(start, limit, sign, -1)
    return inside if isinstance(curve.dynamics, GradientDescent) and math.isfinite(outside) else outside


def apart(a: float, b: float) -> float:
    """|a − b|, 0 for an inf and itself."""
    return 0.0 if a == b else abs(a - b)
