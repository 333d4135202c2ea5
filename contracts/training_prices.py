"""What training costs: one core's seconds, and a worker's bytes."""

from collections import Counter
from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING

from contracts.training_sizes import FIELD_OF, Sizes
from ntk_engine.architecture import Mlp
from ntk_engine.folding import kept_numbers, looped

if TYPE_CHECKING:
    from contracts.trainings import TrainingSpec

# One core's: a product and a sum of a matrix product, a byte of weights that is moved, what is done to a neuron of a
# row beside, and a layer's calls.
SECONDS_PER_PRODUCT = 2 / 30e9
SECONDS_PER_MOVED_BYTE = 1 / 8e9
SECONDS_PER_NEURON = 10e-9
SECONDS_PER_CALLED_LAYER = 60e-6
# The same where the step is compiled.
SECONDS_PER_LOOPED_LAYER = 0.5e-6
# A step of a Taylor expansion, by its order, in steps of the network itself.
PASSES_OF_EXPANSION = (1, 3, 8)
# Copies of weights and of neurons that a worker holds at its peak.
WEIGHT_COPIES, NEURON_COPIES = 3, 5


def step_seconds(spec: "TrainingSpec", sizes: Sizes, item: int) -> float:
    """Of one step of one network, and its share of what is recorded."""
    batch = min(spec.batch_size or sizes.points, sizes.points)
    passes = 3 * PASSES_OF_EXPANSION[spec.expansion or 0]
    products = passes * batch * sizes.parameters * SECONDS_PER_PRODUCT
    moved = 3 * item * sizes.parameters * SECONDS_PER_MOVED_BYTE
    called = SECONDS_PER_LOOPED_LAYER if _looped(spec, sizes) else SECONDS_PER_CALLED_LAYER
    calls = sizes.layers * called + batch * sizes.neurons * SECONDS_PER_NEURON
    looked_at = sizes.looked_at * (3 * sizes.parameters * SECONDS_PER_PRODUCT + sizes.neurons * SECONDS_PER_NEURON)
    entries = prod(sizes.recorded["kernel"]) * len(sizes.steps["kernel"]) if "kernel" in sizes.recorded else 0
    matrices = entries * 2 * sizes.neurons * SECONDS_PER_PRODUCT
    return max(products, moved) + calls + (looked_at + matrices) / max(spec.steps, 1)


def _looped(spec: "TrainingSpec", sizes: Sizes) -> bool:
    """Whether steps are made in one compiled loop, as those of chains of layers are."""
    whole = spec.batch_size is None or spec.batch_size >= sizes.points
    fast = looped(sizes.points, max(rows * columns for rows, columns in sizes.dense))
    return isinstance(spec.architecture, Mlp) and whole and spec.expansion is None and fast


def network_bytes(spec: "TrainingSpec", sizes: Sizes, item: int) -> tuple[int, int]:
    """Bytes that each network takes, and those that any number takes."""
    points = max([sizes.points, *(shape[0] for shape in sizes.recorded.values() if shape)])
    copies = WEIGHT_COPIES + (1 if spec.momentum else 0) + (1 if "drift" in sizes.steps else 0)
    copies += 0 if spec.expansion is None else 3 * spec.expansion
    kept = sum(kept_numbers(*size, sizes.points, item) for size in sizes.dense)
    network = item * (copies * sizes.parameters + kept + NEURON_COPIES * points * sizes.neurons)
    return network, 4 * 8 * points * max(sizes.outputs, 1)


def records_bytes(sizes: Sizes, length: int, item: int) -> int:
    """What a network's records in one part of so many steps take: as measured and as tiles, in float64 at first."""
    return sum(
        (item + 8) * prod(shape) * most_in_a_part(sizes.steps[FIELD_OF[name]], length)
        for name, shape in sizes.recorded.items()
    )


def most_in_a_part(steps: Sequence[int], length: int) -> int:
    """The most of these steps that one part has; the last part has the step behind its end too."""
    if isinstance(steps, range):
        return min(len(steps), length // steps.step + 2)
    return max(Counter(step // length for step in steps).values(), default=0) + 1
