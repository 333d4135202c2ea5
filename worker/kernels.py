"""Parts of kernel jobs: a block of the matrix, tile by tile."""

from collections.abc import Iterator
from math import isqrt

import torch

from contracts.kernels import KernelSpec
from contracts.tiling import Block
from ntk_engine import infinite
from storage import arrays
from storage.arrays import Numbers, TileData
from storage.jobs.transitions import Claim
from worker.context import Context
from worker.inputs import dataset_rows

# Arrays of a piece's size that the recursion holds at once.
TEMPORARIES = 16
DTYPES = {"float64": torch.float64, "float32": torch.float32}


def run(claim: Claim, context: Context) -> Iterator[TileData]:
    """The tiles of one block: those on and above the diagonal where the matrix is a Gram matrix."""
    spec = KernelSpec.model_validate(claim.job_spec)
    block = Block(*claim.part_spec["rows"], *claim.part_spec["cols"])
    with context.database.read() as read:
        tile = arrays.of_job(read, claim.lease.job)[spec.kernels[0]].plan.tile_rows
    left, right = _rows(spec, block, context)
    # Compiled or not, digits agree to rounding; waiting for the compiler makes equal jobs equal to the last bit.
    infinite.prepare(spec.architecture)
    work = infinite.Workspace()
    # An attempt after a failure takes a quarter of the memory: the failure may have been a lack of it.
    side = piece_side(context.piece_bytes >> 2 * claim.failures, tile, block)
    for piece in block.cut(side, upper=spec.symmetric):
        kernel = infinite.tile(
            spec.architecture, left, right, _place(piece, block, spec), work, kernels=tuple(spec.kernels)
        )
        for name in spec.kernels:
            yield from _cut(name, getattr(kernel, name).cpu().numpy(), piece, tile, upper=spec.symmetric)


def _place(piece: Block, block: Block, spec: KernelSpec) -> infinite.Block:
    """Where a piece lies among the rows and columns of its block."""
    down = slice(piece.row - block.row, piece.row_end - block.row)
    across = slice(piece.col - block.col, piece.col_end - block.col)
    return infinite.Block(down, across, spec.symmetric and piece.row == piece.col)


def _rows(spec: KernelSpec, block: Block, context: Context) -> tuple[infinite.Rows, infinite.Rows]:
    """The rows and the columns of the block, prepared once for all its tiles."""
    dtype = DTYPES[spec.dtype]
    x1 = dataset_rows(context, spec.dataset, slice(block.row, block.row_end), dtype)
    left = infinite.rows(x1)
    if spec.symmetric and (block.row, block.row_end) == (block.col, block.col_end):
        return left, left
    x2 = dataset_rows(context, spec.against or spec.dataset, slice(block.col, block.col_end), dtype)
    return left, infinite.rows(x2)


def piece_side(piece_bytes: int, tile: int, block: Block) -> int:
    """Side of what is computed at once: as many tiles as the memory holds with their temporaries, at least one."""
    longest = max(block.row_end - block.row, block.col_end - block.col)
    return max(1, min(isqrt(piece_bytes // (8 * TEMPORARIES)), longest) // tile) * tile


def _cut(name: str, entries: Numbers, piece: Block, tile: int, *, upper: bool) -> Iterator[TileData]:
    """The storage tiles of a computed piece."""
    for b in piece.cut(tile, upper=upper):
        part = entries[b.row - piece.row : b.row_end - piece.row, b.col - piece.col : b.col_end - piece.col]
        yield TileData(name, b.row // tile, b.col // tile, part)
