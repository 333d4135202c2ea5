"""Parts of training jobs: a group of networks from one checkpoint to the next, and statistics over all of them."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from contracts.trainings import TrainingSpec
from ntk_engine import finite
from ntk_engine.architecture import Architecture
from ntk_engine.finite import Descent, Ending, Rule, Run
from storage import arrays
from storage.arrays import Numbers, TileData
from storage.jobs.transitions import Claim
from worker.context import Context
from worker.inputs import dataset_rows
from worker.training_group import Group, initial
from worker.training_records import Records
from worker.training_statistics import statistics


def run(claim: Claim, context: Context) -> Iterator[TileData]:
    """What a part leaves: costs and records of its steps and, last, the checkpoint."""
    spec = TrainingSpec.model_validate(claim.job_spec)
    with context.database.read() as read:
        stored = arrays.of_job(read, claim.lease.job)
    if "statistics" in claim.part_spec:
        yield from statistics(context, spec, stored, *claim.part_spec["statistics"])
    else:
        group = Group(context, spec, stored, *claim.part_spec["networks"], *claim.part_spec["steps"])
        yield from _train(group)


def _train(group: Group) -> Iterator[TileData]:
    spec, context = group.spec, group.context
    x = dataset_rows(context, spec.dataset, None, group.dtype)
    y = dataset_rows(context, spec.dataset, None, group.dtype, array="y")
    endings = np.zeros((group.count, 2)) if group.start == 0 else group.stored_rows("endings")
    going = np.flatnonzero(endings[:, 0] == Ending.ALL_STEPS).tolist()
    records = Records(group, going, x, spec.cost.outputs(y.shape[1]))
    found = _follow(group, going, x, y, records)
    yield from _costs(group, found, going)
    # A job that was queued before there was such an array has no room for it.
    if group.start == 0 and group.first == 0 and "kept" in group.stored:
        yield TileData("kept", 0, 0, np.array(found.kept, dtype=np.float64)[:, None])
    yield from records.tiles(found)
    yield from _flat(group, "parameters", found.weights, going)
    if spec.momentum:
        yield from _flat(group, "velocity", found.velocity, going)
    yield from _outcome(group, found, going, endings, records)


def _follow(group: Group, going: list[int], x: Tensor, y: Tensor, records: Records) -> Run:
    """Train the networks that have not ended yet, from their first parameters or those of the last checkpoint."""
    spec, seeds = group.spec, [group.seeds[number] for number in going]
    shape = spec.architecture, x.shape[1], spec.cost.outputs(y.shape[1])
    velocity: list[Tensor] = []
    first = None
    if group.start == 0:
        weights = initial(group, going, x, shape[2])
    else:
        weights = _restored(group, "parameters", going, shape, x)
        velocity = _restored(group, "velocity", going, shape, x) if spec.momentum else []
        first = torch.from_numpy(group.stored_rows("cost", slice(0, 1))[going, 0]).to(x)
    rule = Rule(
        learning_rate=spec.learning_rate,
        momentum=spec.momentum,
        weight_decay=spec.weight_decay,
        batch_size=spec.batch_size,
    )
    shift = finite.apply(spec.architecture, records.first(), x) if spec.centred else None
    descent = Descent(
        spec.architecture,
        weights,
        x,
        y,
        spec.cost,
        rule,
        seeds,
        step=group.start,
        velocity=velocity,
        shift=shift,
        around=records.around(),
    )
    return finite.follow(descent, group.stop, records.recordings, tolerance=spec.tolerance, first_cost=first)


def _restored(
    group: Group, name: str, going: list[int], shape: tuple[Architecture, int, int], x: Tensor
) -> list[Tensor]:
    """Of a checkpoint, network by network."""
    into = finite.empty(*shape, len(going), dtype=x.dtype, device=x.device)
    for place, number in enumerate(going):
        row = torch.from_numpy(group.stored_rows(name, only=number)).to(x.device)
        finite.unflattened(row, [item[place : place + 1] for item in into])
    return into


def _costs(group: Group, found: Run, going: list[int]) -> Iterator[TileData]:
    """The cost before each step, and behind the last one too."""
    width = group.stored["cost"].plan.tile_cols
    cost = group.spread(found.cost, going)
    for number in range(group.count):
        values = cost[number] if group.last else cost[number, :-1]
        for at in range(0, len(values), width):
            column = (group.start + at) // width
            yield TileData("cost", group.first + number, column, values[None, at : at + width], gaps=True)


def _flat(group: Group, name: str, joined: list[Tensor], going: list[int]) -> Iterator[TileData]:
    """θ, or its velocity: what the next part begins with, and the result; of one that diverged, whatever it is."""
    width = group.stored[name].plan.tile_cols
    for number, row in zip(going, finite.flattened(joined).cpu().numpy(), strict=True):
        for at in range(0, len(row), width):
            yield TileData(name, group.first + number, at // width, row[None, at : at + width], latest=True, gaps=True)


def _outcome(group: Group, found: Run, going: list[int], endings: Numbers, records: Records) -> Iterator[TileData]:
    """How each network ended and after how many steps; where it diverged, the learning rate to stay below."""
    for place, number in enumerate(going):
        ending = found.endings[place]
        endings[number] = float(ending), found.steps[place]
        if ending is not Ending.ALL_STEPS or group.last:
            diverged = ending is Ending.DIVERGED
            rate = records.largest_rate(place, found.steps[place]) if diverged else np.nan
            yield TileData("largest_rate", group.first + number, 0, np.full((1, 1), rate), gaps=True)
    for number, row in enumerate(endings):
        yield TileData("endings", group.first + number, 0, row[None], latest=True)
