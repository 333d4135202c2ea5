"""What finite networks that are drawn from a seed cost: their size, and one core's seconds."""

from collections.abc import Sequence
from typing import NamedTuple

from contracts.problems import INVALID_REQUEST, TOO_LARGE
from contracts.settings import Settings
from contracts.tiling import Matrix, check_layers
from ntk_engine.architecture import Architecture, ArchitectureError
from ntk_engine.widths import Fan, fans

# Layers are listed to be counted.
MOST_LAYERS = 10_000
# One core's, measured: a normal number; a neuron of a row, in all that is done to it beside products; a layer's calls.
SECONDS_PER_NUMBER = 20e-9
SECONDS_PER_NEURON = 20e-9
SECONDS_PER_CALLED_LAYER = 200e-6
# Measured peak of every parameter, in numbers of float64.
COPIES = 2


class Drawn(NamedTuple):
    """The size of a network."""

    parameters: int
    neurons: int
    """Of all dense layers,"""
    widest: int
    """and of the widest."""
    layers: int


def drawn(matrix: Matrix, width: int, n_outputs: int | None, limits: Settings) -> Drawn:
    """The network's size; raises ProblemError where there is none, or it does not fit into a worker."""
    check_layers(matrix.architecture, min(MOST_LAYERS, int(limits.max_job_seconds / SECONDS_PER_CALLED_LAYER)))
    found = dense(matrix.architecture, matrix.dimension, n_outputs, width)
    parameters, most = sum(fan.parameters for fan in found), limits.memory_bytes // (8 * COPIES)
    if parameters > most:
        said = f"A network of so many parameters does not fit into a worker; there may be {most:,}."
        figures = {"parameters": parameters, "limits": {"parameters": most}}
        raise TOO_LARGE.error(said, "/architecture", figures)
    neurons = [fan.outputs for fan in found]
    return Drawn(parameters, sum(neurons), max(neurons), len(found))


def dense(architecture: Architecture, inputs: int, n_outputs: int | None, width: int | None) -> Sequence[Fan]:
    """The dense layers; raises ProblemError where there is no such network, or one of too many layers to list."""
    check_layers(architecture, MOST_LAYERS)
    try:
        return fans(architecture, inputs, n_outputs, width)
    except ArchitectureError as error:
        raise INVALID_REQUEST.error(f"There is no such finite network: {error}.", "/architecture") from error
