"""How a training job is cut: into groups of networks, and for each a chain of parts, each from the last checkpoint."""

from bisect import bisect_left
from math import ceil, prod
from typing import TYPE_CHECKING

from contracts.plan import (
    ITEM_BYTES,
    SECONDS_PER_STORED_BYTE,
    ArrayPlan,
    PartPlan,
    Plan,
    check_limits,
)
from contracts.problems import TOO_LARGE
from contracts.settings import Settings
from contracts.training_sizes import FIELD_OF, Sizes
from ntk_engine.architecture import Mlp

if TYPE_CHECKING:
    from contracts.trainings import TrainingSpec

# One core's: a product and a sum of a matrix product, a byte of weights that is moved, what is done to a neuron of a
# row beside, and a layer's calls.
SECONDS_PER_PRODUCT = 2 / 30e9
SECONDS_PER_MOVED_BYTE = 1 / 8e9
SECONDS_PER_NEURON = 10e-9
SECONDS_PER_CALLED_LAYER = 60e-6
# The same where the step is compiled, for so many inputs.
SECONDS_PER_LOOPED_LAYER = 0.5e-6
FEW_POINTS = 64
# A step of a Taylor expansion, by its order, in steps of the network itself.
PASSES_OF_EXPANSION = (1, 3, 8)
# A part is short enough to watch a run by, and longer where checkpoints would be a fortieth of it.
PART_SECONDS = 5.0
CHECKPOINTS = 40
# What is shared by networks side by side is worth no more than this.
GROUP_SECONDS = 1.0
# Entries of a tile of parameters; and of a tile that holds a recorded value, and how many tiles there may be.
PARAMETER_TILE = 2**18
LARGEST_RECORD_BYTES = 2**26
MOST_TILES = 200_000
# Copies of weights and of neurons that a worker holds at its peak.
WEIGHT_COPIES, NEURON_COPIES = 3, 5
STATISTICS = ("outputs", "kernel")


