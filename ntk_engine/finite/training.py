"""Training as a whole: steps, what is recorded on the way, and how it ends."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING

import torch

from ntk_engine.finite.descent import Descent, Rule, lost, low
from ntk_engine.finite.parameters import augmented, parameters

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from ntk_engine.architecture import Architecture
    from ntk_engine.costs import AnyCost
    from ntk_engine.finite.parameters import Parameters
    from ntk_engine.finite.recording import Recording

__all__ = ["Ending", "Run", "follow", "train"]

# A cost so many times the first one is not on its way back.
DIVERGED = 1e6


class Ending(IntEnum):
    """How the training of a network ended."""

    ALL_STEPS = 0
    TOLERANCE = 1
    """Its cost is as low as was asked."""
    DIVERGED = 2
    """Its cost is no number, or a million times the first one: the learning rate is above 2/λ_1."""


@dataclass
class Run:
    """Steps `first` … of S networks; what was not reached is NaN."""

    first: int
    cost: Tensor
    """C before each step and, last, after all: S×(steps + 1)."""
    recorded: dict[str, dict[int, Tensor]] = field(default_factory=dict)
    """By name and step: S×…"""
    endings: list[Ending] = field(default_factory=list)
    steps: list[int] = field(default_factory=list)
    """How many steps each network has made, those before `first` included."""
    weights: list[Tensor] = field(default_factory=list)
    """V = [W, b] of every dense layer at the end, S×n_{ℓ+1}×(n_ℓ + 1),"""
    velocity: list[Tensor] = field(default_factory=list)
    """and with momentum their velocity."""
    kept: tuple[int, ...] = ()
    """Steps of each dense layer that are kept before they change its weights; 0: each at once. See `Descent.kept`."""

    @property
    def parameters(self) -> Parameters:
        """The same, apart."""
        return parameters(self.weights)

    def stacked(self, name: str) -> Tensor:
        """All that was recorded of a name, in the order of steps: S×T×…"""
        found = self.recorded[name]
        return torch.stack([found[step] for step in sorted(found)], dim=1)


def follow(
    descent: Descent,
    until: int,
    recordings: Sequence[Recording] = (),
    *,
    tolerance: float | None = None,
    first_cost: Tensor | None = None,
) -> Run:
    """Train up to step `until`; C, and what is recorded, is also looked at there.

    tolerance: the cost at which a network ends. first_cost: C_0 (S), where the descent is resumed.
    """
    count, first = len(descent.seeds), descent.step
    run = Run(first, descent.weights[0].new_full((count, until - first + 1), torch.nan), kept=descent.kept)
    run.endings, run.steps = [Ending.ALL_STEPS] * count, [until] * count
    alive = list(range(count))
    ended: dict[int, list[Tensor]] = {}
    limits = torch.full_like(run.cost[:, 0], torch.inf) if first_cost is None else _limits(descent, first_cost)
    for stop in _stops(recordings, first, until):
        while alive:
            began = descent.step
            leap = descent.leap(stop, limits[alive], tolerance)
            run.cost[alive, began - first : began - first + leap.cost.shape[1]] = leap.cost
            if first_cost is None:
                first_cost = leap.last
                limits = _limits(descent, first_cost)
            ends = lost(leap.last, limits[alive]), low(leap.last, tolerance)
            alive = _without(descent, run, alive, [began + made for made in leap.made], ends, ended)
            if descent.step == stop:
                break
        for item in recordings:
            if stop in item.steps and alive:
                _record(run, item, descent, alive)
    whole = _together([*descent.weights, *descent.velocity], alive, ended)
    run.weights, run.velocity = whole[: len(descent.weights)], whole[len(descent.weights) :]
    return run


def _stops(recordings: Sequence[Recording], first: int, until: int) -> list[int]:
    """Where something is recorded, and both ends: at the first, C is looked at before anything is made of it."""
    return sorted({first, until, *(step for item in recordings for step in item.steps if first <= step <= until)})


def _limits(descent: Descent, first_cost: Tensor) -> Tensor:
    """C above which a network is lost: S."""
    return (DIVERGED * first_cost).clamp_min(DIVERGED * descent.ceiling)


def _without(
    descent: Descent,
    run: Run,
    alive: list[int],
    steps: list[int],
    ends: tuple[Tensor, Tensor],
    ended: dict[int, list[Tensor]],
) -> list[int]:
    """Who goes on; the others leave the descent, and their weights and velocity as they are go to `ended`.

    steps: of each; ends: who is lost, and who is done.
    """
    stay = []
    for place, (network, step, is_lost, is_done) in enumerate(
        zip(alive, steps, *map(torch.Tensor.tolist, ends), strict=True)
    ):
        if not is_lost and not is_done:
            stay.append(place)
            continue
        run.endings[network] = Ending.DIVERGED if is_lost else Ending.TOLERANCE
        run.steps[network] = step
        ended[network] = [item[place].clone() for item in (*descent.weights, *descent.velocity)]
    if len(stay) < len(alive):
        descent.keep(torch.tensor(stay, dtype=torch.int64))
    return [alive[place] for place in stay]


def _together(weights: Sequence[Tensor], alive: list[int], ended: dict[int, list[Tensor]]) -> list[Tensor]:
    """Those of all networks, in their order."""
    if not ended:
        return list(weights)
    of = ended | {network: [item[place] for item in weights] for place, network in enumerate(alive)}
    return [torch.stack(layer) for layer in zip(*(of[network] for network in sorted(of)), strict=True)]


def _record(run: Run, item: Recording, descent: Descent, alive: list[int]) -> None:
    measured = item.measure(descent.parameters, alive)
    whole = measured.new_full((len(run.endings), *measured.shape[1:]), torch.nan)
    whole[alive] = measured
    run.recorded.setdefault(item.name, {})[descent.step] = whole


def train(
    arch: Architecture,
    params: Parameters,
    x: Tensor,
    y: Tensor,
    cost: AnyCost,
    learning_rate: float,
    steps: int,
    record: Sequence[Recording] = (),
    *,
    momentum: float = 0.0,
    weight_decay: float = 0.0,
    batch_size: int | None = None,
    seeds: Sequence[int] | None = None,
    tolerance: float | None = None,
) -> Run:
    """Train networks (…×, one or S of them) on inputs x (N×n_0) and targets y (N×k), in x's dtype, from copies.

    seeds: of the batches' order and of dropout, one a network; 0, 1, … without. Raises ValueError for targets that the
    cost does not take.
    """
    if not cost.accepts(y):
        raise ValueError(f"the targets of this cost must be {cost.targets}")
    one = params[0].weight.ndim == 2
    batch = [
        augmented(some.weight[None] if one else some.weight, some.bias[None] if one else some.bias, x.dtype)
        for some in params
    ]
    names = tuple(range(len(batch[0]))) if seeds is None else tuple(seeds)
    rule = Rule(learning_rate=learning_rate, momentum=momentum, weight_decay=weight_decay, batch_size=batch_size)
    return follow(Descent(arch, batch, x, y, cost, rule, names), steps, record, tolerance=tolerance)
