"""Gradient descent as the paper defines it, θ ← θ − η ∂C/∂θ on all inputs, a step being Δt = η; and its variants."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import ceil, inf, nan
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from ntk_engine.architecture import layers
from ntk_engine.compiled import Stretch
from ntk_engine.finite.chain import Chain, Derivative, chain
from ntk_engine.finite.expanded import Expanded
from ntk_engine.finite.graph import Graph
from ntk_engine.finite.leaps import leaps
from ntk_engine.finite.masks import Masks
from ntk_engine.finite.parameters import augmented, parameters
from ntk_engine.folding import kept_steps

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from ntk_engine.architecture import Architecture
    from ntk_engine.compiled import Descents
    from ntk_engine.costs import AnyCost
    from ntk_engine.finite.chain import Passing, Pointwise
    from ntk_engine.finite.expanded import Around
    from ntk_engine.finite.parameters import Parameters
    from ntk_engine.layers import Dense

__all__ = ["Descent", "Leap", "Rule"]

# Multiplications of weights and inputs in one leap: some seconds, after which signals are heard.
_LONGEST = 2e10


@dataclass(frozen=True, kw_only=True)
class Rule:
    """How parameters follow the derivatives of the cost."""

    learning_rate: float
    """η."""
    momentum: float = 0.0
    """μ of the heavy ball: v ← μ v + ∂C/∂θ, θ ← θ − η v (Polyak, 1964)."""
    weight_decay: float = 0.0
    """λ: ∂C/∂θ has λ θ added."""
    batch_size: int | None = None
    """Inputs of one step; None: all of them. Every epoch goes through all, in an order of its own."""


class Leap(NamedTuple):
    """What steps have made of S networks."""

    cost: Tensor
    """C before each step and after the last: S×(steps + 1), NaN after those that a network has made."""
    made: list[int]
    """Steps of each network: all, but of those that have ended."""

    @property
    def last(self) -> Tensor:
        """C after the steps of each network: S."""
        return self.cost[range(len(self.made)), self.made]


class Descent:
    """S networks of one architecture while they are trained, each on its own way.

    `weights` are V = [W, b] of every dense layer (S×n_{ℓ+1}×(n_ℓ + 1)), `velocity` the same for momentum; they are
    changed in place. `step` counts the steps that were made.
    """

    def __init__(
        self,
        arch: Architecture,
        weights: Sequence[Tensor],
        x: Tensor,
        y: Tensor,
        cost: AnyCost,
        rule: Rule,
        seeds: Sequence[int],
        *,
        step: int = 0,
        velocity: Sequence[Tensor] = (),
        shift: Tensor | None = None,
        around: Around | None = None,
    ) -> None:
        """x, y: inputs (N×n_0) and targets (N×k), of the weights' dtype. seeds: of batches and dropout.

        shift: a function's values on the inputs (S×N×k); the cost is that of f_θ less the function. around: train the
        expansion of f around other parameters in its place.
        """
        self.weights, self.step, self.seeds = list(weights), step, tuple(seeds)
        self.velocity = list(velocity) or [torch.zeros_like(item) for item in weights if rule.momentum]
        self._x, self._y, self._cost, self._rule = x, y, cost, rule
        self._links = chain(layers(arch)) if around is None else None
        self._network = _network(arch, self._links, self.weights, around)
        self._seen: Tensor | None = None
        self._order = torch.empty(0, dtype=torch.int64)
        self._shift = shift

    @property
    def parameters(self) -> Parameters:
        """Of all networks, as views."""
        return parameters(self.weights)

    @cached_property
    def kept(self) -> tuple[int, ...]:
        """Steps of each dense layer whose changes are kept as factors of low rank until they are folded into V.

        0: weights are changed at every step, as they are in leaps of fewer than four. At the end of a leap nothing is
        kept.
        """
        if not self.seeds or self._rule.momentum or self._rule.weight_decay or self._loop is None:
            return (0,) * len(self.weights)
        sizes = [(item.shape[1], item.shape[2], len(self._x), item.itemsize) for item in self.weights]
        return tuple(kept_steps(*size) for size in sizes)

    @property
    def ceiling(self) -> float:
        """C of the function 0, where the cost is bounded from below; else inf."""
        y = self._cost.at(self._y, self.step)
        return self._cost.value(torch.zeros_like(y), y).mean().item() if self._cost.bounded else inf

    def keep(self, some: Tensor) -> None:
        """Go on with these networks alone (indices)."""
        self.weights[:] = [item[some] for item in self.weights]
        self.velocity[:] = [item[some] for item in self.velocity]
        if isinstance(self._network, Expanded):
            self._network.keep(some)
        self._seen = None
        self.seeds = tuple(self.seeds[i] for i in some.tolist())
        self._shift = None if self._shift is None else self._shift[some]

    def look(self) -> Tensor:
        """C of the inputs that the next step is made by (S); `advance` goes on from there."""
        x, y, places = self._batch()
        self._f = self._forward(x, places)
        if self._shift is not None:
            self._f = self._f - (self._shift.gather(1, _wide(places, self._shift)) if places.ndim > 1 else self._shift)
        self._targets = self._cost.at(y, self.step)
        self._seen = self._cost.value(self._f, self._targets).mean(-1)
        return self._seen

    def advance(self) -> None:
        """Make the step for which `look` has looked."""
        outer = self._cost.direction(self._f, self._targets) / self._f.shape[-2]
        for passing in self._network.backward(outer):
            self._change(passing)
        self.step += 1
        self._seen = None

    def leap(self, until: int, limits: Tensor, tolerance: float | None) -> Leap:
        """Steps to `until`, or fewer: networks end where C is no number, above its limit (S) or as low as `tolerance`.

        Those that have not ended are at `step` then.
        """
        until = int(min(until, self._cost.changes(self.step)))
        return self._walk(until, limits, tolerance) if self._loop is None else self._run(until, limits, tolerance)

    @cached_property
    def _loop(self) -> Descents | None:
        size = self._rule.batch_size
        if self._links is None or (size is not None and size < len(self._x)):
            return None
        return leaps(self._links, self.weights, self._x, self._cost)

    def _walk(self, until: int, limits: Tensor, tolerance: float | None) -> Leap:
        """All side by side, until one of them ends."""
        first, costs = self.step, [self.look() if self._seen is None else self._seen]
        while self.step < until and not bool((lost(costs[-1], limits) | low(costs[-1], tolerance)).any()):
            self.advance()
            costs.append(self.look())
        return Leap(torch.stack(costs, dim=1), [self.step - first] * len(self.seeds))

    def _run(self, until: int, limits: Tensor, tolerance: float | None) -> Leap:
        """Each on its own, compiled."""
        assert self._loop is not None
        for some in (self.weights, self.velocity):
            some[:] = [
                item if self._loop.apart(item) else augmented(item[..., :-1], item[..., -1], item.dtype)
                for item in some
            ]
        size = sum(item[0].numel() for item in self.weights) * len(self._x)
        rule, steps = self._rule, min(until - self.step, max(int(_LONGEST / size), 1))
        y = self._cost.at(self._y, self.step)
        rates = rule.learning_rate, rule.momentum, rule.weight_decay
        stretch = Stretch(y, self._shift, steps, tolerance, *rates, self.kept)
        made = self._loop.run(self.weights, self.velocity, limits.tolist(), stretch)
        reached = max(item.steps for item in made)
        cost = made[0].costs.new_full((len(made), reached + 1), nan)
        for row, item in zip(cost, made, strict=True):
            row[: item.steps + 1] = item.costs
        self.step += reached
        self._seen = None
        if self._cost.changes(self.step - reached) == self.step:
            # Before the next step its own targets count.
            stretch = stretch._replace(y=self._cost.at(self._y, self.step), steps=0)
            seen = self._loop.run(self.weights, self.velocity, limits.tolist(), stretch)
            for row, item, now in zip(cost, made, seen, strict=True):
                row[reached] = now.costs[0] if item.steps == reached else nan
        return Leap(cost, [item.steps for item in made])

    def _forward(self, x: Tensor, places: Tensor) -> Tensor:
        if isinstance(self._network, Chain):
            return self._network.forward(x)
        return self._network.forward(x, Masks(_keys(self.seeds, self.step, x.device), places))

    def _change(self, passing: Passing | Derivative) -> None:
        """Plain descent in one pass over the weights: the derivative itself is never in memory."""
        rule, at = self._rule, self.weights[passing.layer]
        if not rule.momentum:
            _add(at, passing, 1.0 - rule.learning_rate * rule.weight_decay, -rule.learning_rate)
            return
        velocity = self.velocity[passing.layer]
        _add(velocity, passing, rule.momentum, 1.0)
        if rule.weight_decay:
            velocity.add_(at, alpha=rule.weight_decay)
        at.add_(velocity, alpha=-rule.learning_rate)

    def _batch(self) -> tuple[Tensor, Tensor, Tensor]:
        """Inputs, targets and places of the next step's batch: N×…, or S×B×… of each network's own."""
        count, size = len(self._x), self._rule.batch_size
        if size is None or size >= count:
            return self._x, self._y, torch.arange(count, device=self._x.device)
        epoch, number = divmod(self.step, ceil(count / size))
        if number == 0 or len(self._order) != len(self.seeds):
            orders = [np.random.default_rng((seed, epoch)).permutation(count) for seed in self.seeds]
            self._order = torch.from_numpy(np.stack(orders)).to(self._x.device)
        some = self._order[:, number * size : (number + 1) * size]
        return self._x[some], self._y[some], some


def lost(cost: Tensor, limits: Tensor) -> Tensor:
    """Whose cost is no number or above its limit."""
    return ~(cost <= limits) | ~cost.isfinite()


def low(cost: Tensor, tolerance: float | None) -> Tensor:
    """Whose cost is low enough."""
    return torch.zeros_like(cost, dtype=torch.bool) if tolerance is None else cost <= tolerance


def _network(
    arch: Architecture, links: Sequence[Dense | Pointwise] | None, weights: list[Tensor], around: Around | None
) -> Chain | Graph | Expanded:
    """Passes of whatever is trained, in the fastest way there is."""
    if around is not None:
        return Expanded(arch, weights, around)
    return Graph(arch, weights) if links is None else Chain(links, weights)


def _add(to: Tensor, passing: Passing | Derivative, keep: float, factor: float) -> None:
    """to ← keep·to + factor·δᵀA."""
    if isinstance(passing, Derivative):
        to.mul_(keep).add_(passing.value, alpha=factor)
        return
    delta, entering = passing.delta.mT, passing.entering
    if len(to) == 1:
        to[0].addmm_(delta[0], entering[0], beta=keep, alpha=factor)
    else:
        to.baddbmm_(delta, entering, beta=keep, alpha=factor)


def _wide(places: Tensor, values: Tensor) -> Tensor:
    """Places (S×B) as indices of values (S×N×k)."""
    return places[..., None].expand(*places.shape, values.shape[-1])


def _keys(seeds: Sequence[int], step: int, device: torch.device) -> Tensor:
    """A key of masks for each network, another at each step."""
    words = [np.random.SeedSequence((seed, step)).generate_state(1, np.uint64).view(np.int64)[0] for seed in seeds]
    return torch.tensor([int(word) for word in words], device=device)