def plan(spec: "TrainingSpec", sizes: Sizes, limits: Settings) -> Plan:
    """Arrays, chains of parts, and cost; raises ProblemError for what no worker, or no array, holds."""
    item, count = ITEM_BYTES[spec.dtype], len(spec.seeds)
    _check_network(sizes, limits.memory_bytes // (WEIGHT_COPIES * item))
    step = _step_seconds(spec, sizes, item)
    whole = step * max(spec.steps, 1)
    network, held = _memory(spec, sizes, item)
    group = max(1, min(count, int(GROUP_SECONDS / whole) if whole else count, limits.memory_bytes // 2 // network))
    checkpoint = sizes.parameters * item * (2 if spec.momentum else 1) * SECONDS_PER_STORED_BYTE
    length = int(max(PART_SECONDS, CHECKPOINTS * group * checkpoint) / (group * step))
    length = max(1, min(length, spec.steps))
    arrays = tuple(_arrays(spec, sizes, length))
    _check_records(arrays, sizes)
    stored = sum(array.stored_bytes for array in arrays) * SECONDS_PER_STORED_BYTE
    rounds = ceil(spec.steps / length) or 1
    seconds = count * (whole + rounds * 2 * checkpoint) + stored
    memory = held + group * network
    check_limits(Plan(arrays, (), "steps", seconds, memory), limits, "/architecture")
    return Plan(arrays, tuple(_parts(spec, sizes, group, length)), "steps", seconds, memory)


def _step_seconds(spec: "TrainingSpec", sizes: Sizes, item: int) -> float:
    """Of one step of one network, and its share of what is recorded."""
    batch = min(spec.batch_size or sizes.points, sizes.points)
    passes = 3 * PASSES_OF_EXPANSION[spec.expansion or 0]
    products = passes * batch * sizes.parameters * SECONDS_PER_PRODUCT
    moved = 3 * item * sizes.parameters * SECONDS_PER_MOVED_BYTE
    called = SECONDS_PER_LOOPED_LAYER if _looped(spec, sizes) else SECONDS_PER_CALLED_LAYER
    calls = sizes.layers * called + batch * sizes.neurons * SECONDS_PER_NEURON
    looked_at = sizes.looked_at * (3 * sizes.parameters * SECONDS_PER_PRODUCT + sizes.neurons * SECONDS_PER_NEURON)
    matrices = sum(
        prod(sizes.recorded[name]) * len(sizes.steps[name]) * 2 * sizes.neurons * SECONDS_PER_PRODUCT
        for name in ("kernel",)
        if name in sizes.recorded
    )
    return max(products, moved) + calls + (looked_at + matrices) / max(spec.steps, 1)


def _looped(spec: "TrainingSpec", sizes: Sizes) -> bool:
    """Whether steps are made in one compiled loop, as chains of layers are for few inputs."""
    whole = spec.batch_size is None or spec.batch_size >= sizes.points
    return isinstance(spec.architecture, Mlp) and whole and spec.expansion is None and sizes.points <= FEW_POINTS


def _memory(spec: "TrainingSpec", sizes: Sizes, item: int) -> tuple[int, int]:
    """Bytes that each network takes, and those that any number takes."""
    points = max([sizes.points, *(shape[0] for shape in sizes.recorded.values() if shape)])
    copies = WEIGHT_COPIES + (1 if spec.momentum else 0) + (1 if "drift" in sizes.steps else 0)
    copies += 0 if spec.expansion is None else 3 * spec.expansion
    recorded = sum(2 * item * prod(shape) for shape in sizes.recorded.values())
    network = item * (copies * sizes.parameters + NEURON_COPIES * points * sizes.neurons) + recorded
    return network, 4 * 8 * points * max(sizes.outputs, 1)


def _arrays(spec: "TrainingSpec", sizes: Sizes, length: int) -> list[ArrayPlan]:
    s, dtype, p = len(spec.seeds), spec.dtype, sizes.parameters
    found = [
        ArrayPlan("cost", (s, spec.steps + 1), "float64", 1, length),
        ArrayPlan("endings", (s, 2), "float64", 1, 2),
        ArrayPlan("largest_rate", (s,), "float64", 1, 1),
        ArrayPlan("parameters", (s, p), dtype, 1, min(p, PARAMETER_TILE)),
    ]
    if spec.momentum:
        found.append(ArrayPlan("velocity", (s, p), dtype, 1, min(p, PARAMETER_TILE)))
    for field, steps in sizes.steps.items():
        found.append(ArrayPlan(f"{field}_steps", (len(steps),), "float64", len(steps), 1))
    for name, shape in sizes.recorded.items():
        t = len(sizes.steps[FIELD_OF[name]])
        found.append(ArrayPlan(name, (s, t, *shape), dtype, 1, prod(shape)))
        if spec.ensemble is not None and name in STATISTICS:
            found += [
                ArrayPlan(f"{name}_{statistic}", (t, *shape), dtype, 1, prod(shape))
                for statistic in ("mean", "variance", "standard_error")
            ]
            q = len(spec.ensemble.quantiles)
            if q:
                found.append(ArrayPlan(f"{name}_quantiles", (t, q, *shape), dtype, 1, q * prod(shape)))
    return found


def _check_network(sizes: Sizes, most: int) -> None:
    """Compared as integers, as there may be too many parameters for a float."""
    if sizes.parameters > most:
        said = f"A network of so many parameters does not fit into a worker; there may be {most:,}."
        figures = {"parameters": sizes.parameters, "limits": {"parameters": most}}
        raise TOO_LARGE.error(said, "/architecture", figures)


def _check_records(arrays: tuple[ArrayPlan, ...], sizes: Sizes) -> None:
    for array in arrays:
        if array.name not in sizes.recorded:
            continue
        pointer = f"/record/{FIELD_OF[array.name]}"
        tile = array.tile_cols * ITEM_BYTES[array.dtype]
        if tile > LARGEST_RECORD_BYTES:
            figures = {"record_bytes": tile, "limits": {"record_bytes": LARGEST_RECORD_BYTES}}
            raise TOO_LARGE.error("What is recorded of one network at one step is too large.", pointer, figures)
        if array.stored_tiles > MOST_TILES:
            figures = {"records": array.stored_tiles, "limits": {"records": MOST_TILES}}
            raise TOO_LARGE.error("That is recorded too often.", pointer, figures)


def _parts(spec: "TrainingSpec", sizes: Sizes, group: int, length: int) -> list[PartPlan]:
    """Round by round, in each all groups; behind a round, where asked, the statistics of what it recorded."""
    parts: list[PartPlan] = []
    last: dict[int, int] = {}
    groups = range(0, len(spec.seeds), group)
    for start in range(0, spec.steps, length) if spec.steps else (0,):
        end, now = min(start + length, spec.steps), []
        for first in groups:
            some = [first, min(first + group, len(spec.seeds))]
            now.append(len(parts))
            after = (last[first],) if first in last else ()
            last[first] = len(parts)
            parts.append(
                PartPlan({"networks": some, "steps": [start, end]}, (some[1] - some[0]) * max(end - start, 1), after)
            )
        if spec.ensemble is not None and any(_recorded(sizes, name, start, end, spec.steps) for name in STATISTICS):
            parts.append(PartPlan({"statistics": [start, end]}, 1, tuple(now)))
    return parts


def _recorded(sizes: Sizes, name: str, start: int, end: int, last: int) -> bool:
    steps = sizes.steps.get(name, ())
    first = bisect_left(steps, start)
    return first < len(steps) and (steps[first] < end or steps[first] == end == last)
