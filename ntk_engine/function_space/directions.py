"""Training along a direction d_t that is given, whether or not it comes from a cost (Theorem 2; Section 4.2).

    ∂_t f = −(1/N) Σ_j K(·, x_j) d_t(x_j),      f_t(x) = f_0(x) − (1/N) K(x, X) ∫_0^t d_s ds

d_t does not depend on f: nothing is integrated step by step, and the integral is a sum over the pieces of d.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from math import inf
from typing import TYPE_CHECKING, Literal, NamedTuple

import torch

from ntk_engine.costs import Direction
from ntk_engine.function_space import bounds
from ntk_engine.function_space.blocks import Blocks, checked
from ntk_engine.function_space.reached import Here, begun, check_times

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch import Tensor

    from ntk_engine.function_space.prediction import Start
    from ntk_engine.function_space.reached import At

__all__ = ["Along", "Directions", "along"]

_EPS = 2.0**-52


class Integral(NamedTuple):
    """At a time t."""

    direction: Tensor
    """d_t, N×k,"""
    total: Tensor
    """∫_0^t d_s ds,"""
    size: Tensor
    """and a number at least as large as the sum of the sizes of the summands, which its rounding is relative to."""


@dataclass(frozen=True)
class Directions:
    """d_t on the N points trained on, for 0 ≤ t ≤ s_m. Raises ValueError where shapes or ends do not fit.

    Constant pieces hold from their beginning until the next one's, as those of `costs.Direction` do: at an end s_i
    inside, d is the next piece's.
    """

    ends: tuple[float, ...]
    """0 < s_1 < … < s_m: where pieces end, the first of which begins at 0."""
    values: Tensor
    """d of every piece, m×N×k; or, where d is linear between s_0 = 0 and the ends, d at those, (m + 1)×N×k."""
    between: Literal["constant", "linear"] = "constant"

    def __post_init__(self) -> None:
        object.__setattr__(self, "ends", tuple(map(float, self.ends)))
        object.__setattr__(self, "values", self.values.double())
        if not self.ends or not all(a < b < inf for a, b in pairwise((0.0, *self.ends))):
            raise ValueError("the ends of directions are finite and rise from above 0")
        count = len(self.ends) + (self.between == "linear")
        if self.values.ndim != 3 or len(self.values) != count or not bool(self.values.isfinite().all()):
            raise ValueError(f"there are {count} directions, {count}×N×k finite numbers")

    def integrals(self, times: Sequence[float]) -> Iterator[Integral]:
        """At every one of rising times. O(Nk) for each of them and each piece."""
        at, total = 0, torch.zeros_like(self.values[0])
        size = total
        for time in times:
            while at + 1 < len(self.ends) and self.ends[at] <= time:
                _, part, large = self._piece(at, self.ends[at])
                at, total, size = at + 1, total + part, size + large
            direction, part, large = self._piece(at, time)
            yield Integral(direction, total + part, size + large)

    def _piece(self, number: int, time: float) -> tuple[Tensor, Tensor, Tensor]:
        """d_t in a piece, its integral from the piece's beginning to t, and that of a number no smaller than |d|."""
        begin = self.ends[number - 1] if number else 0.0
        left = self.values[number]
        if self.between == "constant":
            return left, (time - begin) * left, (time - begin) * left.abs()
        d = torch.lerp(left, self.values[number + 1], (time - begin) / (self.ends[number] - begin))
        return d, (time - begin) / 2 * (left + d), (time - begin) * torch.maximum(left.abs(), d.abs())


@dataclass(frozen=True)
class Along:
    """f_t along its directions; iterated over, each time is computed when it comes, and none is kept."""

    times: tuple[float, ...]
    directions: Directions
    kernel: Blocks
    start: Start

    @cached_property
    def eigenvalues(self) -> Tensor:
        """λ of K/N (N), falling. No time needs them: O(N³), if they are asked for."""
        found: Tensor = torch.linalg.eigvalsh(self.kernel.train / len(self.kernel.train)).flip(0)
        return found

    @property
    def eigenvalues_bound(self) -> float:
        """What the solver's rounding may move them by: N eps λ_1, which no vectors certify."""
        return len(self.kernel.train) * _EPS * float(self.eigenvalues.abs().max())

    def __iter__(self) -> Iterator[At]:
        """f_t at every time, its cost being ⟨d_t, f_t⟩ = (1/N) Σ_j d_t(x_j)·f_t(x_j): O((2N + n) N k) each.

        Error bounds are of rounding: of K(x, X), by its norm times those of the integral's columns, and of the sum.
        """
        train, cross, _ = self.kernel
        n, rows = len(train), [train] if cross is None else [train, cross]
        longest = max(float(some.norm(dim=1).max()) if len(some) else 0.0 for some in rows) / n
        norm, relative = float(train.norm()) / n, bounds.rounding(n) + (len(self.directions.ends) + 8) * _EPS
        for time, (d, total, size) in zip(self.times, self.directions.integrals(self.times), strict=True):
            both = train @ torch.cat([total, d], dim=1) / n
            moved, decrease = both[:, : d.shape[1]], (both[:, d.shape[1] :] * d).sum() / n
            f, test = self.start.train - moved, None
            if cross is not None and self.start.test is not None:
                test = self.start.test - cross @ total / n
            far = max(float(some.abs().max()) for some in (f, test) if some is not None and len(some))
            bound = relative * longest * float(size.norm(dim=0).max()) + _EPS * far
            yield Here(Direction(), d, decrease, norm).at(time, f, test, bound, 0)


def along(
    train: Tensor,
    cross: Tensor | None,
    directions: Directions,
    times: Sequence[float],
    *,
    start: Start | None = None,
) -> Along:
    """f_t at rising times 0 ≤ t ≤ s_m, for K = `train` (N×N) and κ = `cross` (n×N), in closed form.

    start: f_0 on the points trained on (N×k) and on others (n×k); None: 0. Nothing is known of d beyond s_m: later
    times raise ValueError, as do times that do not rise, and shapes that do not fit together.
    """
    check_times(times)
    kernel = checked(Blocks(train, cross), "kernel", covariance="none")
    if times and times[-1] > directions.ends[-1]:
        raise ValueError(f"directions are given until {directions.ends[-1]:g}, and not for the time {times[-1]:g}")
    if directions.values.shape[1] != len(kernel.train):
        raise ValueError(f"directions are those of {len(kernel.train)} points, not of {directions.values.shape[1]}")
    others = None if kernel.cross is None else len(kernel.cross)
    start = begun(start, kernel.train, others, directions.values.shape[2])
    return Along(tuple(map(float, times)), directions, kernel, start)
