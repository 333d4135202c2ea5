"""Kernel gradient descent of any convex cost in its steps (Section 3), with heavy-ball momentum (Polyak 1964).

    w ← μ w + d|_f,     I ← I + η w,     f(x) = f_0(x) − (1/N) K(x, X) I

so that a step is one product with K, and other points need none before they are asked for. This is v ← μ v + (1/N) K d,
f ← f − η v, of `dynamics.GradientDescent`, whose times these are: Δt = η.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import inf, isfinite
from typing import TYPE_CHECKING

import torch

from ntk_engine.function_space import bounds
from ntk_engine.function_space.blocks import Blocks, checked
from ntk_engine.function_space.convex import features
from ntk_engine.function_space.growth import Errors, Map
from ntk_engine.function_space.reached import Here, begun, check_times, number

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch import Tensor

    from ntk_engine.costs import Cost
    from ntk_engine.function_space.dynamics import GradientDescent
    from ntk_engine.function_space.prediction import Start
    from ntk_engine.function_space.reached import At

__all__ = ["Steps", "descend"]

_EPS = 2.0**-52


@dataclass
class _State:
    """What a step changes."""

    f: Tensor
    """f_s on the points trained on, N×k."""
    w: Tensor
    total: Tensor
    """I."""
    errors: Errors
    missed: float
    """What the product with K may have added to f (its norm)."""
    step: int = 0
    lost: bool = False
    """Whether a value has left the numbers: then no further step is made."""


@dataclass(frozen=True)
class Steps:
    """f_t along its steps; iterated over, it goes from one time to the next, anew every time."""

    times: tuple[float, ...]
    kernel: Blocks
    y: Tensor
    cost: Cost
    dynamics: GradientDescent
    start: Start

    @property
    def eigenvalues(self) -> Tensor:
        """λ of K/N (N), falling,"""
        return self._map[0]

    @property
    def eigenvalues_bound(self) -> float:
        """and a bound on the error of each."""
        return self._map[3]

    def __iter__(self) -> Iterator[At]:
        """f_t at every time; O(N² k) a step. Where a descent diverges, all values are inf from there on."""
        n = len(self.kernel.train)
        zero = torch.zeros_like(self.start.train)
        state = _State(self.start.train, zero, zero, Errors(), 0.0)
        for time in self.times:
            end = round(time / self.dynamics.learning_rate)
            while state.step < end and not state.lost:
                self._advance(state)
            state.step = end
            f = torch.full_like(state.f, inf) if state.lost else state.f
            d = self.cost.direction(f, self._targets(end))
            decrease = (d * (self.kernel.train @ d)).sum() / n**2
            here = Here(self.cost, self._targets(end), number(decrease), self._norm)
            test = self._beside(state)
            yield here.at(time, f, test, self._bound(state, f if test is None else torch.cat([f, test])), end)

    def _targets(self, step: int) -> Tensor:
        return self.cost.at(self.y, step)

    def _advance(self, state: _State) -> None:
        """One step, and what rounding adds in it."""
        rate, momentum = self.dynamics.learning_rate, self.dynamics.momentum
        n, k = state.f.shape
        y = self._targets(state.step)
        d, steepness = self.cost.direction(state.f, y), self.cost.steepness_at(state.f, y).amax()
        before, state.w = state.w, torch.add(d, state.w, alpha=momentum)
        state.total = torch.add(state.total, state.w, alpha=rate)
        state.f = torch.addmm(self.start.train, self.kernel.train, state.total, alpha=-1 / n)
        state.step += 1
        norms = torch.stack([some.norm() for some in (d, before, state.w, state.total, state.f)])
        # One wait for the device a step.
        *sizes, steep, far = torch.cat([norms, torch.stack([steepness, state.f.abs().amax()])]).tolist()
        direction, before_size, w, total, f = sizes
        state.lost = not isfinite(far)
        wrong = steep * state.missed + (3 * k + 9) * _EPS * ((n * k) ** 0.5 + direction)
        wrong += _EPS * (momentum * before_size + w)
        state.errors = self._map[1].after(state.errors, steep, rate * wrong, _EPS * (rate * w + total))
        state.missed = (bounds.rounding(n) + _EPS) * self._norm * total + _EPS * f

    def _beside(self, state: _State) -> Tensor | None:
        """f_t on the other points."""
        if self.kernel.cross is None or self.start.test is None:
            return None
        if state.lost:
            return torch.full_like(self.start.test, inf)
        return torch.addmm(self.start.test, self.kernel.cross, state.total, alpha=-1 / len(state.f))

    def _bound(self, state: _State, f: Tensor) -> float:
        """Of rounding, on any of these values."""
        if state.lost:
            return inf
        _, moved, (longest, row, beyond), _ = self._map
        own = (bounds.rounding(len(state.f)) + _EPS) * row * float(state.total.norm())
        moving = longest * moved.reach(state.errors) + beyond * state.errors.total
        return moving + own + _EPS * float(f.abs().max())

    @cached_property
    def _norm(self) -> float:
        return float(self.kernel.train.norm()) / len(self.kernel.train)

    @cached_property
    def _map(self) -> tuple[Tensor, Map, tuple[float, float, float], float]:
        """λ; what steps make of errors; the longest rows of Q, of K/N, and of what of κ/N is no Q; a bound on λ."""
        train, cross, _ = self.kernel
        values, bound, q, other = features(train, cross)
        rows, whole, beyond = [q], [train], 0.0
        if cross is not None and other is not None and len(cross):
            rows, whole = [q, other], [train, cross]
            beyond = float((cross / len(train) - other @ q.mT).norm(dim=1).max())
        longest, row = (max(float(some.norm(dim=1).max()) for some in them) for them in (rows, whole))
        found = Map(float(values[0]), self.dynamics.learning_rate, self.dynamics.momentum)
        return values, found, (longest, row / len(train), beyond), bound


def descend(
    train: Tensor,
    cross: Tensor | None,
    y: Tensor,
    cost: Cost,
    dynamics: GradientDescent,
    times: Sequence[float],
    *,
    start: Start | None = None,
) -> Steps:
    """f_t after t/η steps for K = `train` (N×N), κ = `cross` (n×N) and targets y (N×k) of the cost, of any kind.

    start: f_0 on the points trained on (N×k) and on others (n×k); None: 0. `At` bounds errors of rounding, to first
    order: those of a step are added up while ηλ_1 ≤ 2 (1 − μ)²/(1 + μ) over the cost's steepness at f, and multiplied
    with every step beyond, where they may grow (`growth`): after many such steps the bound is inf, as it is of values
    beyond 10¹⁵⁴. Raises ValueError for times that do not
    rise, are not finite or no whole number of steps, and for shapes that do not fit together.
    """
    check_times(times)
    for time in times:
        dynamics.check(time)
    kernel, y = checked(Blocks(train, cross), "kernel", covariance="none"), y.double()
    if y.ndim != 2 or len(y) != len(kernel.train) or not bool(y.isfinite().all()):
        raise ValueError(f"y has a row of finite numbers for each of {len(kernel.train)} points, not {tuple(y.shape)}")
    others = None if kernel.cross is None else len(kernel.cross)
    start = begun(start, kernel.train, others, cost.outputs(y.shape[1]))
    return Steps(tuple(map(float, times)), kernel, y, cost, dynamics, start)
