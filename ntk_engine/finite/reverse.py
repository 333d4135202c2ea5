"""Inputs through a finite network and back: α before every dense layer and δ = ∂f/∂α̃ after it, without autograd.

A further kind of layer is one function here, registered with `_through`: what it makes of neurons, and how derivatives
by those after it become derivatives by those before it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import reduce, singledispatch
from typing import TYPE_CHECKING, NamedTuple

import torch

from ntk_engine.architecture import layers
from ntk_engine.finite.pointwise import value_and_slope
from ntk_engine.layers import Dense, Dropout, LayerNorm, Nonlinearity, Parallel, Scale
from ntk_engine.pages import large

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torch import Tensor

    from ntk_engine.architecture import Architecture
    from ntk_engine.finite.masks import Masks
    from ntk_engine.finite.parameters import Parameters
    from ntk_engine.layers import Layer

__all__ = ["Passed", "Term", "There", "passed", "there"]

Back = Callable[["Tensor"], "Tensor | None"]
"""From ∂(v·f)/∂(neurons after) to that by those before, …×r×N×n; None where these do not depend on parameters.

N is 1 as long as the derivatives are those of every input. `Back` may be called once.
"""


class Term(NamedTuple):
    """A dense layer that inputs have passed."""

    gain: float
    """The factor of W α,"""
    bias: float
    """and of b."""
    alpha: Tensor
    """α, …×N×n_ℓ, or N×n_ℓ of the network's inputs."""
    delta: Tensor
    """∂(v·f)/∂α̃, …×r×N×n_{ℓ+1}, or …×r×1×n_{ℓ+1} where it is that of every input; empty if not asked for."""


class Passed(NamedTuple):
    """Inputs that went through a network."""

    outputs: Tensor
    """f, …×N×k."""
    readouts: Tensor
    """The v of v·f, …×r×k."""
    terms: list[Term]


@dataclass
class _Way:
    """What a pass reads, and what it leaves."""

    params: Parameters
    masks: Masks | None
    terms: list[Term] = field(default_factory=list)
    dropouts: int = 0


@torch.no_grad()
def passed(
    arch: Architecture, params: Parameters, x: Tensor, readouts: Tensor, masks: Masks | None, *, back: bool = True
) -> Passed:
    """Send inputs x (N×n_0) through networks, and r linear functions of their outputs back.

    params: of one network, or with one more dimension in front (S) of many. readouts: r×k, or S×r×k. back: whether
    derivatives are asked for.
    """
    found = there(arch, params, x, masks)
    if back:
        found.pull(readouts.unsqueeze(-2))
    return Passed(found.outputs, readouts, found.terms)


class There(NamedTuple):
    """Inputs that went through a network and may go back."""

    outputs: Tensor
    """f, …×N×k."""
    pull: Back
    """To be called once, with ∂C/∂f (…×1×N×k) or with readouts; `terms` have their δ then."""
    terms: list[Term]
    """Of the dense layers, in their order."""


@torch.no_grad()
def there(arch: Architecture, params: Parameters, x: Tensor, masks: Masks | None) -> There:
    """Send inputs x (N×n_0, or S×N×n_0) through one network, or S of them."""
    way = _Way(params, masks)
    outputs, pull = _serial(layers(arch), x, way)
    return There(outputs, pull, way.terms)


def _serial(some: Iterable[Layer], z: Tensor, way: _Way) -> tuple[Tensor, Back]:
    pulls: list[Back] = []
    for layer in some:
        z, pull = _through(layer, z, way)
        pulls.append(pull)

    def back(outer: Tensor) -> Tensor | None:
        inner: Tensor | None = outer
        while pulls and inner is not None:
            # What a layer kept for its way back is freed as soon as it is taken.
            inner = pulls.pop()(inner)
        return inner

    return z, back


@singledispatch
def _through(layer: Layer, z: Tensor, way: _Way) -> tuple[Tensor, Back]:  # noqa: ARG001
    """The neurons after a layer, and its way back."""
    raise TypeError(f"there is no finite network with a {layer.type} layer")


