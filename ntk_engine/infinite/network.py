"""A whole network: layer by layer, what it does to the rows of a tile and to their pairs.

A further kind of layer is one function here or in a file of its own, registered with `through`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial, singledispatch
from itertools import groupby
from math import inf
from typing import TYPE_CHECKING, Literal

import torch

from ntk_engine.activations.double_word import Double, root_of
from ntk_engine.architecture import Mlp, simplified
from ntk_engine.infinite import joining, roots
from ntk_engine.infinite.recursion import Pairs, add_bias
from ntk_engine.infinite.stack import activate, dense, stack
from ntk_engine.infinite.tiles import Tile
from ntk_engine.layers import Dense, Dropout, LayerNorm, Nonlinearity, Parallel, Scale
from ntk_engine.layers.joining import shares, width

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch import Tensor

    from ntk_engine.activations.base import Activation
    from ntk_engine.architecture import Architecture
    from ntk_engine.infinite.rows import Side
    from ntk_engine.layers import Layer

Same = Literal["none", "diagonal", "all"]


@dataclass
class Way:
    """Where a tile is on its way through a network."""

    tile: Tile
    a: Side
    b: Side
    width: int | None
    """Neurons of the layer it has come to, where that is known: n_0 at first."""
    same: Same = "none"
    """Which of the pairs are an input with itself: dropout's masks are then the same."""
    signed: bool = True
    """Whether ρ may be negative."""
    held: bool = False
    """Whether a root may stand for 0: see `roots.held`."""

    @property
    def pairs(self) -> Pairs:
        """The pairs here, once all stages are run that wait for them."""
        return self.tile.pairs

    @pairs.setter
    def pairs(self, after: Pairs) -> None:
        self.tile.pairs = after

    def rows(self, key: object, make: roots.Make) -> list[Tensor]:
        """What the rows of both sides bring to a layer, each shaped to broadcast against the pairs."""
        return [side.lay(side.advance(key, make)) for side in (self.a, self.b)]


def run(arch: Architecture, way: Way) -> Way:
    """Carry a tile through a network."""
    plain = arch if isinstance(arch, Mlp) else simplified(arch, finite=False)
    if isinstance(plain, Mlp):
        _dense(way, plain.sigma_w, plain.beta)
        _stack(way, plain.activation, plain.sigma_w, plain.beta, plain.depth - 1)
    else:
        _run(plain.layers, way)
    _end(way)
    return way


def _end(way: Way) -> None:
    if way.held:
        _let_go(way)
    _overflow(way)


def _let_go(way: Way) -> None:
    """Σ^L of a row of zeros is 0, though its root is held for the sake of Θ^L."""
    x, y = way.rows("held", lambda before: (roots.released(before)[0], before))
    way.pairs = way.pairs._replace(rho=way.pairs.rho.masked_fill((x == 0.0) | (y == 0.0), 0.0))


def _overflow(way: Way) -> None:
    """Kernels with a row that has overflowed are infinite, but those that are 0 in units of the rows are 0.

    As of a row of zeros, or of orthogonal inputs of an odd network without biases.
    """
    if max(side.range()[1] for side in (way.a, way.b)) < inf:
        return
    x, y = way.rows("end", lambda before: (before[0], roots.finite(before)))
    endless = ((x == inf) & (y > 0.0)) | ((y == inf) & (x > 0.0))
    rho, gap, tau = way.pairs
    way.pairs = Pairs(_endless(rho, endless), gap, _endless(tau, endless))


def _endless(unit: Tensor, where: Tensor) -> Tensor:
    return torch.where(where & (unit != 0.0), unit * inf, unit)


def _run(layers: Sequence[Layer], way: Way) -> Way:
    for layer, following, count in _groups(layers):
        if isinstance(layer, Nonlinearity) and following is not None:
            _release(way, layer.activation)
            _stack(way, layer.activation, following.sigma_w, following.beta, count)
            way.width = following.width
        else:
            for _ in range(count):
                through(layer, way)
    return way


def _groups(layers: Sequence[Layer]) -> Iterator[tuple[Layer, Dense | None, int]]:
    """Layers, or activations with the dense layers after them, and how many times in a row."""
    steps: list[tuple[Layer, Dense | None]] = []
    for layer in layers:
        joined = steps and steps[-1][1] is None and isinstance(steps[-1][0], Nonlinearity)
        if joined and isinstance(layer, Dense) and layer.parametrization == "ntk":
            steps[-1] = (steps[-1][0], layer)
        else:
            steps.append((layer, None))
    return ((*step, len(list(equal))) for step, equal in groupby(steps))


@singledispatch
def through(layer: Layer, way: Way) -> None:  # noqa: ARG001
    """Carry a tile through a layer."""
    raise TypeError(f"there is no kernel of a {layer.type} layer")


@through.register(Dense)
def _(layer: Dense, way: Way) -> None:
    if layer.parametrization == "ntk":
        _dense(way, layer.sigma_w, layer.beta)
    else:
        _standard(way, layer)
    way.width = layer.width


