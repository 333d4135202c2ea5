"""Answer jobs: when to stop, what is learned last, how the error falls with more data (Section 5)."""

from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from contracts.answer_plan import plan
from contracts.dynamics import Dynamics, Ensemble, Flow, Given, Start, Zero
from contracts.function_space import FunctionSpaceSpec
from contracts.function_space_sizes import Sizes
from contracts.kinds import Asked
from contracts.plan import Plan, References
from contracts.settings import Settings
from contracts.spec_types import by_name, rising

# Squares of what is larger leave the numbers.
LARGEST = 1e100
MOST_LEVELS, MOST_SIZES, MOST_RIDGES = 100, 1000, 100


class EarlyStopping(Asked):
    """The time at which the expected cost is least, and what stopping there saves; by least squares."""

    type: Literal["early_stopping"] = "early_stopping"
    noise: float | None = Field(
        None,
        ge=0,
        le=LARGEST,
        description="deviation of the noise in the targets; null: `test` has targets that tell",
    )
    dynamics: Dynamics = Flow()
    start: Start = Field(Ensemble(), description="f_0")
    ridge: float = Field(0.0, ge=0, description="as of predictions, in units of the eigenvalues of K/N")
    slack: float = Field(0.01, ge=0, le=10, description="which costs are nearly as good: up to 1 + slack of the least")


class LearningOrder(Asked):
    """When every component, and every point, is learned to a level, by gradient flow on least squares."""

    type: Literal["learning_order"] = "learning_order"
    levels: list[Annotated[float, Field(gt=0, lt=1)]] = Field(
        [0.5, 0.9, 0.99], min_length=1, max_length=MOST_LEVELS, description="shares of the way from f_0 to the target"
    )
    start: Annotated[
        Annotated[Zero | Given, Field(discriminator="type")],
        BeforeValidator(by_name, json_schema_input_type=Literal["zero"] | Zero | Given),
    ] = Field(Zero(), description="f_0; zero is the mean of the ensemble")


class LearningCurve(Asked):
    """The error that the spectral theory expects on points that are not among the N of `train` that are trained on."""

    type: Literal["learning_curve"] = "learning_curve"
    sizes: Annotated[list[Annotated[int, Field(ge=1)]], AfterValidator(rising)] = Field(
        min_length=1, max_length=MOST_SIZES, description="N, rising, at most the number of points"
    )
    ridges: list[Annotated[float, Field(ge=0, le=LARGEST)]] = Field(
        [0.0], min_length=1, max_length=MOST_RIDGES, description="δ: added to the kernel's diagonal"
    )
    theory: Literal["points", "spectrum"] = Field(
        "points", description="an effective ridge for each point, O(N³) for every size and ridge; or one for all"
    )
    noise: float = Field(0.0, ge=0, le=LARGEST, description="deviation of noise that is added to all targets")


Question = Annotated[
    Annotated[EarlyStopping | LearningOrder | LearningCurve, Field(discriminator="type")],
    BeforeValidator(
        by_name,
        json_schema_input_type=Literal["early_stopping", "learning_order"]
        | EarlyStopping
        | LearningOrder
        | LearningCurve,
    ),
]


class AnswerSpec(FunctionSpaceSpec):
    """A question about the network of infinite width trained on `train` by least squares."""

    kind: ClassVar[str] = "answers"

    question: Question

    @property
    def begins(self) -> Start | None:
        return None if isinstance(self.question, LearningCurve) else self.question.start

    @property
    def start_pointer(self) -> str:
        return "/question/start"

    @property
    def held_out(self) -> bool:
        """Whether the test points' targets tell the cost."""
        return isinstance(self.question, EarlyStopping) and self.question.noise is None

    def plan(self, references: References, limits: Settings) -> Plan:
        return plan(self, Sizes.of(self, references), limits)
