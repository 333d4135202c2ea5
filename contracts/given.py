"""Parameters of a network, where they are not drawn: those of a training job, or of a dataset."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from contracts.kinds import Asked
from contracts.plan import ArrayPlan, References
from contracts.problems import INVALID_REQUEST
from contracts.spec_types import DatasetId, JobId
from ntk_engine.architecture import Architecture

if TYPE_CHECKING:
    from contracts.trainings import TrainingSpec


class Trained(Asked):
    """θ of one network of a training job."""

    training: JobId = Field(description="the training job; it may still be running")
    seed: Annotated[int, Field(ge=0, description="which of its networks")] = 0
    step: Annotated[int, Field(ge=0)] | None = Field(
        None, description="one at which the training records `parameters`; null: the end"
    )

    def check(self, references: References, architecture: Architecture, wanted: int, pointer: str) -> None:
        """Raise ProblemError where there is no such network, or it is not one of `wanted` parameters."""
        # A training may begin with the parameters of another.
        from contracts.trainings import TrainingSpec

        kind, asked = references.specs[str(self.training)]
        if kind != TrainingSpec.kind:
            raise INVALID_REQUEST.error("This is no training job.", f"{pointer}/training")
        self.found(TrainingSpec.model_validate(asked), architecture, pointer)
        count = references.jobs[str(self.training)]["parameters"].cols
        if count != wanted:
            said = f"The training is one of networks of {count} parameters, not {wanted}: of other inputs or outputs."
            raise INVALID_REQUEST.error(said, f"{pointer}/training")

    def found(self, spec: "TrainingSpec", architecture: Architecture, pointer: str) -> tuple[int, int | None]:
        """Its `place_of`; raises ProblemError for a training of another architecture too."""
        if spec.architecture != architecture:
            raise INVALID_REQUEST.error("The training is one of another architecture.", "/architecture")
        return place_of(spec, self.seed, self.step, f"{pointer}/")


def place_of(spec: "TrainingSpec", seed: int, step: int | None, before: str = "") -> tuple[int, int | None]:
    """Row of a training's `parameters`, or of `parameters_at` and which record; raises ProblemError.

    before: what the pointers to `seed` and `step` begin with.
    """
    if seed not in spec.seeds:
        raise INVALID_REQUEST.error(f"The training has no network of seed {seed}.", f"{before}seed")
    row = spec.seeds.index(seed)
    if step is None:
        return row, None
    steps: Sequence[int] = () if spec.record.parameters is None else spec.record.parameters.steps(spec.steps)
    if step not in steps:
        said = f"The training records no parameters at step {step}; record.parameters says where it does."
        raise INVALID_REQUEST.error(said, f"{before}step")
    return row, steps.index(step)


class Uploaded(Asked):
    """θ as a row of a dataset's inputs: of every dense layer [W, b], row by row."""

    dataset: DatasetId
    row: Annotated[int, Field(ge=0)] = 0

    def check(self, x: ArrayPlan, wanted: int, pointer: str) -> None:
        """Raise ProblemError where there is no such row, or it is of a network of other than `wanted` parameters."""
        if x.cols != wanted:
            said = f"The network has {wanted} parameters, and a row of this dataset {x.cols} numbers."
            raise INVALID_REQUEST.error(said, f"{pointer}/dataset")
        if self.row >= x.rows:
            raise INVALID_REQUEST.error(f"The dataset has {x.rows} rows, counted from 0.", f"{pointer}/row")


Given = Trained | Uploaded
