"""Products with a kernel matrix that is never held: every tile is computed, multiplied and thrown away."""

from __future__ import annotations

import itertools
import math
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import torch

from ntk_engine import infinite
from ntk_engine.infinite import Block, Rows, Workspace, blocks

if TYPE_CHECKING:
    from torch import Tensor

    from ntk_engine.architecture import Architecture

# Rows of a tile that stays in cache on the way through the layers; it has twice as many columns.
_CACHED = 256
# Numbers of eight bytes that are held for a pair of a tile at most: 2 where layers are compiled, some 20 in a formula
# on tensors, 10 for near pairs, and what branches wait with.
_HELD = 48


class Product:
    """v ↦ K v, as `product` makes it."""

    def __init__(self, arch: Architecture, rows: Rows, kernel: str, side: int, threads: int) -> None:
        self._arch, self._kernel, self._threads = arch, kernel, threads
        self._rows, self._local = rows, threading.local()
        # Panels of equal size: of few pairs those without a closed form are integrated one by one.
        self._size = math.ceil(len(self._rows) / math.ceil(len(self._rows) / side))

    @property
    def error_bound(self) -> float:
        """An e with |k − K|(x, x') ≤ e √(K(x,x)K(x',x')) of what the tiles approximate; known after a product."""
        return infinite.error_bound(self._arch, self._rows, self._rows)[self._kernel]

    def __call__(self, v: Tensor, rows: slice | None = None) -> Tensor:
        """K v (N×b) for v (N×b); with rows, the part of it that is due to pairs (i, j), i among these and j ≥ i.

        The parts of some rows, and of all others, add up to it.
        """
        sums, n = torch.zeros_like(v), len(self._rows)
        some = slice(0, n) if rows is None else rows
        tiles = blocks(n, n, self._size, gram=True, width=2 * self._size, rows=some)
        with ThreadPoolExecutor(self._threads) as pool:
            # A panel at a time: what tiles give waits for its turn to be added.
            for _, panel in itertools.groupby(tiles, key=lambda at: at.rows.start):
                for at, across, down in pool.map(lambda at: self._multiplied(at, v), panel):
                    sums[at.rows] += across
                    if down is not None:
                        sums[at.columns] += down
        return sums

    def _multiplied(self, at: Block, v: Tensor) -> tuple[Block, Tensor, Tensor | None]:
        work, name = self._local.__dict__.setdefault("work", Workspace()), self._kernel
        whole = infinite.tile(self._arch, self._rows, self._rows, at, work, kernels=(name,))
        tile = whole.arrays[name].to(v.dtype)
        return at, tile @ v[at.columns], None if at.diagonal else tile.mT @ v[at.rows]


def product(
    arch: Architecture, x: Tensor | Rows, *, kernel: str = "ntk", budget: int = 2**28, threads: int = 1
) -> Product:
    """v ↦ K v for the kernel (`ntk` or `nngp`) of all rows of x (N×d), as `top(product(arch, x), N, k)` takes it.

    x may be prepared by `infinite.rows` already.

    Only tiles on and above the diagonal are computed, and each multiplies twice. budget: bytes that tiles may take, all
    threads together, beside x, its prepared copy and v; below 8 MiB a thread tiles are so small that tables of
    activations without a closed form do not pay, which costs a hundred times as much. threads: how many tiles are
    computed side by side; sums have one order, so no bit depends on it. Products are in v's dtype, kernels in that of
    x; both lie on one device. Raises ValueError for another kernel, a budget below a tile of two pairs, and as
    `infinite.rows` does.
    """
    if kernel not in infinite.KERNELS:
        raise ValueError(f"a kernel is one of {', '.join(infinite.KERNELS)}, not {kernel}")
    side = _rows(budget // threads, x.device if isinstance(x, torch.Tensor) else x.scaled.device)
    rows = infinite.rows(x) if isinstance(x, torch.Tensor) else x
    if rows.scaled.device.type == "cpu":
        infinite.prepare(arch)
    return Product(arch, rows, kernel, side, threads)


def _rows(budget: int, device: torch.device) -> int:
    rows = math.isqrt(max(0, budget) // (2 * 8 * _HELD))
    if rows < 1:
        raise ValueError(f"a tile of two pairs takes {2 * 8 * _HELD} bytes a thread, more than the budget")
    return min(rows, _CACHED) if device.type == "cpu" else rows
