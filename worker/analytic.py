"""Kernels in the limit of infinite width, tile by tile."""

from collections.abc import Iterator
from math import isqrt

from contracts.tiling import Block
from ntk_engine import infinite
from storage.arrays import ErrorBound
from worker.blocks import KernelPart
from worker.context import Context
from worker.inputs import DTYPES
from worker.parts import Result

# Arrays of a piece's size that the recursion holds at once.
TEMPORARIES = 16


def run(part: KernelPart, context: Context) -> Iterator[Result]:
    """The tiles of the block, those on and above the diagonal where the matrix is a Gram matrix, and their bounds."""
    spec = part.spec
    left, right = part.prepared(context, DTYPES[spec.dtype])
    # Compiled or not, digits agree to rounding; waiting for the compiler makes equal jobs equal to the last bit.
    infinite.prepare(spec.architecture)
    work = infinite.Workspace()
    # An attempt after a failure takes a quarter of the memory: the failure may have been a lack of it.
    side = piece_side(context.piece_bytes >> 2 * part.failures, part.tile, part.block)
    for piece in part.block.cut(side, upper=spec.symmetric):
        kernel = infinite.tile(spec.architecture, left, right, _place(piece, part), work, kernels=tuple(spec.kernels))
        for name in spec.kernels:
            yield from part.tiles(name, kernel.arrays[name].cpu().numpy(), piece)
    bounds = infinite.error_bound(spec.architecture, left, right)
    yield from (ErrorBound(name, bounds[name]) for name in spec.kernels)


def _place(piece: Block, part: KernelPart) -> infinite.Block:
    """Where a piece lies among the rows and columns of its block."""
    down = slice(piece.row - part.block.row, piece.row_end - part.block.row)
    across = slice(piece.col - part.block.col, piece.col_end - part.block.col)
    return infinite.Block(down, across, part.spec.symmetric and piece.row == piece.col)


def piece_side(piece_bytes: int, tile: int, block: Block) -> int:
    """Side of what is computed at once: as many tiles as the memory holds with their temporaries, at least one."""
    longest = max(block.row_end - block.row, block.col_end - block.col)
    return max(1, min(isqrt(piece_bytes // (8 * TEMPORARIES)), longest) // tile) * tile
