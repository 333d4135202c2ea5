"""Kernel jobs: the Gram matrix of a dataset, or the cross matrix of two."""

from math import ceil
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field, PlainSerializer, field_validator

from contracts.kinds import Asked, Spec
from contracts.plan import (
    ITEM_BYTES,
    SECONDS_PER_ROW_BYTE,
    SECONDS_PER_STORED_BYTE,
    SECONDS_PER_TILE_AND_LAYER,
    ArrayPlan,
    PartPlan,
    Plan,
    References,
    check_limits,
)
from contracts.problems import INVALID_REQUEST, TOO_LARGE
from contracts.settings import Settings
from contracts.spec_types import DatasetId, DType
from contracts.tiling import Block, tiling
from ntk_engine.architecture import Architecture, Mlp, canonical, simplified, steps

# Equal networks are one job: of the one form that they have, without what the limit does not depend on.
Infinite = Annotated[
    Architecture,
    AfterValidator(lambda architecture: simplified(architecture, finite=False)),
    PlainSerializer(lambda architecture: canonical(architecture, finite=False)),
]
Wanted = Literal["ntk", "nngp"]


class Analytic(Asked):
    """The infinite-width kernel, by the recursion of Section 4.1."""

    type: Literal["analytic"] = "analytic"


class KernelSpec(Spec):
    """NTK Θ and NNGP Σ of an architecture on the rows of `dataset`, against themselves or those of `against`."""

    kind: ClassVar[str] = "kernels"

    dataset: DatasetId
    against: DatasetId | None = Field(None, description="second dataset, for a cross matrix; null: the Gram matrix")
    architecture: Infinite
    kernels: list[Wanted] = Field(["ntk", "nngp"], min_length=1, description="which matrices to compute")
    method: Analytic = Analytic()
    dtype: DType = "float64"

    @field_validator("kernels")
    @classmethod
    def _in_one_order(cls, kernels: list[Wanted]) -> list[Wanted]:
        """The same wish in another order is the same job."""
        return sorted(set(kernels), reverse=True)

    @property
    def symmetric(self) -> bool:
        return self.against is None

    def datasets(self) -> dict[str, str]:
        named = {"/dataset": self.dataset}
        return named if self.against is None else named | {"/against": self.against}

    def plan(self, references: References, limits: Settings) -> Plan:
        x1 = references.datasets[self.dataset]["x"]
        x2 = references.datasets[self.against]["x"] if self.against is not None else x1
        if x1.cols != x2.cols:
            raise INVALID_REQUEST.error(
                f"The inputs of `dataset` have {x1.cols} dimensions and those of `against` {x2.cols};"
                " a cross matrix needs the same number.",
                "/against",
            )
        self._check_layers(limits)
        cut = tiling(max(x1.rows, x2.rows), x1.cols, self.layers, len(self.kernels), self.dtype, limits.memory_bytes)
        arrays = tuple(
            ArrayPlan(name, (x1.rows, x2.rows), self.dtype, cut.tile, cut.tile, self.symmetric) for name in self.kernels
        )
        stored = sum(array.stored_bytes for array in arrays)
        seconds = stored * (cut.entry_seconds / self._bytes_an_entry + SECONDS_PER_STORED_BYTE)
        seconds += self._rows_read(x1, x2, cut.part) * x1.cols * ITEM_BYTES[x1.dtype] * SECONDS_PER_ROW_BYTE
        seconds += arrays[0].stored_tiles * self.layers * SECONDS_PER_TILE_AND_LAYER
        # Checked before the parts are listed: a job far beyond the limits has millions of them.
        check_limits(Plan(arrays, (), "entries", seconds, cut.part_bytes), limits, "/dataset")
        parts = tuple(self._parts(x1.rows, x2.rows, cut.tile, cut.part))
        return Plan(arrays, parts, "entries", seconds, cut.part_bytes)

    def _rows_read(self, x1: ArrayPlan, x2: ArrayPlan, side: int) -> int:
        """Rows of the datasets that all parts together read: every part its own, and those of its columns."""
        down, across = ceil(x1.rows / side), ceil(x2.rows / side)
        return down * x1.rows if self.symmetric else across * x1.rows + down * x2.rows

    def _check_layers(self, limits: Settings) -> None:
        """Refuse layers that not even one tile is done in time with; compared, as they may be too many for a float."""
        most = int(limits.max_job_seconds / SECONDS_PER_TILE_AND_LAYER)
        if self.layers > most:
            name = "depth" if isinstance(self.architecture, Mlp) else "layers"
            said = f"So many layers take longer than a job may; {name} must be at most {most:,}."
            pointer = "/architecture/depth" if name == "depth" else "/architecture"
            raise TOO_LARGE.error(said, pointer, {name: self.layers, "limits": {name: most}})

    @property
    def layers(self) -> int:
        """What the network costs, in dense layers with their activations: L for an mlp."""
        return (steps(self.architecture) + 1) // 2

    @property
    def _bytes_an_entry(self) -> int:
        return len(self.kernels) * ITEM_BYTES[self.dtype]

    def _parts(self, n1: int, n2: int, tile: int, side: int) -> list[PartPlan]:
        blocks = Block(0, n1, 0, n2).cut(side, upper=self.symmetric)
        return [
            PartPlan(
                {"rows": [b.row, b.row_end], "cols": [b.col, b.col_end]},
                sum(piece.entries for piece in b.cut(tile, upper=self.symmetric)),
            )
            for b in blocks
        ]
