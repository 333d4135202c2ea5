"""The kernel of one finite network as a method: what passing through it costs, and how its matrix is cut."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from contracts.drawn import (
    COPIES,
    SECONDS_PER_CALLED_LAYER,
    SECONDS_PER_NUMBER,
    Drawn,
    dense,
    drawn,
)
from contracts.given import Trained, Uploaded
from contracts.kinds import Asked
from contracts.plan import ITEM_BYTES, References
from contracts.settings import Settings
from contracts.spec_types import Seed
from contracts.tiling import LARGEST_PART, LARGEST_TILE, PART_SECONDS, WIDE, Matrix, Tiling
from ntk_engine.architecture import Architecture

# One core's, measured: a product and a sum; a neuron of a row, there and from every output back, and an entry of a
# layer's two Gram matrices, in all that is done to them beside.
SECONDS_PER_PRODUCT = {"float64": 2 / 50e9, "float32": 2 / 100e9}
SECONDS_PER_NEURON = 5e-9
SECONDS_PER_ENTRY = 2e-9
# Measured peak, in copies of a part's results: as computed, as tiles in order, as sent.
RESULTS = 3


class Empirical(Asked):
    """Θ(θ) of one network and products f_k(x) f_k'(x') of its outputs (Section 4), θ drawn from a seed or given."""

    finite: ClassVar[bool] = True
    size_from: ClassVar[str] = "/method"

    type: Literal["empirical"]
    seed: Seed = 0
    width: Annotated[int, Field(ge=1, le=10**5, description="neurons of dense layers that name no number")] = 512
    n_outputs: Annotated[int, Field(ge=1, le=1000, description="k, neurons at the end")] = 1
    outputs: Annotated[
        Literal["full", "trace"] | Annotated[int, Field(ge=0)],
        Field(
            description="of each pair of inputs: `full`, all k×k entries; `trace`, their trace over k; or a number:"
            " the entry of this output alone, counted from 0"
        ),
    ] = "trace"

    @field_validator("outputs", mode="before")
    @classmethod
    def _is_there(cls, outputs: object, info: ValidationInfo) -> object:
        """One fault, and not one for each member of the union."""
        if outputs in ("full", "trace"):
            return outputs
        count = info.data.get("n_outputs", 1)
        if type(outputs) is not int or not 0 <= outputs < count:
            raise ValueError(f"outputs must be full, trace or a number below n_outputs, {count}, counted from 0")
        return outputs

    trained: Trained | None = Field(None, description="θ of a training job, in place of one that is drawn")
    uploaded: Uploaded | None = Field(None, description="θ of a dataset, in place of one that is drawn")

    @model_validator(mode="after")
    def _of_one_source(self) -> "Empirical":
        if self.trained is not None and self.uploaded is not None:
            raise ValueError("parameters are those of a training or of a dataset, not both")
        return self

    def check(self, references: References, architecture: Architecture, inputs: int) -> None:
        """Raise ProblemError where given parameters are not there, or not of this network."""
        if self.trained is not None:
            self.trained.check(references, architecture, self._parameters(architecture, inputs), "/method/trained")
        if self.uploaded is not None:
            x = references.datasets[self.uploaded.dataset]["x"]
            self.uploaded.check(x, self._parameters(architecture, inputs), "/method/uploaded")

    def _parameters(self, architecture: Architecture, inputs: int) -> int:
        return sum(fan.parameters for fan in dense(architecture, inputs, self.n_outputs, self.width))

    def entry_shape(self) -> tuple[int, ...]:
        """k×k numbers for each pair of inputs, or one."""
        return (self.n_outputs, self.n_outputs) if self.outputs == "full" else ()

    def arrays(self, kernels: list[str]) -> list[str]:
        """The kernels alone."""
        return kernels

    @property
    def _readouts(self) -> int:
        """How many outputs are sent back."""
        return 1 if isinstance(self.outputs, int) else self.n_outputs

    def cut(self, matrix: Matrix, limits: Settings) -> Tiling:
        """Tiles and parts, each of which draws the network and passes its rows and columns through it.

        A part grows, as far as memory allows, while it takes a second, or a quarter of the work is saved. Raises
        ProblemError where there is no such network.
        """
        size = drawn(matrix, self.width, self.n_outputs, limits)
        drawing = size.parameters * SECONDS_PER_NUMBER + size.layers * SECONDS_PER_CALLED_LAYER
        row, pair = self._row(size, matrix), self._pair(size, matrix)

        def seconds(side: int) -> float:
            return drawing + 2 * side * row + side * side * pair

        def fits(side: int) -> bool:
            return self._bytes(matrix, size, side, limits) <= limits.memory_bytes // 2

        side = self.n_outputs if self.outputs == "full" else 1
        tile = LARGEST_TILE if matrix.points <= WIDE else LARGEST_TILE // 2
        while tile > 1 and (tile * side > LARGEST_TILE or not fits(tile)):
            tile //= 2
        part = tile
        while 2 * part <= LARGEST_PART and part < matrix.points and fits(2 * part):
            if seconds(2 * part) > max(PART_SECONDS, 3 * seconds(part)):
                break
            part *= 2
        held = self._bytes(matrix, size, part, limits) + 8 * COPIES * size.parameters
        # A Gram matrix of blocks is stored as a whole and computed by half.
        entry = pair / side**2 / (2 if matrix.gram and self.outputs == "full" else 1)
        return Tiling(tile, part, entry, held, row_seconds=row, part_seconds=drawing)

    def _row(self, size: Drawn, matrix: Matrix) -> float:
        """An input's way through the network, and back from every output."""
        products = (1 + self._readouts) * size.parameters * SECONDS_PER_PRODUCT[matrix.dtype]
        return products + (1 + self._readouts) * size.neurons * SECONDS_PER_NEURON

    def _pair(self, size: Drawn, matrix: Matrix) -> float:
        """Two inputs, with all that is computed of them: a product of α once, and of δ for every two outputs."""
        every = self._readouts ** (2 if self.outputs == "full" else 1)
        products = matrix.dimension + (1 + every) * size.neurons
        numbers = self.n_outputs**2 if self.outputs == "full" else 1
        return products * SECONDS_PER_PRODUCT[matrix.dtype] + (size.layers + 1) * numbers * SECONDS_PER_ENTRY

    def pass_bytes(self, limits: Settings) -> int:
        """What rows and columns may leave in the network at once; beyond, they pass in panels."""
        return limits.memory_bytes // 4

    def _bytes(self, matrix: Matrix, size: Drawn, side: int, limits: Settings) -> int:
        """Inputs, what they leave in the network, and results."""
        item, numbers = ITEM_BYTES[matrix.dtype], self.n_outputs**2 if self.outputs == "full" else 1
        left = matrix.dimension + (2 + self._readouts) * size.neurons + 2 * self._readouts * size.widest
        passes = min(2 * side * item * left, self.pass_bytes(limits))
        results = (
            RESULTS
            * matrix.kernels
            * side
            * side
            * numbers
            * item
            * (2 if matrix.gram and self.outputs == "full" else 1)
        )
        return 4 * side * matrix.dimension * 8 + passes + results
