"""Dense layers, and runs of equal layers (activation, then dense), over a tile."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import torch

from ntk_engine.activations.base import ClosedForm
from ntk_engine.activations.double_word import settled
from ntk_engine.infinite import codes, recursion, roots, row_codes
from ntk_engine.infinite.recursion import Pairs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from ntk_engine.activations.base import Activation, Dual
    from ntk_engine.infinite.rows import Side
    from ntk_engine.infinite.tiles import Tile

# Layers whose rows are computed together: for 512 rows a few mebibytes.
_CHUNK = 128
# Where a function of a root is differentiated, it is known for roots that differ by this share of it at least.
_AROUND = 2.0**-4


def dense(sigma_w: float, beta: float, tile: Tile, a: Side, b: Side, *, signed: bool) -> None:
    """A dense layer; `signed`: whether ρ may be negative before."""

    def make(before: Tensor) -> tuple[Tensor, Tensor]:
        after, biased = roots.through_dense(sigma_w, beta, before)
        return torch.stack(biased), after

    rows_a, rows_b = (side.advance((sigma_w, beta), make) for side in (a, b))
    if not codes.dense(tile, rows_a, rows_b, signed=signed):
        tile.pairs = recursion.dense(a.lay(rows_a).unbind(), b.lay(rows_b).unbind(), tile.pairs)


def stack(
    activation: Activation, sigma_w: float, beta: float, layers: int, tile: Tile, a: Side, b: Side, *, signed: bool
) -> bool:
    """`layers` times the activation and a dense layer after it; signed: whether ρ may be negative before.

    Returns whether it may be after.
    """
    for count in _chunks(activation, layers, a, b):
        dual = _dual(activation, a, b)
        make = partial(_through_layers, dual, sigma_w, beta, count)
        rows_a, rows_b = (side.advance((dual, sigma_w, beta, count), make) for side in (a, b))
        signs = [signed] + [not dual.nonnegative] * (count - 1)
        if not codes.stack(dual, tile, rows_a, rows_b, signs):
            for layer_a, layer_b in zip(rows_a, rows_b, strict=True):
                brought = a.lay(layer_a).unbind(), b.lay(layer_b).unbind()
                tile.pairs = recursion.layer(dual.correlate, *brought, tile.pairs)
        signed = not dual.nonnegative
        a.note(activation, dual)
    return signed


def _through_layers(dual: Dual, sigma_w: float, beta: float, layers: int, before: Tensor) -> tuple[Tensor, Tensor]:
    found = row_codes.layers(dual, sigma_w, beta, layers, before)
    return found or roots.through_layers(dual, sigma_w, beta, layers, before)


def activate(activation: Activation, pairs: Pairs, a: Side, b: Side) -> tuple[Pairs, bool]:
    """An activation alone, and whether ρ may be negative after it."""
    dual = _dual(activation, a, b)

    def make(before: Tensor) -> tuple[Tensor, Tensor]:
        brings, exact = roots.through_activation(dual, *before)
        return torch.stack(brings), torch.stack(settled(brings[0], exact))

    rows_a, rows_b = (side.lay(side.advance(dual, make)).unbind() for side in (a, b))
    after = dual.correlate(rows_a, rows_b, pairs.rho, pairs.gap)
    a.note(activation, dual)
    return Pairs(after.rho, after.gap, after.slope * pairs.tau), not dual.nonnegative


def _chunks(activation: Activation, layers: int, a: Side, b: Side) -> Iterator[int]:
    # What is of a range of roots is made anew for those of every layer.
    size = _CHUNK if isinstance(activation, ClosedForm) and not _narrows(activation, a, b) else 1
    return (min(size, layers - start) for start in range(0, layers, size))


def _dual(activation: Activation, a: Side, b: Side) -> Dual:
    if not isinstance(activation, ClosedForm):
        return activation.dual(*_union(a, b))
    return activation.narrow(*_union(a, b)) if _narrows(activation, a, b) else activation


def _narrows(activation: ClosedForm, a: Side, b: Side) -> bool:
    many = a.count * b.count >= codes.NARROWED
    return activation.narrows and many and not (a.differentiated or b.differentiated)


def _union(a: Side, b: Side) -> tuple[float, float]:
    ranges = [a.range(), b.range()]
    least, most = min(least for least, _ in ranges), max(most for _, most in ranges)
    if a.differentiated or b.differentiated:
        # Of rows of one norm too, what is tabulated shall be a function of it.
        return min(least, (1.0 - _AROUND) * most), max(most, (1.0 + _AROUND) * least)
    return least, most
