"""What is recorded of a training, and at which steps."""

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field, model_validator

from contracts.kinds import Asked
from contracts.spec_types import DatasetId, JobId

MOST_RECORDED = 10_000

Step = Annotated[int, Field(ge=0)]


class Schedule(Asked):
    """Steps, in one of three ways; step 0 is before any."""

    every: Annotated[int, Field(ge=1, description="0, every, 2·every, …")] | None = None
    at: Annotated[list[Step], Field(min_length=1, max_length=MOST_RECORDED, description="these")] | None = None
    log: (
        Annotated[int, Field(ge=1, le=1000, description="0, 1, the last, and so many in all evenly on a log scale")]
        | None
    ) = None

    @model_validator(mode="after")
    def _in_one_way(self) -> "Schedule":
        if sum(way is not None for way in (self.every, self.at, self.log)) != 1:
            raise ValueError("one of every, at and log says at which steps to record")
        return self

    def steps(self, last: int) -> Sequence[int]:
        """The steps, growing; none is beyond the last one, those of `at` included."""
        if self.every is not None:
            # Counted before any is listed: there may be as many as MOST_STEPS.
            return range(0, last + 1, self.every)
        if self.at is not None:
            return tuple(sorted({step for step in self.at if step <= last}))
        count = max(self.log or 1, 2)
        return tuple(sorted({0, *(round(last ** (i / (count - 1))) for i in range(count))})) if last else (0,)


class OnPoints(Schedule):
    """Steps, and the inputs that are looked at."""

    on: DatasetId | None = Field(None, description="dataset of the inputs; null: those trained on")


class OnComponents(Schedule):
    """Steps, and the functions that outputs are projected on."""

    components: JobId = Field(description="a spectrum job with vectors, of a kernel on the inputs trained on")


class Record(Asked):
    """What is recorded beside the cost, which is at every step."""

    outputs: OnPoints | None = Field(None, description="f on points: outputs, S×T×n×k")
    kernel: OnPoints | None = Field(None, description="trace Θ/k on points: kernel, S×T×n×n")
    drift: OnPoints | None = Field(
        None, description="‖Θ_t − Θ_0‖/‖Θ_0‖ on points: kernel_drift, S×T; of weights, a layer each: parameter_drift"
    )
    movement: OnPoints | None = Field(
        None,
        description="‖α_t − α_0‖/‖α_0‖ on points, of what enters dense layers but the first, and f: movement, S×T×L",
    )
    projections: OnComponents | None = Field(
        None, description="⟨v, f⟩ for components v of p^in-norm 1: projections, S×T×M×k"
    )
    parameters: Schedule | None = Field(None, description="θ itself: parameters_at, S×T×P")

    def asked(self) -> dict[str, Schedule]:
        """What is asked for, by its field."""
        found = {name: getattr(self, name) for name in type(self).model_fields}
        return {name: schedule for name, schedule in found.items() if schedule is not None}


class Ensemble(Asked):
    """Statistics over the networks of what is recorded of outputs and kernels."""

    quantiles: list[Annotated[float, Field(ge=0, le=1)]] = Field(
        [0.1, 0.5, 0.9], max_length=100, description="probabilities"
    )
