"""The function at a time of its way, whatever the way: integrated, in steps, or along given directions."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, isnan
from typing import TYPE_CHECKING, NamedTuple

import torch

from ntk_engine.costs import LeastSquares
from ntk_engine.function_space import bounds
from ntk_engine.function_space.prediction import Start
from ntk_engine.function_space.statistics import cost_bound, cost_rounding

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from ntk_engine.costs import Cost

__all__ = ["At", "Here", "begun", "check_times"]


class At(NamedTuple):
    """The function at a time."""

    time: float
    train: Tensor
    """f_t on the points trained on, N×k,"""
    test: Tensor | None
    """and on the others, n×k."""
    cost: float
    """C(f_t) = (1/N) Σ_j c(f_t(x_j), y_j),"""
    decrease: float
    """and ‖d‖²_K, which is −∂_t C of gradient flow."""
    error_bound: float
    """What integration or rounding, as the way says, may have added to any value of f_t."""
    steps: int
    """Of integration or of descent, so far."""
    cost_bound: float
    """What that comes to in the cost, with its own rounding,"""
    decrease_bound: float
    """and in its decrease."""


@dataclass(frozen=True)
class Here:
    """What numbers at a time are made of."""

    cost: Cost
    y: Tensor
    """Targets as they are at this time, N×k."""
    decrease: Tensor
    """‖d‖²_K."""
    norm: float
    """‖K/N‖, or a number above it, such as ‖K/N‖_F, which its rounding is relative to."""

    def at(self, time: float, f: Tensor, test: Tensor | None, bound: float, steps: int) -> At:
        """All of them. What is no number, as where infinities cancel, is inf."""
        f, test = number(f), None if test is None else number(test)
        d, (n, k) = number(self.cost.direction(f, self.y)), f.shape
        mean, moved = self.cost.value(f, self.y).mean(), f.new_tensor(bound)
        decrease, steepness = float(self.decrease), self.cost.steepness
        off = cost_bound(d, moved, steepness=steepness, slope=self.cost.slope(k))
        off = off + cost_rounding(mean, d, f, squares=isinstance(self.cost, LeastSquares))
        # ‖d‖_K of the error of d, which is Lipschitz, and twice its product with ‖d‖_K.
        turned = steepness * bound * (self.norm * k) ** 0.5
        below = (2 * max(decrease, 0.0) ** 0.5 + turned) * turned
        below += 4 * bounds.rounding(n) * self.norm * float(d.square().sum()) / n
        numbers = (inf if isnan(some) else some for some in (float(mean), decrease, bound, float(off), below))
        value, decrease, bound, missed, below = numbers
        return At(time, f, test, value, decrease, bound, steps, missed, below)


def number(x: Tensor) -> Tensor:
    """x with inf in place of what is no number."""
    return x.masked_fill(x.isnan(), inf)


def check_times(times: Sequence[float]) -> None:
    """Raises ValueError for times that do not rise or are not finite."""
    if any(not 0.0 <= time < inf for time in times) or list(times) != sorted(times):
        raise ValueError("times must be finite and rise from 0")


def begun(start: Start | None, like: Tensor, others: int | None, outputs: int) -> Start:
    """f_0 on the N points of `like` (N×…) and on so many others; None: 0. Raises ValueError for other shapes."""
    n = len(like)
    if start is None:
        return Start(like.new_zeros(n, outputs), None if others is None else like.new_zeros(others, outputs))
    shapes = [(n, outputs)] if others is None else [(n, outputs), (others, outputs)]
    given = [start.train] if others is None else [start.train, start.test]
    for some, shape in zip(given, shapes, strict=True):
        if some is None or tuple(some.shape) != shape or not bool(torch.isfinite(some).all()):
            raise ValueError(f"a given start is finite, and on {shape[0]} points of shape {shape}")
    return Start(start.train.to(like), None if others is None or start.test is None else start.test.to(like))
