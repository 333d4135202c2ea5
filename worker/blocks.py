"""What every method of a kernel job is given: one block of the matrix, and how its results become tiles."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch

from contracts.kernels import KernelSpec
from contracts.tiling import Block
from ntk_engine.infinite import Rows, rows
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
        down, across = self._sides()
        return dataset_rows(context, *down, dtype), None if self.on_diagonal else dataset_rows(context, *across, dtype)

    def prepared(self, context: Context, dtype: torch.dtype) -> tuple[Rows, Rows]:
        """The rows and the columns, prepared for `infinite.tile`; the same object where they are the same inputs."""
        if self.failures:
            # The failure may have been a lack of memory.
            context.prepared.clear()

        def side(dataset: str, some: slice) -> Rows:
            key, limit = (dataset, some.start, some.stop, dtype), context.settings.memory_bytes // 4
            return context.prepared.get(key, lambda: rows(dataset_rows(context, dataset, some, dtype)), limit)

        down, across = self._sides()
        left = side(*down)
        return left, left if self.on_diagonal else side(*across)

    def _sides(self) -> tuple[tuple[str, slice], tuple[str, slice]]:
        down, across = slice(self.block.row, self.block.row_end), slice(self.block.col, self.block.col_end)
        return (self.spec.dataset, down), (self.spec.against or self.spec.dataset, across)

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
