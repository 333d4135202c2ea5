"""Training jobs: finite networks trained by gradient descent, and what is recorded on the way."""

from collections.abc import Callable
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, ValidationInfo, field_serializer, field_validator

from contracts.given import Given, Trained, Uploaded
from contracts.kinds import Spec
from contracts.plan import Plan, References
from contracts.problems import INVALID_REQUEST
from contracts.recording import Ensemble, Record
from contracts.settings import Settings
from contracts.spec_types import DatasetId, DType, Seed, by_name
from contracts.training_plan import plan
from contracts.training_sizes import Sizes
from ntk_engine.architecture import Architecture, canonical, simplified
from ntk_engine.costs import AnyCost, LeastSquares

MOST_NETWORKS = 10_000
MOST_STEPS = 10**8


Cost = Annotated[Annotated[AnyCost, Field(discriminator="type")], BeforeValidator(by_name)]


class TrainingSpec(Spec):
    """Networks of one architecture, one a seed, trained on a dataset's inputs and targets (Section 4.2).

    A step of gradient descent with learning rate η is Δt = η of the paper's time.
    """

    kind: ClassVar[str] = "trainings"

    dataset: DatasetId
    architecture: Architecture
    cost: Cost = LeastSquares()
    learning_rate: float = Field(gt=0, description="η; gradient descent converges below 2/λ_1")
    steps: int = Field(ge=0, le=MOST_STEPS)
    seeds: list[Seed] = Field([0], min_length=1, max_length=MOST_NETWORKS, description="a network each")
    momentum: float = Field(0.0, ge=0, lt=1, description="μ of the heavy ball: v ← μ v + ∂C/∂θ, θ ← θ − η v")
    weight_decay: float = Field(0.0, ge=0, description="λ: the derivative has λ θ added")
    batch_size: int | None = Field(None, ge=1, description="inputs of a step; null: all, as the paper has it")
    centred: bool = Field(False, description="train, and record, f_θ − f_θ(0): its targets are what is added to f_θ(0)")
    expansion: Literal[1, 2] | None = Field(
        None, description="train the Taylor expansion of f_θ around θ(0) to this order; null: f_θ itself"
    )
    tolerance: float | None = Field(None, gt=0, description="the cost at which a network's training ends")
    trained: Trained | None = Field(None, description="θ(0): of a training job, in place of one that is drawn")
    uploaded: Uploaded | None = Field(None, description="θ(0): of a dataset, in place of one that is drawn")
    dtype: DType = "float64"
    record: Record = Record()
    ensemble: Ensemble | None = Field(None, description="statistics over the networks, with their quantiles")

    @field_validator("architecture")
    @classmethod
    def _in_one_form(cls, architecture: Architecture) -> Architecture:
        return simplified(architecture)

    @field_serializer("architecture")
    def _as_json(self, architecture: Architecture) -> dict[str, object]:
        return canonical(architecture)

    @field_validator("record")
    @classmethod
    def _of_an_expansion(cls, record: Record, info: ValidationInfo) -> Record:
        missing = sorted({"kernel", "drift", "movement"} & record.asked().keys())
        if info.data.get("expansion") is not None and missing:
            raise ValueError(f"an expansion has no {missing[0]} to record; it has outputs, projections and parameters")
        return record

    @field_validator("seeds")
    @classmethod
    def _different(cls, seeds: list[int]) -> list[int]:
        if len(set(seeds)) != len(seeds):
            raise ValueError("each seed is a network of its own and must be there once")
        return seeds

    @field_validator("trained", "uploaded")
    @classmethod
    def _of_one_network(cls, given: Given | None, info: ValidationInfo) -> Given | None:
        if given is not None and len(info.data.get("seeds", [0])) > 1:
            raise ValueError("one network begins where it is said to; seeds must name one")
        if given is not None and info.data.get("trained") is not None:
            raise ValueError("a network begins with the parameters of a training or of a dataset, not both")
        return given

    def datasets(self) -> dict[str, str]:
        on = {f"/record/{name}/on": getattr(schedule, "on", None) for name, schedule in self.record.asked().items()}
        on["/uploaded/dataset"] = None if self.uploaded is None else self.uploaded.dataset
        return {"/dataset": self.dataset} | {pointer: id_ for pointer, id_ in on.items() if id_ is not None}

    def jobs(self) -> dict[str, str]:
        projections = self.record.projections
        named = {
            "/record/projections/components": None if projections is None else projections.components,
            "/trained/training": None if self.trained is None else self.trained.training,
        }
        return {pointer: str(id_) for pointer, id_ in named.items() if id_ is not None}

    def plan(self, references: References, limits: Settings) -> Plan:
        sizes = Sizes.of(self, references)
        if self.trained is not None:
            self.trained.check(references, self.architecture, sizes.parameters, "/trained")
        if self.uploaded is not None:
            self.uploaded.check(references.datasets[self.uploaded.dataset]["x"], sizes.parameters, "/uploaded")
        return plan(self, sizes, limits)

    def inspect(self, load: Callable[[str, str], Any]) -> None:
        if not self.cost.accepts(load(self.dataset, "y")):
            raise INVALID_REQUEST.error(f"The targets of this cost must be {self.cost.targets}.", "/cost")