@_through.register(Dense)
def _(layer: Dense, z: Tensor, way: _Way) -> tuple[Tensor, Back]:
    number = len(way.terms)
    weight, bias = way.params[number]
    gain, beta = layer.gain(z.shape[-1]), layer.shift
    way.terms.append(Term(gain, beta, z, z.new_empty(0)))

    def back(outer: Tensor) -> Tensor | None:
        way.terms[number] = way.terms[number]._replace(delta=outer)
        if number == 0:
            # There is nothing to learn before it.
            return None
        rows = outer.flatten(-3, -2)
        return _product(rows.new_zeros(1), rows, weight, 0.0, gain).view(*outer.shape[:-1], -1)

    return _product(bias.unsqueeze(-2), z, weight.mT, beta, gain), back


def _product(shift: Tensor, a: Tensor, b: Tensor, beta: float, factor: float) -> Tensor:
    """beta·shift + factor·ab in one pass, of matrices or, where b is many, of many."""
    out = large(a, *b.shape[:-2], a.shape[-2], b.shape[-1])
    if b.dim() == 2:
        return torch.addmm(shift, a, b, beta=beta, alpha=factor, out=out)
    return torch.baddbmm(shift, a.expand(len(b), -1, -1), b, beta=beta, alpha=factor, out=out)


@_through.register(Nonlinearity)
def _(layer: Nonlinearity, z: Tensor, _way: _Way) -> tuple[Tensor, Back]:
    value, slope = value_and_slope(layer.activation, z)
    return value, lambda outer: _times(outer, slope)


def _times(outer: Tensor, slope: Tensor) -> Tensor:
    """The product with what each neuron brings (…×N×n), which is in its place where there is one readout."""
    factor = slope.unsqueeze(-3)
    fits = outer.shape[-3] == 1 and outer.dim() <= factor.dim()
    return torch.mul(outer, factor, out=factor) if fits else outer * factor


@_through.register(LayerNorm)
def _(_layer: LayerNorm, z: Tensor, _way: _Way) -> tuple[Tensor, Back]:
    """0, and of derivative 0, where all neurons are equal."""
    centred = z - z.mean(dim=-1, keepdim=True)
    variance = centred.square().mean(dim=-1, keepdim=True)
    scale = torch.where(variance > 0.0, variance.rsqrt(), 0.0)
    normal = centred * scale

    def back(outer: Tensor) -> Tensor:
        along = normal.unsqueeze(-3) * (outer * normal.unsqueeze(-3)).mean(dim=-1, keepdim=True)
        return scale.unsqueeze(-3) * (outer - outer.mean(dim=-1, keepdim=True) - along)

    return normal, back


@_through.register(Scale)
def _(layer: Scale, z: Tensor, _way: _Way) -> tuple[Tensor, Back]:
    return z * layer.factor, lambda outer: outer * layer.factor


@_through.register(Dropout)
def _(layer: Dropout, z: Tensor, way: _Way) -> tuple[Tensor, Back]:
    number, way.dropouts = way.dropouts, way.dropouts + 1
    if way.masks is None:
        return z, lambda outer: outer
    kept = way.masks.kept(number, z.shape[-1], layer.rate).to(z.dtype).div_(1.0 - layer.rate)
    return z * kept, lambda outer: _times(outer, kept)


@_through.register(Parallel)
def _(layer: Parallel, z: Tensor, way: _Way) -> tuple[Tensor, Back]:
    ends, pulls = zip(*(_serial(branch, z, way) for branch in layer.branches), strict=True)

    def back(outer: Tensor) -> Tensor | None:
        inner = [pull(part) for pull, part in zip(pulls, _parts(layer, outer, ends), strict=True)]
        found = [part for part in inner if part is not None]
        return reduce(torch.add, found) if found else None

    if layer.combine == "concatenate":
        return torch.cat(_one_shape(ends), dim=-1), back
    return reduce(torch.add if layer.combine == "sum" else torch.mul, ends), back


def _one_shape(ends: tuple[Tensor, ...]) -> list[Tensor]:
    """The inputs themselves, which end a branch without layers, are those of every network."""
    front = max((end.shape[:-1] for end in ends), key=len)
    return [end.expand(*front, -1) for end in ends]


def _parts(layer: Parallel, outer: Tensor, ends: tuple[Tensor, ...]) -> list[Tensor]:
    """What the derivatives by the neurons where branches join are for the end of each."""
    if layer.combine == "sum":
        return [outer] * len(ends)
    if layer.combine == "concatenate":
        return list(torch.split(outer, [end.shape[-1] for end in ends], dim=-1))
    others = ([end for other, end in enumerate(ends) if other != number] for number in range(len(ends)))
    return [outer * reduce(torch.mul, some).unsqueeze(-3) for some in others]
