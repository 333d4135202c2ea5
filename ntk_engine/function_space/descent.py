"""Kernel gradient descent of any convex cost in its steps (Section 3), with heavy-ball momentum (Polyak 1964).

    w ← μ w + d|_f,     I ← I + η w,     f(x) = f_0(x) − (1/N) K(x, X) I

so that a step is one product with K, and other points need none before they are asked for. This is v ← μ v + (1/N) K d,
f ← f − η v, of `dynamics.GradientDescent`, whose times these are: Δt = η.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import inf, isfinite
from typing import TYPE_CHECKING, NamedTuple

import torch

from ntk_engine.activations.double_word import add
from ntk_engine.function_space import bounds
from ntk_engine.function_space.blocks import Blocks, checked
from ntk_engine.function_space.convex import features
from ntk_engine.function_space.growth import Contraction, Step, edge
from ntk_engine.function_space.probes import Probes
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
    """I,"""
    rest: Tensor
    """and what its sum has lost to rounding, which is given back."""
    errors: Contraction | Probes
    missed: float
    """What the product with K may have added to f (its norm)."""
    step: int = 0
    lost: bool = False
    """Whether a value has left the numbers: then no further step is made."""


class _Prepared(NamedTuple):
    """What errors depend on."""

    values: Tensor
    """λ,"""
    bound: float
    """and a bound on the error of each."""
    longest: float
    """The longest rows of Q, other points' included,"""
    row: float
    """of K/N and κ/N,"""
    beyond: float
    """and of what κ/N has beside Q."""


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
        return self._prepared.values

    @property
    def eigenvalues_bound(self) -> float:
        """and a bound on the error of each."""
        return self._prepared.bound

    def __iter__(self) -> Iterator[At]:
        """f_t at every time; O(N² k) a step. Where a descent diverges, all values are inf from there on."""
        n = len(self.kernel.train)
        zero = torch.zeros_like(self.start.train)
        state = _State(self.start.train, zero, zero, zero, self._errors(), 0.0)
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
        at, y = state.f, self._targets(state.step)
        d, steepness = self.cost.direction(at, y), self.cost.steepness_at(at, y).amax()
        before, state.w = state.w, torch.add(d, state.w, alpha=momentum)
        state.total, state.rest = add(state.total, torch.add(state.rest, state.w, alpha=rate))
        state.f = torch.addmm(self.start.train, self.kernel.train, state.total, alpha=-1 / n)
        state.step += 1
        norms = torch.stack([some.norm() for some in (d, before, state.w, state.total, state.f)])
        # One wait for the device a step.
        *sizes, steep, far = torch.cat([norms, torch.stack([steepness, state.f.abs().amax()])]).tolist()
        direction, before_size, w, total, f = sizes
        state.lost = not isfinite(far)
        wrong = steep * state.missed + (3 * k + 9) * _EPS * ((n * k) ** 0.5 + direction)
        # Once in w, and once as ηw, which is as if w had been another and the next step had not seen it.
        wrong += 2 * _EPS * (momentum * before_size + w)
        state.errors.after(Step(at, y, steep, wrong))
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
        own = (bounds.rounding(len(state.f)) + _EPS) * self._prepared.row * float(state.total.norm())
        return state.errors.furthest() + own + _EPS * float(f.abs().max())

    def _errors(self) -> Contraction | Probes:
        """None yet: bounds that add up where no curvature makes errors grow, and otherwise normal ones to follow."""
        rate, momentum = self.dynamics.learning_rate, self.dynamics.momentum
        found = self._prepared
        top = float(found.values[0]) + found.bound
        if rate * top * self.cost.steepness <= edge(momentum):
            return Contraction(top, rate, momentum, found.longest, found.beyond)
        return Probes(self.kernel, self.cost, rate, momentum, self.start.train.shape[1])

    @cached_property
    def _norm(self) -> float:
        return float(self.kernel.train.norm()) / len(self.kernel.train)

    @cached_property
    def _prepared(self) -> _Prepared:
        train, cross, _ = self.kernel
        values, bound, q, other = features(train, cross)
        rows, whole, beyond = [q], [train], 0.0
        if cross is not None and other is not None and len(cross):
            rows, whole = [q, other], [train, cross]
            beyond = float((cross / len(train) - other @ q.mT).norm(dim=1).max())
        longest, row = (max(float(some.norm(dim=1).max()) for some in them) for them in (rows, whole))
        return _Prepared(values, bound, longest, row / len(train), beyond)


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
    order: those of steps add up where ηλ_1 ≤ 2 (1 − μ)²/(1 + μ) over the cost's steepness (`growth`); beyond they are
    followed by eight descents of normal errors, whose bound holds but for a chance of 10⁻¹² a time (`probes`). A kink
    of the cost within an error of f counts as the side that f is on. Of values beyond 10¹⁵⁴ bounds are inf. Raises
    ValueError for times that do not rise, are not finite or no whole number of steps, and for shapes that do not fit
    together.
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
