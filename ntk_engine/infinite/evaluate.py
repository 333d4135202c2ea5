"""Whole kernels, block by block: a block of a mebibyte stays in cache from its matrix product to its last layer."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from ntk_engine import compiled
from ntk_engine.architecture import activations, depth
from ntk_engine.infinite import codes
from ntk_engine.infinite.angles import correlate
from ntk_engine.infinite.blocks import Block, blocks
from ntk_engine.infinite.bounds import error_bound
from ntk_engine.infinite.network import Way, run
from ntk_engine.infinite.norms import on_diagonal, outputs, profile_of
from ntk_engine.infinite.rows import DTYPES, Rows, Side, rows
from ntk_engine.infinite.workspace import Workspace
from ntk_engine.pages import large

if TYPE_CHECKING:
    from collections.abc import Collection

    from torch import Tensor

    from ntk_engine.architecture import Architecture
    from ntk_engine.infinite.tiles import Tile

KERNELS = ("nngp", "ntk")
# Pairs times layers that take longer without compiled code than the compiler does.
_WAITING = 2**20


class Kernel:
    """Covariances Σ^L and tangent kernels Θ^L of the same pairs, in `nngp` and `ntk`, as far as they were asked for."""

    __slots__ = ("arrays", "bounds")

    def __init__(self, arrays: dict[str, Tensor]) -> None:
        self.arrays = arrays
        self.bounds: dict[str, float] = {}
        """Of whole matrices from `kernel`: their `error_bound`s."""

    @property
    def nngp(self) -> Tensor:
        """Σ^L."""
        return self.arrays["nngp"]

    @property
    def ntk(self) -> Tensor:
        """Θ^L."""
        return self.arrays["ntk"]


def tile(
    arch: Architecture,
    a: Rows,
    b: Rows,
    at: Block,
    work: Workspace | None = None,
    *,
    kernels: Collection[str] = KERNELS,
) -> Kernel:
    """Σ^L and Θ^L of a block of the matrix of all rows of a with all rows of b (Section 4.1), in the inputs' dtype.

    On the diagonal of a Gram matrix the block is symmetric to the last bit. work: memory to reuse.
    """
    shape = (at.rows.stop - at.rows.start, at.columns.stop - at.columns.start)
    result = Kernel({name: a.scaled.new_empty(shape) for name in KERNELS if name in kernels})
    _fill(arch, a, b, at, work or Workspace(), result, result if at.diagonal else None)
    return result


def _fill(arch: Architecture, a: Rows, b: Rows, at: Block, work: Workspace, out: Kernel, mirror: Kernel | None) -> None:
    """Compute a block into `out`, and its transpose into `mirror` where there is one."""
    pairs = correlate(a, b, at, work)
    profile = profile_of(arch, a, b)
    if profile is not None:
        profile.carry(pairs)
        roots = outputs(arch, a)[at.rows], outputs(arch, b)[at.columns]
    else:
        pairs.single = codes.single(arch, a.scaled.dtype)
        sides = Side(a, at.rows, 0), Side(b, at.columns, 1)
        run(arch, Way(pairs, *sides, a.inputs, "diagonal" if at.diagonal else "none"))
        roots = sides[0].root, sides[1].root
    _finish(pairs, *roots, out.arrays, None if mirror is None else mirror.arrays, at.diagonal)


def _finish(
    pairs: Tile, a: Tensor, b: Tensor, out: dict[str, Tensor], mirror: dict[str, Tensor] | None, diagonal: bool
) -> None:
    stage = compiled.finish(a, b, out, mirror, diagonal=diagonal) if pairs.compilable and out else None
    if stage is not None:
        pairs.end(stage)
        return
    units = {"nngp": pairs.pairs.rho, "ntk": pairs.pairs.tau}
    for name, place in out.items():
        # The larger root first: 0 stays 0 where the roots' product overflows.
        value = units[name] * a[:, None].maximum(b) * a[:, None].minimum(b)
        place.copy_(value.triu() + value.triu(1).mT if diagonal else value)
        if mirror is not None and not diagonal:
            mirror[name].copy_(place.mT)


def diagonal(arch: Architecture, x: Tensor, *, kernels: Collection[str] = KERNELS) -> Kernel:
    """Σ^L(x, x) and Θ^L(x, x) of every row of x (n×d): vectors of n numbers. Raises ValueError as `rows` does."""
    pairs, root = on_diagonal(arch, rows(x))
    units = {"nngp": pairs.rho, "ntk": pairs.tau}
    square = root.square()
    return Kernel({name: (units[name] * square).to(x.dtype) for name in KERNELS if name in kernels})


def prepare(arch: Architecture) -> None:
    """Wait until the code that the network's kernel needs is compiled, or cannot be; once a machine, not a process.

    Small kernels need not be prepared: until their code is compiled they are evaluated without, with the same digits
    to 1e-13 (to 1e-5 in float32) and several times slower.
    """
    codes.prepare(activations(arch), DTYPES)


def kernel(
    arch: Architecture,
    x1: Tensor,
    x2: Tensor | None = None,
    *,
    block: int = 256,
    kernels: Collection[str] = KERNELS,
    threads: int = 1,
) -> Kernel:
    """Σ^L and Θ^L (n1×n2) between the rows of x1 (n1×d) and x2 (n2×d), or of x1 with itself.

    Without x2 only the blocks on and above the diagonal are computed, and mirrored. block: their rows; they have twice
    as many columns, and four times in float32. threads: how many blocks are computed side by side. Raises ValueError as
    `rows` does, if the two differ in columns, dtype or device, and for inputs that require derivatives: see
    `differentiable`.
    """
    a = rows(x1)
    b = a if x2 is None else rows(x2)
    if (x1.shape[1:], x1.dtype, x1.device) != (b.scaled.shape[1:], b.scaled.dtype, b.scaled.device):
        raise ValueError("both sets of inputs must have the same number of columns, dtype and device")
    if a.root.requires_grad or b.root.requires_grad:
        raise ValueError("inputs require derivatives, which `differentiable` gives; `kernel` takes detached inputs")
    result = Kernel({name: large(x1, len(a), len(b)) for name in KERNELS if name in kernels})

    if x1.device.type == "cpu" and len(a) * len(b) * depth(arch) >= _WAITING:
        codes.prepare_tiles(activations(arch), x1.dtype, len(a) * len(b))
    gram, local = x2 is None, threading.local()
    profile_of(arch, a, b)

    def fill(at: Block) -> None:
        work = local.__dict__.setdefault("work", Workspace())
        part, mirror = _part(result, at.rows, at.columns), _part(result, at.columns, at.rows)
        _fill(arch, a, b, at, work, part, mirror if gram else None)

    width = 16 // x1.element_size() * block
    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(fill, blocks(len(a), len(b), block, width=width, gram=gram)):
            pass
    result.bounds = {name: bound for name, bound in error_bound(arch, a, b).items() if name in kernels}
    return result


def _part(kernel: Kernel, some: slice, others: slice) -> Kernel:
    return Kernel({name: array[some, others] for name, array in kernel.arrays.items()})
