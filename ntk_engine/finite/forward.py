"""The realization function x ↦ f_θ(x) of a finite network (Section 2), layer by layer.

A further kind of layer is one function here, registered with `_through`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import reduce, singledispatch
from typing import TYPE_CHECKING, Any, NamedTuple

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

__all__ = ["Passed", "Way", "apply", "forward"]


class Passed(NamedTuple):
    """A dense layer that inputs have passed."""

    dense: Dense
    before: Tensor
    """α, …×N×n_ℓ, or N×n_ℓ of the network's inputs."""
    after: Tensor
    """α̃, …×N×n_{ℓ+1}."""

    @property
    def gain(self) -> float:
        """The factor of W α."""
        return self.dense.gain(self.before.shape[-1])

    @property
    def bias(self) -> float:
        """The factor of b."""
        return self.dense.shift


@dataclass
class Way:
    """What a pass through a network reads, and what it leaves."""

    params: Parameters
    masks: Masks | None = None
    """What dropout drops: nothing without."""
    differentiable: bool = False
    """Whether outputs can be differentiated by the neurons after dense layers."""
    dense: list[Passed] = field(default_factory=list)
    dropouts: int = 0


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
    weight, bias = way.params[len(way.dense)]
    passed = Passed(layer, z, z)
    after = passed.gain * (z @ weight.mT) + passed.bias * bias.unsqueeze(-2)
    if way.differentiable:
        after.requires_grad_()
    way.dense.append(passed._replace(after=after))
    return after


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
    return z * layer.factor


@_through.register(Dropout)
def _(layer: Dropout, z: Tensor, way: Way) -> Tensor:
    number, way.dropouts = way.dropouts, way.dropouts + 1
    if way.masks is None:
        return z
    return z * way.masks.kept(number, z.shape[-1], layer.rate) / (1.0 - layer.rate)


@_through.register(Parallel)
def _(layer: Parallel, z: Tensor, way: Way) -> Tensor:
    ends = [_all(branch, z, way) for branch in layer.branches]
    if layer.combine == "concatenate":
        return torch.cat(ends, dim=-1)
    return reduce(torch.add if layer.combine == "sum" else torch.mul, ends)


class _Pointwise(torch.autograd.Function):
    """σ with the derivative that the engine means: 0 at a kink or jump."""

    @staticmethod
    def forward(ctx: Any, z: Tensor, activation: Activation) -> Tensor:
        """σ(z)."""
        ctx.save_for_backward(z)
        ctx.activation = activation
        return activation.value(z)

    @staticmethod
    def backward(ctx: Any, *outer: Tensor) -> tuple[Tensor, None]:
        """∂/∂z, from that by σ(z)."""
        (z,) = ctx.saved_tensors
        return outer[0] * ctx.activation.derivative(z), None
