"""Problem documents (RFC 9457): every way ntkd says no, one entry each.

The same object answers a bad request and stands in the `error` of a job that failed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

MEDIA_TYPE = "application/problem+json"


class Fault(BaseModel):
    """One fault of a request: where (a JSON pointer into the body, or a parameter's name) and what."""

    model_config = ConfigDict(frozen=True)

    pointer: str = Field(examples=["/architecture/depth"])
    detail: str = Field(examples=["depth must be at least 1"])


class Problem(BaseModel):
    """An RFC 9457 problem document; `type` resolves on the service that sent it."""

    model_config = ConfigDict(frozen=True)

    type: str = Field(examples=["/problems/invalid-request"])
    title: str
    status: int
    detail: str
    errors: tuple[Fault, ...] = ()
    figures: dict[str, Any] | None = Field(default=None, description="the planner's figures, where it refused")


@dataclass(frozen=True)
class Kind:
    """A stable kind of problem: its name in the `type`, its HTTP status and what it tells a user."""

    name: str
    status: int
    title: str
    about: str

    def problem(self, detail: str, errors: Sequence[Fault] = (), figures: dict[str, Any] | None = None) -> Problem:
        return Problem(
            type=f"/problems/{self.name}",
            title=self.title,
            status=self.status,
            detail=detail,
            errors=tuple(errors),
            figures=figures,
        )

    def error(self, detail: str, pointer: str | None = None, figures: dict[str, Any] | None = None) -> "ProblemError":
        """The exception that carries this problem; `pointer` names the one field at fault."""
        faults = () if pointer is None else (Fault(pointer=pointer, detail=detail),)
        return ProblemError(self.problem(detail, faults, figures))


class ProblemError(Exception):
    """Raised anywhere below the HTTP layer to refuse; the layer above sends `problem` as it is."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.detail)
        self.problem = problem


MALFORMED_JSON = Kind("malformed-json", 400, "The body is not JSON", "Send one JSON object, UTF-8 encoded.")
INVALID_REQUEST = Kind(
    "invalid-request",
    422,
    "The request is not valid",
    "Each entry of `errors` points at one field and says what it must be.",
)
UNKNOWN_REFERENCE = Kind(
    "unknown-reference",
    422,
    "The request refers to something that does not exist",
    "Upload the dataset, or submit the job, that the named field refers to.",
)
UNREADABLE_UPLOAD = Kind(
    "unreadable-upload",
    422,
    "The uploaded file cannot be read",
    "The file is not what its name or header says, or holds objects or values that are not finite; nothing was kept.",
)
TOO_LARGE = Kind(
    "too-large",
    422,
    "The request exceeds the limits of this service",
    "`figures` holds what the planner expects of the job beside the limits; ask for less, or raise the limits.",
)
NOT_FOUND = Kind(
    "not-found", 404, "There is nothing here", "The id or the path is unknown, or what it named was deleted."
)
METHOD_NOT_ALLOWED = Kind(
    "method-not-allowed", 405, "This method is not allowed here", "The `Allow` header lists those that are."
)
NOT_ACCEPTABLE = Kind(
    "not-acceptable",
    406,
    "None of the accepted formats is on offer",
    "Arrays come as application/x-npy, application/vnd.safetensors, application/vnd.apache.arrow.stream, "
    "application/json or text/csv.",
)
CONFLICT = Kind(
    "conflict",
    409,
    "The state of the resource does not allow this",
    "For example: an array whose job has not succeeded, or a job that others wait for.",
)
PAYLOAD_TOO_LARGE = Kind(
    "payload-too-large",
    413,
    "The body is larger than this service takes",
    "The limits are NTKD_MAX_UPLOAD_BYTES for files and NTKD_MAX_BODY_BYTES for JSON.",
)
UNSUPPORTED_MEDIA_TYPE = Kind(
    "unsupported-media-type",
    415,
    "This media type is not understood here",
    "Send application/json, or multipart/form-data with a `file`.",
)
RANGE_NOT_SATISFIABLE = Kind(
    "range-not-satisfiable",
    416,
    "The range lies outside the array",
    "Rows, columns and bytes count from 0; the end is not included in rows= and cols=.",
)
IDEMPOTENCY_CONFLICT = Kind(
    "idempotency-conflict",
    422,
    "This Idempotency-Key came with another request before",
    "A key stands for one request; take a new key for a new request.",
)
INTERNAL = Kind(
    "internal",
    500,
    "Something went wrong inside ntkd",
    "The fault is ours; the server's log has it under the id in `detail`.",
)
UNAVAILABLE = Kind("unavailable", 503, "The service cannot answer now", "Try again after the seconds in `Retry-After`.")

WORKER_LOST = Kind(
    "worker-lost",
    500,
    "The worker died while it computed",
    "A part is tried again on another worker until its attempts are used up.",
)
OUT_OF_MEMORY = Kind(
    "out-of-memory",
    500,
    "The worker ran out of memory",
    "The part is tried again, on a GPU in smaller pieces; when its last attempt fails, so does the job.",
)
COMPUTATION_FAILED = Kind(
    "computation-failed",
    500,
    "The computation failed",
    "The engine could not compute this part; `detail` says why.",
)
DEPENDENCY_FAILED = Kind(
    "dependency-failed",
    500,
    "The job this one waited for did not succeed",
    "Mend and submit that job, then this one.",
)

KINDS: dict[str, Kind] = {kind.name: kind for kind in list(globals().values()) if isinstance(kind, Kind)}
