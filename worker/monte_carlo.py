"""Kernels estimated from networks that are drawn: every part of a job draws the same ones, from the seed."""

from collections.abc import Iterator

import torch

from contracts.monte_carlo import AT_LEAST, MonteCarlo
from ntk_engine import finite
from storage.arrays import TileData
from worker.blocks import KernelPart
from worker.context import Context


def run(part: KernelPart, context: Context) -> Iterator[TileData | None]:
    """The tiles of the block at its end; None after every few draws."""
    spec, method, block = part.spec, part.spec.method, part.block
    assert isinstance(method, MonteCarlo)
    x1, x2 = part.inputs(context, torch.float64)
    # Of two datasets, the second's inputs have other places than the first's, however equal they are.
    places = (block.row, block.col if spec.symmetric else part.rows + block.col)
    numbers = max(AT_LEAST, context.piece_bytes // 16) >> 2 * part.failures
    estimates = finite.running(
        spec.architecture,
        x1,
        x2,
        draws=method.draws,
        width=method.width,
        seed=method.seed,
        kernels=tuple(spec.kernels),
        places=places,
        numbers=numbers,
    )
    for estimate in estimates:
        if estimate.draws < method.draws:
            yield None
            continue
        for name, array in estimate.arrays.items():
            yield from part.tiles(name, array.cpu().numpy().astype(spec.dtype), block)
