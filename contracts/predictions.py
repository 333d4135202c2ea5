"""Prediction jobs: the network of infinite width in function space, at every time asked for (Section 5)."""

from collections.abc import Callable
from math import inf, isinf
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator

from contracts.direction import Direction
from contracts.dynamics import Descent, Dynamics, Ensemble, Flow, Start, Time, Zero
from contracts.function_space import FunctionSpaceSpec
from contracts.function_space_sizes import Sizes
from contracts.plan import Plan, References
from contracts.prediction_plan import plan
from contracts.problems import INVALID_REQUEST
from contracts.random_functions import RandomFunctions
from contracts.settings import Settings
from contracts.spec_types import Seed, by_name
from ntk_engine.costs import CrossEntropy, Huber, LeastSquares, Logistic
from ntk_engine.fields import Faults

MOST_TIMES, MOST_PERCENTILES, MOST_SAMPLES = 10_000, 100, 10_000
TOLERANCE = 1e-9

Cost = Annotated[
    Annotated[LeastSquares | CrossEntropy | Logistic | Huber | Direction, Field(discriminator="type")],
    BeforeValidator(by_name),
]
Points = Literal["test", "train"]


class PredictionSpec(FunctionSpaceSpec):
    """f_t of the network of infinite width trained on `train`: a Gaussian at every time, on both datasets' points.

    Either `architecture` names the kernels, or `kernels` the jobs that have them. Times are the paper's: Δt = η.
    """

    kind: ClassVar[str] = "predictions"

    cost: Cost = LeastSquares()
    dynamics: Dynamics = Flow()
    random_functions: RandomFunctions | None = Field(
        None, description="least squares with the tangent kernel of random functions in place of K (Section 3.1)"
    )
    times: list[Time] = Field(min_length=1, max_length=MOST_TIMES, description='rising; "inf" is the end of training')
    start: Start | None = Field(
        None, validate_default=True, description="f_0; null: drawn, or 0 for costs under which it stays no Gaussian"
    )
    ridge: float = Field(0.0, ge=0, description="r: what draws f to f_0, in units of the eigenvalues of K/N")
    tolerance: float | None = Field(
        None, ge=1e-13, le=1e-2, validate_default=True, description="of a step of integration, for other costs: 1e-9"
    )
    covariance: Literal["full", "diagonal", "none"] = Field("diagonal", validate_default=True)
    percentiles: list[Annotated[float, Field(gt=0, lt=100)]] = Field(
        [], max_length=MOST_PERCENTILES, description="of f_t at every point"
    )
    samples: int = Field(0, ge=0, le=MOST_SAMPLES, description="joint draws of f_t on the test points")
    seed: Seed = 0
    points: list[Points] = Field(["test", "train"], min_length=1, description="on which points arrays are stored")

    @field_validator("dynamics")
    @classmethod
    def _followed(cls, dynamics: Flow | Descent, info: ValidationInfo) -> Flow | Descent:
        if not isinstance(dynamics, Flow) and isinstance(info.data.get("cost"), Direction):
            raise ValueError("a given direction is followed by the flow; so many steps of η are a time")
        return dynamics

    @field_validator("random_functions")
    @classmethod
    def _of_what_they_can_be(cls, functions: RandomFunctions | None, info: ValidationInfo) -> RandomFunctions | None:
        if functions is None:
            return None
        if not _closed(info):
            raise ValueError("random functions are trained by least squares")
        if functions.of == "networks" and info.data.get("trained") != "last_layer":
            raise ValueError("outputs of networks have the covariance Σ: trained must be last_layer")
        if functions.of == "networks" and info.data.get("architecture") is None:
            raise ValueError("networks are drawn of an architecture")
        return functions

    @field_validator("start")
    @classmethod
    def _begun(cls, start: Start | None, info: ValidationInfo) -> Start | None:
        closed, functions = _closed(info), info.data.get("random_functions")
        if functions is not None and not isinstance(start or Zero(), Zero):
            raise ValueError("random functions are trained from zero")
        if start is None:
            return Ensemble() if closed and functions is None else Zero()
        if isinstance(start, Ensemble) and not closed:
            raise ValueError("under this cost an f_0 that is drawn stays no Gaussian; start must be zero or given")
        return start

    @field_validator("ridge")
    @classmethod
    def _of_least_squares(cls, ridge: float, info: ValidationInfo) -> float:
        if ridge and not _closed(info):
            raise ValueError("a ridge is one of least squares")
        return ridge

    @field_validator("tolerance")
    @classmethod
    def _of_integration(cls, tolerance: float | None, info: ValidationInfo) -> float | None:
        """What is not integrated has none: one job, whatever is asked."""
        integrated = isinstance(info.data.get("dynamics"), Flow) and not isinstance(info.data.get("cost"), Direction)
        return tolerance or TOLERANCE if integrated and not _closed(info) else None

    @field_validator("times")
    @classmethod
    def _rising(cls, times: list[float], info: ValidationInfo) -> list[float]:
        faults, dynamics, last = Faults(), info.data.get("dynamics"), _known_until(info.data.get("cost"))
        for number, time in enumerate(times):
            if number and not times[number - 1] < time:
                faults.at(number).add("times must rise, and each be there once")
            elif isinstance(dynamics, Descent) and not _whole(time / dynamics.learning_rate):
                faults.at(number).add("a time of gradient descent is a whole number of steps of learning_rate each")
            elif isinf(time) and not _closed(info):
                faults.at(number).add("under this cost a time must be finite")
            elif time > last:
                faults.at(number).add(f"the direction is given until {last:g}")
        faults.settle()
        return times

    @field_validator("points")
    @classmethod
    def _in_one_order(cls, points: list[Points]) -> list[Points]:
        return sorted(set(points))

    @field_validator("covariance")
    @classmethod
    def _of_an_ensemble(cls, covariance: str, info: ValidationInfo) -> str:
        """A given f_0 has none: one job, whatever is asked."""
        return covariance if isinstance(info.data.get("start"), Ensemble) else "none"

    @field_validator("percentiles", "samples")
    @classmethod
    def _of_what_is_drawn(cls, asked: Any, info: ValidationInfo) -> Any:
        if asked and not isinstance(info.data.get("start") or Ensemble(), Ensemble):
            raise ValueError(f'{info.field_name} are those of an f_0 that is drawn; start must be "ensemble"')
        return asked

    @field_validator("seed")
    @classmethod
    def _of_samples(cls, seed: int, info: ValidationInfo) -> int:
        """Equal without samples, whose seed it is: one job."""
        return seed if info.data.get("samples") else 0

    @property
    def closed(self) -> bool:
        """Whether f_t is a closed form, and not integrated."""
        return isinstance(self.cost, LeastSquares)

    @property
    def judges(self) -> bool:
        """Whether targets are what f is to become, and not the direction that it takes."""
        return not isinstance(self.cost, Direction)

    @property
    def end_alone(self) -> bool:
        """Whether only the end of gradient flow by least squares is asked for, which needs no decomposition."""
        plain = self.closed and isinstance(self.dynamics, Flow) and self.random_functions is None
        return plain and self.times == [inf]

    @property
    def iterable(self) -> bool:
        """Whether only the mean there is, of an architecture, which needs no matrix."""
        asked = self.covariance == "none" and not self.percentiles and not self.samples
        return self.end_alone and asked and self.architecture is not None and not self.random

    @property
    def joint(self) -> bool:
        functions = self.random_functions
        return self.random or (functions is not None and functions.of == "gaussian")

    @property
    def whole(self) -> bool:
        """Whether of the test points' own kernel all is needed, and not its diagonal alone."""
        return (self.covariance == "full" or self.samples > 0) if self.random else self.joint

    @property
    def begins(self) -> Start | None:
        return self.start

    def outputs(self, columns: int) -> int:
        return self.cost.outputs(columns)

    def plan(self, references: References, limits: Settings) -> Plan:
        if self.samples and self.test is None:
            raise INVALID_REQUEST.error("Samples are drawn on test points; name some as test.", "/samples")
        if self.points == ["test"] and self.test is None:
            raise INVALID_REQUEST.error("There are no test points; name some as test.", "/points")
        return plan(self, Sizes.of(self, references), limits)

    def inspect(self, load: Callable[[str, str], Any]) -> None:
        if not isinstance(self.cost, Direction) and not self.cost.accepts(load(self.train, "y")):
            raise INVALID_REQUEST.error(f"The targets of this cost must be {self.cost.targets}.", "/cost")


def _closed(info: ValidationInfo) -> bool:
    """Whether the cost has a closed form."""
    return isinstance(info.data.get("cost", LeastSquares()), LeastSquares)


def _known_until(cost: object) -> float:
    """The last time of which a direction says something."""
    return cost.starts[-1] if isinstance(cost, Direction) and cost.between == "linear" else inf


def _whole(steps: float) -> bool:
    """Beyond 2⁵³ every float is."""
    return isinf(steps) or abs(steps - round(steps)) <= 1e-9 * max(1.0, steps)
