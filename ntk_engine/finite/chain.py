"""A network of dense layers with pointwise functions between them, its passes written out (no graph of derivatives).

A dense layer is one product: with V = [W, b] and A = [g α, β], g = σ_w/√n_ℓ, the preactivations are α̃ = A Vᵀ, and
the derivative of a cost by V is δᵀA, for δ = ∂C/∂α̃. In standard parametrization g and the bias' factor are 1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch

from ntk_engine.layers import Dense, Nonlinearity, Scale

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from torch import Tensor

    from ntk_engine.layers import Layer

    Pointwise = Nonlinearity | Scale

__all__ = ["Chain", "Derivative", "Passing", "chain"]

# Matrices of fewer rows are multiplied many at once, larger ones one after another (measured).
_BATCHED = 300


def chain(some: Iterable[Layer]) -> tuple[Dense | Pointwise, ...] | None:
    """The layers, if they are dense ones and pointwise functions alone."""
    found = tuple(some)
    links = tuple(layer for layer in found if isinstance(layer, Dense | Nonlinearity | Scale))
    return links if len(links) == len(found) else None


class Passing(NamedTuple):
    """What a dense layer's weights are changed by: the derivative by V is δᵀA."""

    layer: int
    delta: Tensor
    """δ, S×N×n_{ℓ+1}."""
    entering: Tensor
    """A, S×N×(n_ℓ + 1)."""


class Derivative(NamedTuple):
    """The same, as it is."""

    layer: int
    value: Tensor
    """By V, S×n_{ℓ+1}×(n_ℓ + 1)."""


class Chain:
    """Passes of S networks over N inputs each, whose neurons are kept in memory that is used again."""

    def __init__(self, some: Sequence[Dense | Pointwise], weights: Sequence[Tensor]) -> None:
        """weights: V of every dense layer, S×n_{ℓ+1}×(n_ℓ + 1); read whenever a pass is made."""
        self._layers, self._weights = some, weights
        self._entering: list[Tensor] = []
        self._kept: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        """f_θ(x) of inputs x (S×N×n_0, or N×n_0 for all): S×N×k."""
        z, dense = x.expand(len(self._weights[0]), *x.shape[-2:]), 0
        self._kept = []
        for layer in self._layers:
            if isinstance(layer, Dense):
                entering = self._enter(dense, layer, z)
                z, dense = _product(entering, self._weights[dense].mT), dense + 1
            else:
                self._kept.append(z)
                z = _value(layer, z)
        return z

    def backward(self, outer: Tensor) -> Iterator[Passing]:
        """From ∂C/∂f (S×N×k) of the last inputs, what each dense layer is changed by, the last one first.

        A layer's weights may be changed once it has been given.
        """
        delta, kept, dense = outer, list(self._kept), len(self._weights)
        for at in reversed(range(len(self._layers))):
            layer = self._layers[at]
            if not isinstance(layer, Dense):
                delta = _pulled(layer, kept.pop(), delta)
                continue
            dense -= 1
            given = Passing(dense, delta, self._entering[dense])
            if dense:
                delta = _product(delta, self._weights[dense][..., :-1])
                gain = layer.gain(given.entering.shape[-1] - 1)
                delta = delta if gain == 1.0 else delta.mul_(gain)
            yield given

    def _enter(self, dense: int, layer: Dense, z: Tensor) -> Tensor:
        """A = [g α, β], where it was before, if inputs are as many."""
        if dense == len(self._entering):
            self._entering.append(z.new_empty(0))
        shape = (*z.shape[:-1], z.shape[-1] + 1)
        if self._entering[dense].shape != shape:
            self._entering[dense] = z.new_empty(shape)
            self._entering[dense][..., -1] = layer.shift
        torch.mul(z, layer.gain(z.shape[-1]), out=self._entering[dense][..., :-1])
        return self._entering[dense]


def _value(layer: Pointwise, z: Tensor) -> Tensor:
    return layer.activation.value(z) if isinstance(layer, Nonlinearity) else z * layer.factor


def _pulled(layer: Pointwise, z: Tensor, delta: Tensor) -> Tensor:
    """δ before a pointwise function, from that after it."""
    if isinstance(layer, Nonlinearity):
        return layer.activation.derivative(z).mul_(delta)
    return delta * layer.factor


def _product(a: Tensor, b: Tensor) -> Tensor:
    """a b for every network (S×p×q, S×q×r)."""
    if len(a) == 1:
        return torch.mm(a[0], b[0])[None]
    if min(b.shape[-2:]) <= _BATCHED:
        return torch.bmm(a, b)
    return torch.stack([torch.mm(one, other) for one, other in zip(a, b, strict=True)])