@through.register(Nonlinearity)
def _(layer: Nonlinearity, way: Way) -> None:
    _release(way, layer.activation)
    way.pairs, way.signed = activate(layer.activation, way.pairs, way.a, way.b)


@through.register(LayerNorm)
def _(layer: LayerNorm, way: Way) -> None:
    held, way.held = way.held, False

    def make(before: Tensor) -> tuple[Tensor, Tensor]:
        root = roots.released(before) if held else before
        return before, torch.stack([(root[0] > 0.0).to(root.dtype), root[1] * 0.0])

    way.rows(layer, make)


@through.register(Scale)
def _(layer: Scale, way: Way) -> None:
    way.rows(layer, partial(_times, Double.of(abs(layer.factor))))


@through.register(Dropout)
def _(layer: Dropout, way: Way) -> None:
    """Independent masks divide E[α²] by 1 − rate and leave E[αα'] as it is."""
    kept = 1.0 - layer.rate
    way.rows(layer, partial(_times, Double.of(1.0) / root_of(1 - Fraction(layer.rate))))
    if way.same == "all":
        return
    rho, gap, tau = way.pairs
    after = Pairs(rho * kept, gap * kept + layer.rate, tau * kept)
    if way.same == "diagonal":
        for new, old in zip(after, way.pairs, strict=True):
            new.diagonal().copy_(old.diagonal())
    way.pairs = after


@through.register(Parallel)
def _(layer: Parallel, way: Way) -> None:
    ends = [
        _run(branch, replace(way, tile=Tile(Pairs(*map(torch.clone, way.pairs))), a=way.a.fork(i), b=way.b.fork(i)))
        for i, branch in enumerate(layer.branches)
    ]
    pairs = [end.pairs for end in ends]
    if layer.combine == "product":
        way.a.join([end.a for end in ends], layer, _product)
        way.b.join([end.b for end in ends], layer, _product)
        way.pairs = joining.product_pairs(pairs)
    else:
        summed = layer.combine == "sum"
        weights = [1] * len(ends) if summed else shares([end.width for end in ends], layer.weights)
        make = partial(_sum, [weight if summed else weight / sum(weights) for weight in weights])
        a = [part.unbind() for part in way.a.lay(way.a.join([end.a for end in ends], layer, make)).unbind()]
        b = [part.unbind() for part in way.b.lay(way.b.join([end.b for end in ends], layer, make)).unbind()]
        way.pairs = joining.sum_pairs(pairs, a, b)
    way.signed, way.held = any(end.signed for end in ends), any(end.held for end in ends)
    way.width = width([end.width for end in ends], layer.combine)


def _times(factor: Double, before: Tensor) -> tuple[Tensor, Tensor]:
    return before, roots.scaled(factor, before)


def _product(found: Tensor) -> tuple[Tensor, Tensor]:
    return found[0], roots.multiplied(found)


def _sum(weights: Sequence[float], found: Tensor) -> tuple[Tensor, Tensor]:
    length, parts = joining.sum_rows(found, weights)
    return parts, length


def _release(way: Way, activation: Activation) -> None:
    """Where σ'(0) = 0, as at a kink or jump, a row of zeros passes no Θ on: what stands for its root is 0 again."""
    if way.held and not activation.derivative(torch.zeros(1, dtype=torch.float64)).any():
        way.rows(("released", activation), lambda before: (before, roots.released(before)))
        way.held = False


def _dense(way: Way, sigma_w: float, beta: float) -> None:
    dense(sigma_w, beta, way.tile, way.a, way.b, signed=way.signed)


def _stack(way: Way, activation: Activation, sigma_w: float, beta: float, count: int) -> None:
    way.signed = stack(activation, sigma_w, beta, count, way.tile, way.a, way.b, signed=way.signed)


def _standard(way: Way, layer: Dense) -> None:
    """Weights N(0, σ_w²/n) and biases N(0, β²) themselves: Θ ← σ_w² Θ + n Σ_in + 1, n the width before.

    Sohl-Dickstein, Novak, Schoenholz, Lee, On the infinite width limit of neural networks with a standard
    parameterization, 2020. The 1 is there without a bias, too, whose deviation is then 0.
    """
    assert way.width is not None, "the architecture has checked that the width is known"
    fan_in = way.width / layer.sigma_w**2

    def make(before: Tensor) -> tuple[Tensor, Tensor]:
        after, biased = roots.through_dense(layer.sigma_w, layer.beta, before)
        after = roots.held(after)
        # What comes before a root of 0 has no share in Θ.
        return torch.stack([*biased, 1.0 / after[0], (before[0] > 0.0).to(after.dtype)]), after

    way.held = True

    a, b = (rows.unbind() for rows in way.rows(layer, make))
    before = way.pairs
    rho, gap = add_bias(a, b, before.rho, before.gap)
    own = a[0] * b[0] * (before.tau * (a[5] * b[5]) + fan_in * before.rho) + a[4] * b[4]
    way.pairs = Pairs(rho, gap, own)
