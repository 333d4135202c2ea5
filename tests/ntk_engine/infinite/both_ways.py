"""One layer over a tile of pairs, by its compiled stage and on tensors; and pairs to send through it."""

import torch
from torch import Tensor

from ntk_engine.activations.base import Dual
from ntk_engine.infinite import codes, recursion
from ntk_engine.infinite.recursion import Pairs
from ntk_engine.infinite.tiles import Tile


def pairs(rows: int, columns: int, *, near: float, least: float) -> Pairs:
    """Of both signs, a share `near` of them at gaps down to 10^−(least·near), others at any; on the diagonal 0."""
    generator = torch.Generator().manual_seed(4)
    share = torch.rand(rows, columns, dtype=torch.float64, generator=generator)
    gap = torch.where(share < near, 10.0 ** (-least * share), share)
    sign = torch.where(torch.rand(rows, columns, generator=generator) < 0.5, -1.0, 1.0).double()
    gap.diagonal().zero_()
    sign.diagonal().copy_(torch.where(torch.arange(rows) % 2 == 0, 1.0, -1.0))
    return Pairs(sign * (1.0 - gap), gap, torch.rand(rows, columns, dtype=torch.float64, generator=generator))


def by_stage(dual: Dual, a: Tensor, b: Tensor, before: Pairs) -> Pairs | None:
    """None where no stage may take the tile."""
    tile = Tile(Pairs(*map(torch.clone, before)))
    return tile.pairs if codes.stack(dual, tile, a, b, [True]) else None


def by_tensors(dual: Dual, a: Tensor, b: Tensor, before: Pairs) -> Pairs:
    """The twin."""
    return recursion.layer(dual.correlate, a[0, :, :, None].unbind(), b[0, :, None, :].unbind(), before)
