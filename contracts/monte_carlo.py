"""Kernels of drawn networks as a method: what drawing and passing through them costs, and how their matrix is cut."""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from contracts.drawn import COPIES, SECONDS_PER_CALLED_LAYER, SECONDS_PER_NEURON, SECONDS_PER_NUMBER, drawn
from contracts.kinds import Asked
from contracts.settings import Settings
from contracts.spec_types import Seed
from contracts.tiling import LARGEST_PART, LARGEST_TILE, PART_SECONDS, SMALLEST_TILE, WIDE, Matrix, Tiling

# One core's, measured: a product and a sum in a pass; and an entry of a layer's two Gram matrices, in all that is done
# to it beside.
SECONDS_PER_PRODUCT = 2 / 20e9
SECONDS_PER_ENTRY = 6e-9
# Forward, and back without the weights' own derivatives, and some of what lies between.
PASSES = 3
# Measured peaks, in numbers: of every matrix entry and neuron of a row; and what is held in any case.
MATRICES, NEURON_COPIES, AT_LEAST = 20, 6, 2**22
DRAWN_AT_ONCE = 2**18


@dataclass(frozen=True)
class Price:
    """What one draw costs, in seconds."""

    drawing: float
    """The network itself,"""
    row: float
    """an input's way through it and back,"""
    entry: float
    """and an entry of the matrix."""

    def part(self, side: int) -> float:
        """A block off the diagonal."""
        return self.drawing + 2 * side * self.row + side * side * self.entry


class MonteCarlo(Asked):
    """Means of the kernels over finite networks that are drawn (Section 4), with their standard errors."""

    finite: ClassVar[bool] = True
    size_from: ClassVar[str] = "/method"

    type: Literal["monte_carlo"]
    draws: Annotated[int, Field(ge=2, le=10**6, description="networks that are drawn")] = 1000
    width: Annotated[int, Field(ge=1, le=10**4, description="neurons of dense layers that name no number")] = 512
    seed: Seed = 0

    def entry_shape(self) -> tuple[int, ...]:
        """A number for each pair of inputs."""
        return ()

    def arrays(self, kernels: list[str]) -> list[str]:
        """The kernels, and the standard error of each."""
        return [*kernels, *(f"{name}_standard_error" for name in kernels)]

    def cut(self, matrix: Matrix, limits: Settings) -> Tiling:
        """Tiles and parts, each of which draws all networks; raises ProblemError where there is no such network.

        Blocks repeat the rows' passes, so a part grows while it takes a second, or a quarter of the work is saved.
        """
        parameters, neurons, _, count = drawn(matrix, self.width, None, limits)

        def bytes_at(side: int) -> int:
            rows = 2 * side * (NEURON_COPIES * neurons + 4 * matrix.dimension)
            return 8 * (MATRICES * side * side + max(rows, AT_LEAST))

        price = self._price(matrix.dimension, parameters, neurons, count)
        tile = LARGEST_TILE if matrix.points <= WIDE else LARGEST_TILE // 2
        while tile > SMALLEST_TILE and bytes_at(tile) > limits.memory_bytes // 4:
            tile //= 2
        part = tile
        while 2 * part <= LARGEST_PART and part < matrix.points and bytes_at(2 * part) <= limits.memory_bytes // 4:
            if price.part(2 * part) > max(PART_SECONDS / self.draws, 3 * price.part(part)):
                break
            part *= 2
        entry, row, drawing = (self.draws * share for share in (price.entry, price.row, price.drawing))
        held = bytes_at(part) + 8 * COPIES * max(parameters, DRAWN_AT_ONCE)
        return Tiling(tile, part, entry, held, row_seconds=row, part_seconds=drawing)

    def _price(self, dimension: int, parameters: int, neurons: int, count: int) -> Price:
        at_once = min(self.draws, max(1, DRAWN_AT_ONCE // parameters))
        products = 2 * neurons + dimension
        return Price(
            drawing=parameters * SECONDS_PER_NUMBER + count * SECONDS_PER_CALLED_LAYER / at_once,
            row=PASSES * parameters * SECONDS_PER_PRODUCT + neurons * SECONDS_PER_NEURON,
            entry=products * SECONDS_PER_PRODUCT + (count + 4) * SECONDS_PER_ENTRY,
        )
