"""A kernel matrix held in half its digits: what is on and above the diagonal, in float32, for rough products."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from ntk_engine import infinite
from ntk_engine.pages import large

if TYPE_CHECKING:
    from torch import Tensor

    from ntk_engine.architecture import Architecture

__all__ = ["Held"]

_SIDE = 1024


class Held:
    """K of an architecture on the rows of x (N×d); N² · 2 bytes and a panel more."""

    def __init__(self, arch: Architecture, x: Tensor, kernel: str) -> None:
        """Computes it in float64, tile by tile. kernel: ntk or nngp. Raises ValueError as `infinite.rows` does."""
        infinite.prepare(arch)
        rows, work, self._n = infinite.rows(x), infinite.Workspace(), len(x)
        panels = [slice(first, min(first + _SIDE, self._n)) for first in range(0, self._n, _SIDE)]
        self._panels = []
        for panel in panels:
            held = large(x.new_empty(0, dtype=torch.float32), panel.stop - panel.start, self._n - panel.start)
            for columns in panels:
                if columns.start >= panel.start:
                    at = infinite.Block(panel, columns, columns.start == panel.start)
                    tile = infinite.tile(arch, rows, rows, at, work, kernels=(kernel,)).arrays[kernel]
                    held[:, columns.start - panel.start : columns.stop - panel.start] = tile
            self._panels.append(held)

    def __call__(self, v: Tensor) -> Tensor:
        """K v, right to about 1e-6 of |K| |v|; v: N×k, of any dtype, which is that of the product."""
        scale = v.abs().amax()
        scale = torch.where(scale > 0.0, scale, 1.0)
        short = (v / scale).float()
        sums = torch.zeros_like(v)
        for number, panel in enumerate(self._panels):
            first = number * _SIDE
            height = len(panel)
            sums[first : first + height] += panel @ short[first:]
            # What lies behind the diagonal's tile, turned over.
            sums[first + height :] += panel[:, height:].mT @ short[first : first + height]
        return sums * scale
