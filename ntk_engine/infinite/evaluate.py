"""Whole kernels, block by block: a block of 512×512 stays in cache while the recursion runs over it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from ntk_engine.activations import Correlation
from ntk_engine.infinite.angles import correlate
from ntk_engine.infinite.recursion import KERNELS, Kernel, recurse
from ntk_engine.infinite.rows import Rows, rows

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from torch import Tensor

    from ntk_engine.architecture import Architecture


def tile(
    arch: Architecture, rows_a: Rows, rows_b: Rows, *, diagonal: bool = False, kernels: Collection[str] = KERNELS
) -> Kernel:
    """Σ^L and Θ^L (n_a×n_b) of every row of one with every row of the other (Section 4.1).

    With `diagonal` the two are the same rows: the block is symmetric to the last bit, with the exact diagonal.
    """
    inputs = correlate(rows_a, rows_b, diagonal=diagonal)
    result = recurse(arch, rows_a.root[:, None], rows_b.root[None, :], inputs, kernels)
    if diagonal:
        for block in result.arrays.values():
            block.triu_().add_(block.triu(1).mT)
    return result


def diagonal(arch: Architecture, x: Tensor, *, kernels: Collection[str] = KERNELS) -> Kernel:
    """Σ^L(x, x) and Θ^L(x, x) of every row of x (n×d): vectors of n numbers. Raises ValueError as `rows` does."""
    root = rows(arch, x).root
    same = Correlation(torch.zeros_like(root), torch.full_like(root, 2.0), torch.ones_like(root))
    return recurse(arch, root, root, same, kernels)


def kernel(
    arch: Architecture,
    x1: Tensor,
    x2: Tensor | None = None,
    *,
    block: int = 512,
    kernels: Collection[str] = KERNELS,
) -> Kernel:
    """Σ^L and Θ^L (n1×n2) between the rows of x1 (n1×d) and x2 (n2×d), or of x1 with itself.

    Without x2 only the blocks on and above the diagonal are computed, and mirrored. Raises ValueError as `rows` does,
    and if the two differ in columns, dtype or device.
    """
    a = rows(arch, x1)
    b = a if x2 is None else rows(arch, x2)
    if (x1.shape[1:], x1.dtype, x1.device) != (b.scaled.shape[1:], b.scaled.dtype, b.scaled.device):
        raise ValueError("both sets of inputs must have the same number of columns, dtype and device")
    result = Kernel({name: x1.new_empty(len(a), len(b)) for name in KERNELS if name in kernels})
    for i in _blocks(len(a), block):
        for j in _blocks(len(b), block):
            if x2 is not None or i.start <= j.start:
                _fill(result, tile(arch, a[i], b[j], diagonal=x2 is None and i == j, kernels=kernels), i, j, x2 is None)
    return result


def _blocks(n: int, block: int) -> Iterator[slice]:
    return (slice(start, min(start + block, n)) for start in range(0, n, block))


def _fill(result: Kernel, part: Kernel, i: slice, j: slice, mirror: bool) -> None:
    for name, block in part.arrays.items():
        result.arrays[name][i, j] = block
        if mirror and i != j:
            result.arrays[name][j, i] = block.mT
