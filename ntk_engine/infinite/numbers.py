"""The numbers β and σ_w of a network by their names, and networks in which tensors stand for them."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ntk_engine.architecture import Mlp, Network
from ntk_engine.layers import Dense, Nonlinearity, Parallel, Residual, Serial

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from torch import Tensor

    from ntk_engine.architecture import Architecture
    from ntk_engine.layers import Layer, Layers

NUMBERS = ("beta", "sigma_w")


def numbers_of(arch: Architecture) -> dict[str, float]:
    """Every β and σ_w by its name.

    Those of an Mlp are `beta` and `sigma_w`, the same for all layers. Those of a Network are the paths of fields, as in
    the faults of an ArchitectureError: `layers/0/beta`, `layers/3/layers/1/sigma_w`, `layers/4/branches/0/2/beta`.
    """
    if isinstance(arch, Mlp):
        return {name: getattr(arch, name) for name in NUMBERS}
    found: dict[str, float] = {}

    def note(place: str, layer: Dense) -> Dense:
        found.update({f"{place}/{name}": getattr(layer, name) for name in NUMBERS})
        return layer

    _change(arch.layers, "layers", note)
    return found


def with_numbers(arch: Architecture, numbers: Mapping[str, Tensor]) -> Architecture:
    """The network with tensors of no dimensions in place of some of `numbers_of`.

    Raises ValueError for a name that is none, and ArchitectureError for a value that the field does not take.
    """
    known = numbers_of(arch)
    unknown = [name for name in numbers if name not in known]
    if unknown:
        raise ValueError(f"{unknown[0]!r} is no β or σ_w of this network; one is {next(iter(known))!r}")
    if isinstance(arch, Mlp):
        dense = _replaced(Dense(beta=arch.beta, sigma_w=arch.sigma_w), "", numbers)
        following = (Nonlinearity(activation=arch.activation), dense)
        return Network(layers=(dense, *following * (arch.depth - 1)))
    return replace(
        arch, layers=_change(arch.layers, "layers", lambda place, layer: _replaced(layer, f"{place}/", numbers))
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class _Differentiated(Dense):
    """A dense layer whose β and σ_w may be tensors. It equals itself alone: equal numbers differ in derivatives."""

    place: str

    __eq__ = object.__eq__
    __hash__ = object.__hash__

    def __post_init__(self) -> None:
        """The numbers have been checked."""

    @cached_property
    def text(self) -> str:
        """Its place, which orders branches as well as anything."""
        return self.place


def _replaced(layer: Dense, prefix: str, numbers: Mapping[str, Tensor]) -> Dense:
    found = {name: numbers[prefix + name] for name in NUMBERS if prefix + name in numbers}
    values: dict[str, Any] = {name: _value(prefix + name, number) for name, number in found.items()}
    checked = replace(layer, **values)
    differentiated: dict[str, Any] = {name: number.double() for name, number in found.items() if number.requires_grad}
    kept = {field.name: getattr(checked, field.name) for field in fields(checked)}
    return _Differentiated(**(kept | differentiated), place=prefix) if differentiated else checked


def _value(name: str, number: Tensor) -> float:
    if number.ndim != 0:
        raise ValueError(f"{name} must be a tensor of no dimensions, not of shape {tuple(number.shape)}")
    return number.item()


def _change(layers: Layers, path: str, change: Callable[[str, Dense], Dense]) -> Layers:
    """The layers with something else for every dense one of them, at whatever depth."""
    return tuple(_changed(layer, f"{path}/{i}", change) for i, layer in enumerate(layers))


def _changed(layer: Layer, place: str, change: Callable[[str, Dense], Dense]) -> Layer:
    if isinstance(layer, Dense):
        return change(place, layer)
    if isinstance(layer, Serial | Residual):
        return replace(layer, layers=_change(layer.layers, f"{place}/layers", change))
    if isinstance(layer, Parallel):
        branches = (_change(branch, f"{place}/branches/{i}", change) for i, branch in enumerate(layer.branches))
        return replace(layer, branches=tuple(branches))
    return layer
