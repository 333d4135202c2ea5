"""Spectrum jobs: eigenvalues of a stored Gram matrix over N, the λ of the paper's Π (Section 5)."""

from typing import ClassVar

from pydantic import Field

from contracts.kinds import Spec
from contracts.plan import SECONDS_PER_FLOP, ArrayPlan, PartPlan, Plan, References, check_limits
from contracts.problems import INVALID_REQUEST
from contracts.settings import Settings
from contracts.spec_types import ArrayName, JobId

TILE = 512
# Products with the matrix that a block Krylov iteration is expected to take.
EXPECTED_PASSES = 12
# Columns that it multiplies at once and those of its basis, as functions of `top`; see ntk_engine.spectrum.top.
LEAST_BLOCK, LEAST_BASIS, BASIS_BLOCKS = 16, 128, 3
# Peaks measured at N = 2,048 and 3,072, above what the worker holds before: matrices for all eigenvalues (2.9), for
# the eigenvectors too (6.3, with LAPACK's workspace of two), and for the top the basis' columns (9.2: two bases, each
# beside its successor, and the blocks' temporaries) and panels of the stored matrix (4.8: as sent, as read, as used).
MATRICES, MATRICES_WITH_VECTORS, BASES, PANELS = 3, 7, 10, 5
# Reading a stored matrix once costs about this much, beside which the products do not show.
SECONDS_PER_READ_BYTE = 1 / 500e6


class SpectrumSpec(Spec):
    """Eigenvalues of K/N in falling order, for the symmetric array K of a kernel job, with eigenvectors where asked."""

    kind: ClassVar[str] = "spectra"

    kernel: JobId = Field(description="the kernel job; it may still be running")
    array: ArrayName = Field("ntk", description="which of its arrays")
    top: int | None = Field(None, ge=1, description="only the largest so many eigenvalues; null: all of them")
    vectors: bool = Field(False, description="store the eigenvectors too")

    def jobs(self) -> dict[str, str]:
        return {"/kernel": str(self.kernel)}

    def plan(self, references: References, limits: Settings) -> Plan:
        matrix = self._matrix(references)
        n = matrix.rows
        if self.top is not None and self.top > n:
            raise INVALID_REQUEST.error(f"top must be at most the number of points, {n}.", "/top")
        count = n if self.top is None else self.top
        arrays = [ArrayPlan("eigenvalues", (count,), "float64", TILE * TILE, 1)]
        if self.vectors:
            arrays.append(ArrayPlan("eigenvectors", (n, count), "float64", TILE, TILE))
            arrays.append(ArrayPlan("residuals", (count,), "float64", TILE * TILE, 1))
        method, seconds, memory = self._method(matrix)
        part = PartPlan({"method": method}, count)
        return check_limits(Plan(tuple(arrays), (part,), "eigenvalues", seconds, memory), limits, "/kernel")

    def _method(self, matrix: ArrayPlan) -> tuple[str, float, int]:
        """How, in how many seconds and bytes: Krylov for the top, unless its basis takes more than the whole matrix."""
        dense = ("dense", *self._full_cost(matrix.rows))
        if self.top is None:
            return dense
        krylov = ("krylov", *self._top_cost(matrix, self.top))
        return dense if dense[-1] <= krylov[-1] else krylov

    def _matrix(self, references: References) -> ArrayPlan:
        arrays = references.jobs[str(self.kernel)]
        if self.array not in arrays:
            named = ", ".join(sorted(arrays))
            raise INVALID_REQUEST.error(f"The job has no array {self.array!r}; it has {named}.", "/array")
        if not arrays[self.array].symmetric:
            raise INVALID_REQUEST.error(
                "A spectrum needs a Gram matrix; the array of this job is not symmetric.", "/kernel"
            )
        return arrays[self.array]

    def _full_cost(self, n: int) -> tuple[float, int]:
        """LAPACK's divide and conquer: 4/3 n³ flops to tridiagonal form at half speed, 4 n³ more for the vectors."""
        flops = (8 / 3 + (4 if self.vectors else 0)) * n**3
        return flops * SECONDS_PER_FLOP, 8 * n * n * (MATRICES_WITH_VECTORS if self.vectors else MATRICES)

    def _top_cost(self, matrix: ArrayPlan, top: int) -> tuple[float, int]:
        n = matrix.rows
        width = max(LEAST_BLOCK, top + top // 4)
        read, flops = matrix.stored_bytes * SECONDS_PER_READ_BYTE, 2 * n * n * width
        columns = BASES * min(n, max(LEAST_BASIS, BASIS_BLOCKS * width)) + PANELS * matrix.tile_rows
        return EXPECTED_PASSES * (read + flops * SECONDS_PER_FLOP), 8 * n * columns
