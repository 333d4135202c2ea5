"""What every method of a kernel job is given: one block of the matrix, and how its results become tiles."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch

from contracts.kernels import KernelSpec
from contracts.tiling import Block
from storage import arrays
from storage.arrays import Numbers, TileData
from storage.jobs.transitions import Claim
from worker.context import Context
from worker.inputs import dataset_rows


@dataclass(frozen=True)
class KernelPart:
    """A block of a kernel matrix that a worker has claimed."""

    spec: KernelSpec
    block: Block
    rows: int
    """Of the whole matrix."""
    tile: int
    """Side of a stored tile."""
    failures: int
    """Of earlier attempts; each may have been a lack of memory."""

    @property
    def on_diagonal(self) -> bool:
        """Whether its rows and its columns are the same inputs."""
        return self.spec.symmetric and (self.block.row, self.block.row_end) == (self.block.col, self.block.col_end)

    def inputs(self, context: Context, dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor | None]:
        """The inputs of the rows and those of the columns, where these are others."""
        x1 = dataset_rows(context, self.spec.dataset, slice(self.block.row, self.block.row_end), dtype)
        if self.on_diagonal:
            return x1, None
        across = slice(self.block.col, self.block.col_end)
        return x1, dataset_rows(context, self.spec.against or self.spec.dataset, across, dtype)

    def tiles(self, name: str, entries: Numbers, piece: Block) -> Iterator[TileData]:
        """The storage tiles of a computed piece."""
        for b in piece.cut(self.tile, upper=self.spec.symmetric):
            part = entries[b.row - piece.row : b.row_end - piece.row, b.col - piece.col : b.col_end - piece.col]
            yield TileData(name, b.row // self.tile, b.col // self.tile, part)


def claimed(claim: Claim, context: Context) -> KernelPart:
    """The part that a claim is for."""
    spec = KernelSpec.model_validate(claim.job_spec)
    with context.database.read() as read:
        plan = arrays.of_job(read, claim.lease.job)[spec.kernels[0]].plan
    block = Block(*claim.part_spec["rows"], *claim.part_spec["cols"])
    return KernelPart(spec, block, plan.rows, plan.tile_rows, claim.failures)
