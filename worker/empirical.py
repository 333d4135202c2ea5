"""Kernels of one finite network: every part of a job draws the same one, from the seed."""

from collections.abc import Iterator

import torch

from contracts.empirical import Empirical
from contracts.tiling import Block
from ntk_engine import finite
from ntk_engine.finite.parameters import parameters
from storage.arrays import TileData
from worker.blocks import KernelPart
from worker.context import Context
from worker.given import given
from worker.inputs import DTYPES


def run(part: KernelPart, context: Context) -> Iterator[TileData | None]:
    """The tiles of the block and, where entries are blocks themselves, of that on the other side of the diagonal."""
    spec, method, block = part.spec, part.spec.method, part.block
    assert isinstance(method, Empirical)
    dtype = DTYPES[spec.dtype]
    x1, x2 = part.inputs(context, dtype)
    params = _network(part, method, x1.shape[1], context, dtype)
    yield None
    # An attempt after a failure takes a quarter of the memory: the failure may have been a lack of it.
    memory = method.pass_bytes(context.settings) >> 2 * part.failures
    asked = tuple(spec.kernels)
    kernel = finite.kernel(spec.architecture, params, x1, x2, outputs=method.outputs, kernels=asked, memory=memory)
    for name, array in kernel.arrays.items():
        yield None
        entries = array.cpu()
        if not method.entry_shape():
            yield from part.tiles(name, entries.numpy(), block)
            continue
        yield from _tiles(name, entries, block, part.tile)
        if spec.symmetric and not part.on_diagonal:
            below = Block(block.col, block.col_end, block.row, block.row_end)
            yield from _tiles(name, entries.permute(1, 0, 3, 2), below, part.tile)


def _network(
    part: KernelPart, method: Empirical, inputs: int, context: Context, dtype: torch.dtype
) -> finite.Parameters:
    """The parameters that are given, or drawn: in float64, whatever the kernel is computed in."""
    arch, device = part.spec.architecture, context.device
    if (source := method.trained or method.uploaded) is None:
        return finite.init(arch, inputs, method.n_outputs, method.seed, width=method.width, dtype=dtype, device=device)
    room = finite.empty(arch, inputs, method.n_outputs, 1, width=method.width, dtype=dtype, device=device)
    return parameters([item[0] for item in finite.unflattened(given(context, source, arch).to(device, dtype), room)])


def _tiles(name: str, entries: torch.Tensor, block: Block, tile: int) -> Iterator[TileData]:
    """Tiles of N1×N2×k×k entries, each as a matrix of whole rows."""
    for b in block.cut(tile, upper=False):
        some = entries[b.row - block.row : b.row_end - block.row, b.col - block.col : b.col_end - block.col]
        yield TileData(name, b.row // tile, b.col // tile, some.reshape(len(some), -1).numpy())
