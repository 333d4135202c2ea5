"""Kernel jobs: the Gram matrix of a dataset, or the cross matrix of two."""

from math import ceil, prod
from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Field, ValidationInfo, field_serializer, field_validator

from contracts.analytic import Analytic
from contracts.empirical import Empirical
from contracts.kinds import Spec
from contracts.monte_carlo import MonteCarlo
from contracts.plan import (
    ITEM_BYTES,
    SECONDS_PER_ROW_BYTE,
    SECONDS_PER_STORED_BYTE,
    ArrayPlan,
    PartPlan,
    Plan,
    References,
    check_limits,
)
from contracts.problems import INVALID_REQUEST
from contracts.settings import Settings
from contracts.spec_types import DatasetId, DType, by_name
from contracts.tiling import Block, Matrix, Tiling
from ntk_engine.architecture import Architecture, canonical, simplified

Wanted = Literal["ntk", "nngp"]


_Method = Annotated[Analytic | MonteCarlo | Empirical, Field(discriminator="type")]
Method = Annotated[
    _Method, BeforeValidator(by_name, json_schema_input_type=Literal["analytic", "monte_carlo", "empirical"] | _Method)
]


class KernelSpec(Spec):
    """NTK Θ and NNGP Σ of an architecture on the rows of `dataset`, against themselves or those of `against`."""

    kind: ClassVar[str] = "kernels"

    dataset: DatasetId
    against: DatasetId | None = Field(None, description="second dataset, for a cross matrix; null: the Gram matrix")
    method: Method = Analytic()  # before the architecture, whose one form depends on it
    architecture: Architecture
    kernels: list[Wanted] = Field(["ntk", "nngp"], min_length=1, description="which matrices to compute")
    dtype: DType = "float64"

    @field_validator("architecture")
    @classmethod
    def _in_one_form(cls, architecture: Architecture, info: ValidationInfo) -> Architecture:
        """Equal networks are one job: of the one form that they have, without what the method does not depend on."""
        method = info.data.get("method")
        return simplified(architecture, finite=method is not None and method.finite)

    @field_serializer("architecture")
    def _as_json(self, architecture: Architecture) -> dict[str, object]:
        return canonical(architecture, finite=self.method.finite)

    @field_validator("kernels")
    @classmethod
    def _in_one_order(cls, kernels: list[Wanted]) -> list[Wanted]:
        """The same wish in another order is the same job."""
        return sorted(set(kernels), reverse=True)

    @property
    def symmetric(self) -> bool:
        return self.against is None

    def datasets(self) -> dict[str, str]:
        named = {"/dataset": self.dataset, "/against": self.against}
        if isinstance(self.method, Empirical) and self.method.uploaded is not None:
            named["/method/uploaded/dataset"] = self.method.uploaded.dataset
        return {pointer: id_ for pointer, id_ in named.items() if id_ is not None}

    def jobs(self) -> dict[str, str]:
        if isinstance(self.method, Empirical) and self.method.trained is not None:
            return {"/method/trained/training": str(self.method.trained.training)}
        return {}

    def plan(self, references: References, limits: Settings) -> Plan:
        x1 = references.datasets[self.dataset]["x"]
        x2 = references.datasets[self.against]["x"] if self.against is not None else x1
        if x1.cols != x2.cols:
            raise INVALID_REQUEST.error(
                f"The inputs of `dataset` have {x1.cols} dimensions and those of `against` {x2.cols};"
                " a cross matrix needs the same number.",
                "/against",
            )
        if isinstance(self.method, Empirical):
            self.method.check(references, self.architecture, x1.cols)
        points, kernels, entry = max(x1.rows, x2.rows), len(self.kernels), self.method.entry_shape()
        cut = self.method.cut(Matrix(self.architecture, points, x1.cols, kernels, self.dtype, self.symmetric), limits)
        shape = (x1.rows, x2.rows, *entry)
        # Blocks of an entry are transposed on the other side of the diagonal: both sides are stored.
        stored_once = self.symmetric and not entry
        arrays = tuple(
            ArrayPlan(name, shape, self.dtype, cut.tile, cut.tile * prod(entry), stored_once)
            for name in self.method.arrays(list(self.kernels))
        )
        seconds = self._seconds(cut, arrays, x1, x2)
        # Checked before the parts are listed: a job far beyond the limits has millions of them.
        check_limits(Plan(arrays, (), "entries", seconds, cut.part_bytes), limits, self.method.size_from)
        parts = tuple(self._parts(x1.rows, x2.rows, cut.tile, cut.part))
        return Plan(arrays, parts, "entries", seconds, cut.part_bytes)

    def _seconds(self, cut: Tiling, arrays: tuple[ArrayPlan, ...], x1: ArrayPlan, x2: ArrayPlan) -> float:
        """Of entries, of tiles, of rows and of parts, and to store it all."""
        entries = arrays[0].stored_bytes / ITEM_BYTES[self.dtype]
        row = x1.cols * ITEM_BYTES[x1.dtype] * SECONDS_PER_ROW_BYTE + cut.row_seconds
        down, across = ceil(x1.rows / cut.part), ceil(x2.rows / cut.part)
        # Rows that all parts together read: every part its own, and those of its columns.
        rows = down * x1.rows if self.symmetric else across * x1.rows + down * x2.rows
        parts = down * (down + 1) // 2 if self.symmetric else down * across
        seconds = entries * cut.entry_seconds + rows * row + parts * cut.part_seconds
        seconds += arrays[0].stored_tiles * cut.tile_seconds
        return seconds + sum(array.stored_bytes for array in arrays) * SECONDS_PER_STORED_BYTE

    def _parts(self, n1: int, n2: int, tile: int, side: int) -> list[PartPlan]:
        blocks = Block(0, n1, 0, n2).cut(side, upper=self.symmetric)
        return [
            PartPlan(
                {"rows": [b.row, b.row_end], "cols": [b.col, b.col_end]},
                sum(piece.entries for piece in b.cut(tile, upper=self.symmetric)),
            )
            for b in blocks
        ]
