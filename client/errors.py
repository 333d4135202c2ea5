"""Everything that the client raises; every one is an `NtkdError`."""

from http import HTTPStatus

from pydantic import ValidationError

from contracts.jobs import Job
from contracts.problems import Fault, Problem


class NtkdError(Exception):
    """The base of the client's errors; its text is one sentence for people."""


class ProblemError(NtkdError):
    """The service refused: `problem` is the document it sent, and its fields stand here too."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.detail)
        self.problem = problem

    @property
    def status(self) -> int:
        return self.problem.status

    @property
    def type(self) -> str:
        return self.problem.type

    @property
    def title(self) -> str:
        return self.problem.title

    @property
    def detail(self) -> str:
        return self.problem.detail

    @property
    def errors(self) -> tuple[Fault, ...]:
        """The faults of the request, each with the JSON pointer of the field."""
        return self.problem.errors


class JobFailed(ProblemError):  # noqa: N818
    """The job was computed in vain; `problem` is its error, `job` the job as it ended."""

    def __init__(self, job: Job) -> None:
        super().__init__(job.error or plain_problem(HTTPStatus.INTERNAL_SERVER_ERROR))
        self.job = job


class JobCancelled(NtkdError):  # noqa: N818
    """The job was cancelled before it was done."""

    def __init__(self, job: Job) -> None:
        super().__init__(f"job {job.id} was cancelled")
        self.job = job


class WaitTimeout(NtkdError, TimeoutError):  # noqa: N818
    """The job had not finished in the time that was given; it goes on, and can be waited for again."""


class Unreachable(NtkdError):  # noqa: N818
    """The service did not answer, for as long as the client kept trying."""


class TransferError(NtkdError):
    """What was downloaded is not what was asked for."""


def problem_of(status: int, body: bytes) -> Problem:
    """The problem document in the body of an answer; one made of the status where something else answered."""
    try:
        return Problem.model_validate_json(body)
    except ValidationError:
        return plain_problem(status)


def plain_problem(status: int) -> Problem:
    """A problem of which only the status is known (RFC 9457, Section 4.2.1)."""
    phrase = HTTPStatus(status).phrase if status in list(HTTPStatus) else "Unknown status"
    return Problem(type="about:blank", title=phrase, status=status, detail=f"the server answered {status} {phrase}")
