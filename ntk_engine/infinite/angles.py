"""Correlations of the inputs themselves: one matrix product, and better for the pairs that it is too coarse for.

A product of unit rows knows ρ = cos φ to a few units of its last digit, so φ near 0 only to half the digits. There (and
near π) the part of x' orthogonal to x gives sin φ relative to itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from ntk_engine import compiled
from ntk_engine.infinite.recursion import Pairs
from ntk_engine.infinite.tiles import Tile

if TYPE_CHECKING:
    from torch import Tensor

    from ntk_engine.infinite.blocks import Block
    from ntk_engine.infinite.rows import Rows
    from ntk_engine.infinite.workspace import Workspace

# 1 ∓ ρ below which a pair is recomputed. A product's ρ errs by δ ≈ 4 ulp, φ by δ/√(2u): 2e-14 in float64 and 3e-6 in
# float32 at these bounds; φ/π enters a kernel as it is. 1 + ρ is wanted relative to itself, which takes a wider margin.
_EQUAL = {torch.float64: 2.0**-10, torch.float32: 2.0**-6}
_OPPOSITE = 2.0**-6
# Numbers of one chunk of such pairs: a mebibyte of doubles, so that a chunk stays in cache and memory stays bounded.
_CHUNK = 2**17


def correlate(a: Rows, b: Rows, at: Block, work: Workspace) -> Tile:
    """ρ and its gap of every row of a tile with every column of it, and τ = 0, in the workspace. A zero row has ρ = 0.

    Where a and b are the same rows, the diagonal is exact, and what lies below it may be coarse.
    """
    x, y = a.scaled[at.rows], b.scaled[at.columns]
    shape = (len(x), len(y))
    product = torch.mm(x, y.mT, out=work.take("product", shape, x, x.dtype))
    pairs = Pairs(*(work.take(name, shape, x) for name in Pairs._fields))
    inverses = a.inverse[at.rows], b.inverse[at.columns]
    begin = compiled.begin(product, *inverses, diagonal=at.diagonal) if x.device.type == "cpu" else None
    if begin is None:
        tile, least = Tile(_pairs(product, *inverses, pairs, at)), 0.0
    else:
        tile, least = Tile(pairs, begin[0]), begin[1]
    if least < _OPPOSITE:
        _refine(a, b, at, tile.pairs)
    return tile


def _pairs(product: Tensor, inverse_a: Tensor, inverse_b: Tensor, pairs: Pairs, at: Block) -> Pairs:
    """Correlations from the product of scaled rows, into `pairs`."""
    rho = pairs.rho.copy_(product).mul_(inverse_a[:, None]).mul_(inverse_b).clamp_(-1.0, 1.0)
    torch.sub(1.0, rho.abs(), out=pairs.gap)
    pairs.tau.zero_()
    if at.diagonal:
        pairs.rho.fill_diagonal_(1.0)
        pairs.gap.fill_diagonal_(0.0)
    return pairs


def _refine(a: Rows, b: Rows, at: Block, pairs: Pairs) -> None:
    """Compute anew the pairs for which the product is too coarse."""
    coarse = (pairs.gap < _EQUAL[a.scaled.dtype]) | ((pairs.gap < _OPPOSITE) & (pairs.rho < 0.0))
    if at.diagonal:
        coarse.triu_(1)
    i, j = coarse.nonzero(as_tuple=True)
    near = pairs.rho[i, j]
    small = _gaps(a, b, i + at.rows.start, j + at.columns.start, near)
    pairs.gap[i, j] = small
    pairs.rho[i, j] = (1.0 - small).copysign_(near)


def _gaps(a: Rows, b: Rows, i: Tensor, j: Tensor, rho: Tensor) -> Tensor:
    """1 − |ρ| of the pairs (a[i], b[j]), from ρ to about half its digits; chunk by chunk."""
    size = max(1, _CHUNK // a.scaled.shape[1])
    # One buffer for the results: small tensors that outlive large ones would keep the freed memory in pieces.
    square = torch.empty_like(rho)
    for start in range(0, len(i), size):
        some = slice(start, start + size)
        square[some] = _sine_squared(a, b, i[some], j[some], rho[some])
    square.clamp_(max=1.0)
    return square.div_((1.0 - square).sqrt_().add_(1.0))


def _sine_squared(a: Rows, b: Rows, i: Tensor, j: Tensor, rho: Tensor) -> Tensor:
    """sin² φ, relative to itself."""
    sine: Tensor = torch.linalg.vector_norm(orthogonal(a, b, i, j, rho), dim=1) * b.inverse[j]
    return sine.square_()


def orthogonal(a: Rows, b: Rows, i: Tensor, j: Tensor, rho: Tensor) -> Tensor:
    """Of scaled rows y = b[j], the part orthogonal to x = a[i] (pairs×d), right to the last digits of its length.

    y's part along x is removed twice. The first coefficient and x's leading part have 24 bits each and x's rest 29, so
    that y − cx is a difference of exact products; what it leaves along x, 2^-24 of y, is removed in plain arithmetic.
    """
    x, rest = a.scaled[i].double(), b.scaled[j].double()
    inverse_x, inverse_y = a.inverse[i], b.inverse[j]
    leading = x.float().double()
    c = (rho * inverse_x / inverse_y).float().double()[:, None]
    rest.addcmul_(leading, c, value=-1.0).addcmul_(x - leading, c, value=-1.0)
    along = (rest * x).sum(dim=1, keepdim=True) * (inverse_x * inverse_x)[:, None]
    return rest.addcmul_(x, along, value=-1.0)
