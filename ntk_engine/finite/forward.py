"""The realization function x ↦ f_θ(x) of a finite network (Section 2), layer by layer.

A further kind of layer is one function here, registered with `_through`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce, singledispatch
from typing import TYPE_CHECKING, Any

import torch

from ntk_engine.architecture import layers
from ntk_engine.layers import Dense, Dropout, LayerNorm, Nonlinearity, Parallel, Scale

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torch import Tensor

    from ntk_engine.activations.base import Activation
    from ntk_engine.architecture import Architecture
    from ntk_engine.finite.masks import Masks
    from ntk_engine.finite.parameters import Parameters
    from ntk_engine.layers import Layer

__all__ = ["Way", "apply", "forward"]


@dataclass
class Way:
    """What a pass through a network reads, and how far it is."""

    params: Parameters
    masks: Masks | None = None
    """What dropout drops: nothing without."""
    dense: int = 0
    """How many dense layers it has passed,"""
    dropouts: int = 0
    """and how many of dropout."""


def apply(arch: Architecture, params: Parameters, x: Tensor, masks: Masks | None = None) -> Tensor:
    """f_θ(x) of every row of x (N×n_0): N×k, or …×N×k for many networks; differentiable in the parameters.

    masks: of dropout; without, nothing is dropped.
    """
    return forward(arch, Way(params, masks), x)


def forward(arch: Architecture, way: Way, x: Tensor) -> Tensor:
    """f_θ(x), …×N×k."""
    return _all(layers(arch), x, way)


def _all(some: Iterable[Layer], z: Tensor, way: Way) -> Tensor:
    for layer in some:
        z = _through(layer, z, way)
    return z


@singledispatch
def _through(layer: Layer, z: Tensor, way: Way) -> Tensor:  # noqa: ARG001
    """The neurons after a layer, from those before it."""
    raise TypeError(f"there is no finite network with a {layer.type} layer")


@_through.register(Dense)
def _(layer: Dense, z: Tensor, way: Way) -> Tensor:
    (weight, bias), way.dense = way.params[way.dense], way.dense + 1
    return _times(z @ weight.mT, layer.gain(z.shape[-1])) + _times(bias.unsqueeze(-2), layer.shift)


@_through.register(Nonlinearity)
def _(layer: Nonlinearity, z: Tensor, _way: Way) -> Tensor:
    found: Tensor = _Pointwise.apply(z, layer.activation)  # type: ignore[no-untyped-call]
    return found


@_through.register(LayerNorm)
def _(_layer: LayerNorm, z: Tensor, _way: Way) -> Tensor:
    """0, and of derivative 0, where all neurons are equal."""
    centred = z - z.mean(dim=-1, keepdim=True)
    variance = centred.square().mean(dim=-1, keepdim=True)
    varies = variance > 0.0
    return centred * torch.where(varies, torch.where(varies, variance, 1.0).rsqrt(), 0.0)


@_through.register(Scale)
def _(layer: Scale, z: Tensor, _way: Way) -> Tensor:
    return _times(z, layer.factor)


@_through.register(Dropout)
def _(layer: Dropout, z: Tensor, way: Way) -> Tensor:
    number, way.dropouts = way.dropouts, way.dropouts + 1
    if way.masks is None:
        return z
    dropped = ~way.masks.kept(number, z.shape[-1], layer.rate)
    return _times(z.masked_fill(dropped, 0.0), 1.0 / (1.0 - layer.rate))


@_through.register(Parallel)
def _(layer: Parallel, z: Tensor, way: Way) -> Tensor:
    ends = [_all(branch, z, way) for branch in layer.branches]
    if layer.combine == "concatenate":
        return torch.cat(ends, dim=-1)
    return reduce(torch.add if layer.combine == "sum" else torch.mul, ends)


def _times(z: Tensor, factor: float) -> Tensor:
    """The product, but not as z * factor: that loads torch's compiler in forward mode, for seconds."""
    found: Tensor = torch.ops.aten.mul.Scalar(z, factor)
    return found


class _Pointwise(torch.autograd.Function):
    """σ with the derivative that the engine means: 0 at a kink or jump. For reverse and forward mode, of any order."""

    generate_vmap_rule = True

    @staticmethod
    def forward(z: Tensor, activation: Activation) -> Tensor:
        """σ(z)."""
        return activation.value(z)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Activation], output: Tensor) -> None:  # noqa: ARG004
        """Keep z."""
        ctx.save_for_backward(inputs[0])
        ctx.save_for_forward(inputs[0])
        ctx.activation = inputs[1]

    @staticmethod
    def backward(ctx: Any, *outer: Tensor) -> tuple[Tensor, None]:
        """∂/∂z, from that by σ(z)."""
        (z,) = ctx.saved_tensors
        return outer[0] * ctx.activation.derivative(z), None

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> Tensor:
        """Of σ(z), from that of z."""
        (z,) = ctx.saved_tensors
        found: Tensor = tangents[0] * ctx.activation.derivative(z)
        return found
