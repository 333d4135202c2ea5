"""θ of a network as named tensors: W and b of every dense layer, and where their numbers stand in the stored order.

A stored θ holds of every dense layer [W, b] row by row; a safetensors file holds all of W, then b.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from contracts.drawn import MOST_LAYERS
from contracts.problems import UNREADABLE_UPLOAD, Fault, ProblemError
from contracts.tiling import check_layers
from ntk_engine.architecture import ArchitectureError, Mlp, Network
from ntk_engine.widths import Fan, fitted, names

FORMAT = "ntkd.parameters/1"
"""Of such a file's metadata, the field `format`."""
MEDIA_TYPES = ("application/vnd.safetensors", "application/x-safetensors")
DTYPES = {"float64": "F64", "float32": "F32"}
"""Safetensors' names of the types."""
LONGEST_SHOWN, MOST_FAULTS, MOST_NAMED = 100, 100, 5
Shape = tuple[int, ...]
Numbers = NDArray[np.floating]


class DenseLayer(NamedTuple):
    """A dense layer's tensors; `name` is its place, `first` that of its first number in θ and in the file alike."""

    name: str
    outputs: int
    inputs: int
    first: int

    @property
    def size(self) -> int:
        """(n_ℓ + 1) n_{ℓ+1} numbers."""
        return self.outputs * (self.inputs + 1)

    @property
    def end(self) -> int:
        """Where the next layer begins."""
        return self.first + self.size

    @property
    def shapes(self) -> dict[str, Shape]:
        """Its tensors, in the order of the file: W, n_{ℓ+1}×n_ℓ, and b, n_{ℓ+1}."""
        return {f"{self.name}.weight": (self.outputs, self.inputs), f"{self.name}.bias": (self.outputs,)}

    def apart(self, some: Numbers, start: int) -> tuple[Numbers, Numbers]:
        """Entries of W, then of b, among numbers of [W, b] row by row, the first of them the layer's `start`-th."""
        biases = self._biases(len(some), start)
        return some[~biases], some[biases]

    def together(self, weights: Numbers, biases: Numbers, start: int) -> Numbers:
        """The inverse of `apart`."""
        some = np.empty(len(weights) + len(biases), weights.dtype)
        of_b = self._biases(len(some), start)
        some[~of_b], some[of_b] = weights, biases
        return some

    def _biases(self, count: int, start: int) -> NDArray[np.bool_]:
        found = np.zeros(count, bool)
        found[(self.inputs - start) % (self.inputs + 1) :: self.inputs + 1] = True
        return found


def dense_layers(architecture: Mlp | Network, sizes: Sequence[Fan]) -> tuple[DenseLayer, ...]:
    """The dense layers, in the order of θ, given their numbers of neurons."""
    found, first = [], 0
    for name, fan in zip(names(architecture), sizes, strict=True):
        found.append(DenseLayer(name, fan.outputs, fan.inputs, first))
        first = found[-1].end
    return tuple(found)


def fit(architecture: Mlp | Network, shapes: Mapping[str, Shape]) -> tuple[DenseLayer, ...]:
    """The dense layers of a network that has tensors of these shapes, which say what widths the architecture does not.

    Raises ProblemError for every tensor that is missing, superfluous or misshapen, and for too many layers.
    """
    check_layers(architecture, MOST_LAYERS)
    order = list(names(architecture))
    refuse(_misnamed(order, shapes))
    sizes = [shapes[f"{name}.weight"][0] for name in order]
    try:
        found = fitted(architecture, shapes[f"{order[0]}.weight"][1], sizes)
    except ArchitectureError as error:
        refuse({f"{order[int(place)]}.weight" if place else "": f"is of {said}" for place, said in error.faults})
        raise
    layers = dense_layers(architecture, found)
    wanted = [item for layer in layers for item in layer.shapes.items()]
    refuse({name: f"is {_sizes(shapes[name])}, not {_sizes(shape)}" for name, shape in wanted if shapes[name] != shape})
    return layers


def _misnamed(order: Sequence[str], shapes: Mapping[str, Shape]) -> dict[str, str]:
    axes = {f"{name}.{part}": count for name in order for part, count in (("weight", 2), ("bias", 1))}
    missing = {name: "is missing" for name in axes if name not in shapes}
    flat = {
        name: f"is {_sizes(shapes[name])} and must have {count} axes, none of them 0"
        for name, count in axes.items()
        if name in shapes and (len(shapes[name]) != count or 0 in shapes[name])
    }
    return missing | flat | {name: "is no tensor of this network" for name in shapes if name not in axes}


def _sizes(shape: Shape) -> str:
    return "×".join(map(str, shape)) or "a single number"


def refuse(found: Mapping[str, str]) -> None:
    """Raise ProblemError where there is a tensor with a fault: what is wrong with it, by its name."""
    some = list(found.items())[:MOST_FAULTS]
    faults = [Fault(pointer=pointer(name), detail=f"{shown(name) or 'the network'} {said}") for name, said in some]
    if len(found) == 1:
        raise ProblemError(UNREADABLE_UPLOAD.problem(f"{faults[0].detail}.", faults))
    if found:
        named = ", ".join(shown(name) for name in list(found)[:MOST_NAMED])
        more = f" and {len(found) - MOST_NAMED:,} more" if len(found) > MOST_NAMED else ""
        raise ProblemError(UNREADABLE_UPLOAD.problem(f"{len(found):,} tensors are wrong: {named}{more}.", faults))


def pointer(name: str) -> str:
    """To a tensor of an uploaded file."""
    escaped = shown(name).replace("~", "~0").replace("/", "~1")
    return f"/file/{escaped}" if escaped else "/file"


def shown(name: str) -> str:
    """A tensor's name as it may stand in a sentence."""
    short = "".join(letter if letter.isprintable() else "?" for letter in name[:LONGEST_SHOWN])
    return short + "…" * (len(name) > LONGEST_SHOWN)
