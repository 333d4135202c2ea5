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
from contracts.training_prices import WEIGHT_COPIES, most_in_a_part, network_bytes, records_bytes, step_seconds
from contracts.training_sizes import FIELD_OF, Sizes

if TYPE_CHECKING:
    from contracts.trainings import TrainingSpec

# A part is short enough to watch a run by, and longer where checkpoints would be a fortieth of it.
PART_SECONDS = 5.0
CHECKPOINTS = 40
# What is shared by networks side by side is worth no more than this.
GROUP_SECONDS = 1.0
# Entries of a tile of parameters; and of a tile that holds a recorded value, and how many tiles there may be.
PARAMETER_TILE = 2**18
LARGEST_RECORD_BYTES = 2**26
MOST_TILES = 200_000
# Copies of one step's values of all networks, for their quantiles.
STATISTICS_COPIES = 3
STATISTICS = ("outputs", "kernel")


def plan(spec: "TrainingSpec", sizes: Sizes, limits: Settings) -> Plan:
    """Arrays, chains of parts, and cost; raises ProblemError for what no worker, or no array, holds."""
    item, count = ITEM_BYTES[spec.dtype], len(spec.seeds)
    _check_network(sizes, limits.memory_bytes // (WEIGHT_COPIES * item))
    step = step_seconds(spec, sizes, item)
    whole = step * max(spec.steps, 1)
    network, held = network_bytes(spec, sizes, item)
    group = max(1, min(count, int(GROUP_SECONDS / whole) if whole else count, limits.memory_bytes // 2 // network))
    checkpoint = sizes.parameters * item * (2 if spec.momentum else 1) * SECONDS_PER_STORED_BYTE
    length = int(max(PART_SECONDS, CHECKPOINTS * group * checkpoint) / (group * step))
    length = max(1, min(length, spec.steps))
    while length > 1 and group * records_bytes(sizes, length, item) > limits.memory_bytes // 4:
        length //= 2
    arrays = tuple(_arrays(spec, sizes, length))
    _check_records(arrays, sizes)
    stored = sum(array.stored_bytes for array in arrays) * SECONDS_PER_STORED_BYTE
    rounds = ceil(spec.steps / length) or 1
    seconds = count * (whole + rounds * 2 * checkpoint) + stored
    memory = held + group * (network + records_bytes(sizes, length, item))
    _check_statistics(spec, sizes, length, limits)
    check_limits(Plan(arrays, (), "steps", seconds, memory), limits, "/architecture")
    return Plan(arrays, tuple(_parts(spec, sizes, group, length)), "steps", seconds, memory)


def _check_statistics(spec: "TrainingSpec", sizes: Sizes, length: int, limits: Settings) -> None:
    """All networks' values at one step are looked at together."""
    if spec.ensemble is None:
        return
    item, kinds = ITEM_BYTES[spec.dtype], 3 + len(spec.ensemble.quantiles)
    for name in STATISTICS:
        if name in sizes.recorded:
            copies = STATISTICS_COPIES * len(spec.seeds) + kinds * most_in_a_part(sizes.steps[name], length)
            held = copies * prod(sizes.recorded[name]) * item
            if held > limits.memory_bytes:
                figures = {"memory_bytes": held, "limits": {"memory_bytes": limits.memory_bytes}}
                raise TOO_LARGE.error(
                    f"Statistics of {name} over so many networks are too large.", "/ensemble", figures
                )


def _arrays(spec: "TrainingSpec", sizes: Sizes, length: int) -> list[ArrayPlan]:
    s, dtype, p = len(spec.seeds), spec.dtype, sizes.parameters
    found = [
        ArrayPlan("cost", (s, spec.steps + 1), "float64", 1, length),
        ArrayPlan("endings", (s, 2), "float64", 1, 2),
        ArrayPlan("largest_rate", (s,), "float64", 1, 1),
        ArrayPlan("kept", (sizes.layers,), "float64", sizes.layers, 1),
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
            asked = {"networks": some, "steps": [start, end], "alone": len(groups) == 1}
            parts.append(PartPlan(asked, (some[1] - some[0]) * max(end - start, 1), after))
        if spec.ensemble is not None and any(_recorded(sizes, name, start, end, spec.steps) for name in STATISTICS):
            # No step is made in it.
            parts.append(PartPlan({"statistics": [start, end]}, 0, tuple(now)))
    return parts


def _recorded(sizes: Sizes, name: str, start: int, end: int, last: int) -> bool:
    steps = sizes.steps.get(name, ())
    first = bisect_left(steps, start)
    return first < len(steps) and (steps[first] < end or steps[first] == end == last)
