"""Jobs as clients see them: state, progress, arrays."""

from datetime import datetime
from enum import StrEnum
from math import isfinite
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer

from contracts.problems import Problem


class State(StrEnum):
    """States of a job and of a part: queued → running → one of the last three; running → queued when a lease ends."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def finished(self) -> bool:
        return self in (State.SUCCEEDED, State.FAILED, State.CANCELLED)


class Wire(BaseModel):
    """A value that ntkd sends; unknown fields are for newer clients."""

    model_config = ConfigDict(frozen=True)


class Progress(Wire):
    """How far a job is, counted in `unit`; before the first part is done, seconds_left is the planner's estimate."""

    done: int
    total: int
    unit: str = Field(examples=["entries"])
    rate: float | None = Field(description="units a second since the job started")
    seconds_left: float | None


class ArrayInfo(Wire):
    """A named numeric result and where to fetch it."""

    name: str = Field(examples=["ntk"])
    shape: tuple[int, ...] = Field(examples=[(512, 512)])
    dtype: str = Field(examples=["float64"])
    href: str


def _written(value: float) -> float | str:
    """JSON has no infinity and no NaN: strings are."""
    return value if isfinite(value) else str(value)


Value = Annotated[float, PlainSerializer(_written, return_type=float | str, when_used="json")]


class ResultInfo(ArrayInfo):
    """An array of a job."""

    error_bound: float | None = Field(
        None,
        description=(
            "what series, quadratures and tables may have added to an entry K(x,x') of a kernel, beside rounding, in"
            " units of √(K(x,x) K(x',x')): the largest of the parts that are done; 0: all is in closed form. Of other"
            " arrays, how far an entry may be off. null: nothing is known"
        ),
        examples=[2e-14],
    )
    value: Value | None = Field(
        None, description="of an array of one number, that number, once the job has succeeded; not in lists of jobs"
    )


class Job(Wire):
    """One computation that was asked for."""

    id: UUID
    kind: str = Field(examples=["kernels"])
    state: State
    spec: dict[str, Any]
    digest: str = Field(description="digest of the canonical spec; equal specs are one job")
    progress: Progress
    arrays: list[ResultInfo]
    error: Problem | None
    attempts: int = Field(description="how often a worker took up a part of the job")
    parts: int = Field(description="number of parts that workers share")
    device: str | None = Field(examples=["cpu"])
    waits_for: list[UUID] = Field(description="the unfinished jobs whose results this one needs")
    version: int = Field(description="grows with every change; also the id of the job's latest event")
    engine: str = Field(description="version of the engine that the job belongs to")
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class JobPage(Wire):
    """Jobs, newest first; `next` is the cursor of the following page."""

    jobs: list[Job]
    next: str | None


class Event(Wire):
    """A change of a job: `id` is the job's version after it."""

    id: int
    type: str = Field(examples=["progress"])
    at: datetime
    state: State
    done: int
    total: int
    error: Problem | None = None


class DatasetInfo(Wire):
    """A dataset: inputs x (n×d or n×h×w×c) and, where there are any, targets y (n×k)."""

    id: str = Field(description="digest of the content", examples=["5f0c1d9e8b7a4f6350c1d9e8b7a4f635"])
    name: str | None
    source: dict[str, Any]
    provenance: str
    arrays: list[ArrayInfo]
    created_at: datetime


class DatasetPage(Wire):
    """Datasets, newest first; `next` is the cursor of the following page."""

    datasets: list[DatasetInfo]
    next: str | None
