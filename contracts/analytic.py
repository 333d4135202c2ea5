"""The kernel in the limit as a method: what a network's recursion costs, and how its matrix is cut."""

from dataclasses import replace
from typing import ClassVar, Literal

from contracts.kinds import Asked
from contracts.plan import SECONDS_PER_TILE_AND_LAYER
from contracts.settings import Settings
from contracts.tiling import Matrix, Tiling, check_layers, layer_seconds, layers, table_seconds, tiling


class Analytic(Asked):
    """The infinite-width kernel, by the recursion of Section 4.1."""

    finite: ClassVar[bool] = False
    size_from: ClassVar[str] = "/dataset"

    type: Literal["analytic"] = "analytic"

    def entry_shape(self) -> tuple[int, ...]:
        """A number for each pair of inputs."""
        return ()

    def arrays(self, kernels: list[str]) -> list[str]:
        """The kernels alone."""
        return kernels

    def cut(self, matrix: Matrix, limits: Settings) -> Tiling:
        """Tiles and parts; raises ProblemError for layers that not even one tile is done in time with."""
        check_layers(matrix.architecture, int(limits.max_job_seconds / SECONDS_PER_TILE_AND_LAYER))
        arch, size = matrix.architecture, (matrix.points, matrix.dimension)
        tables = table_seconds(arch, matrix.points)
        cut = tiling(*size, layer_seconds(arch), matrix.kernels, matrix.dtype, limits.memory_bytes, tables)
        return replace(cut, tile_seconds=layers(arch) * SECONDS_PER_TILE_AND_LAYER)
