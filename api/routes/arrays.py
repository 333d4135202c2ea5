"""Arrays of jobs and datasets: whole, as blocks of rows and columns, or as ranges of bytes."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from fastapi import APIRouter
from starlette.responses import Response

from api.documented import answer, header, problems
from api.formats import FORMATS
from api.job_response import retry_after
from api.missing import no_dataset, no_job
from api.problems import RefusedError
from api.serving import Fetching, Found
from contracts.jobs import Job, State
from contracts.problems import CONFLICT, NOT_ACCEPTABLE, NOT_FOUND, RANGE_NOT_SATISFIABLE
from contracts.spec_types import DatasetId
from storage import arrays
from storage.arrays import Stored
from storage.database import Read
from storage.jobs import queries

router = APIRouter(tags=["arrays"])

HEADERS = {"ETag": header("strong, of the content"), "Content-Length": header("always there", "integer")}
BINARY = {media: {"schema": {"type": "string", "format": "binary"}} for form in FORMATS for media in form.media_types}
RESPONSES: dict[int | str, dict[str, Any]] = (
    {200: {"description": "The array", "headers": HEADERS, "content": BINARY}}
    | answer(206, "The bytes that Range names", HEADERS)
    | answer(304, "The client has it")
)


@router.head("/v1/jobs/{id}/arrays/{name}", include_in_schema=False)
@router.get(
    "/v1/jobs/{id}/arrays/{name}",
    response_class=Response,
    responses=RESPONSES | problems(NOT_FOUND, CONFLICT, NOT_ACCEPTABLE, RANGE_NOT_SATISFIABLE),
    summary="Get an array of a job",
)
async def get_job_array(id: UUID, name: str, fetching: Fetching) -> Response:  # noqa: A002
    """By `Accept`: npy (default), safetensors, Arrow; JSON and csv where it is small.

    A block is there as soon as its tiles are, before the job has finished.
    """
    return await fetching.response(lambda read: _of_job(read, id, name))


@router.head("/v1/datasets/{id}/arrays/{name}", include_in_schema=False)
@router.get(
    "/v1/datasets/{id}/arrays/{name}",
    response_class=Response,
    responses=RESPONSES | problems(NOT_FOUND, NOT_ACCEPTABLE, RANGE_NOT_SATISFIABLE),
    summary="Get an array of a dataset",
)
async def get_dataset_array(id: DatasetId, name: str, fetching: Fetching) -> Response:  # noqa: A002
    """`x`, and `y` where there are targets; formats, blocks and ranges as for the arrays of jobs."""
    return await fetching.response(lambda read: _of_dataset(read, id, name))


def _of_job(read: Read, id_: UUID, name: str) -> Found:
    job = queries.get(read, id_)
    if job is None:
        raise no_job(id_)
    stored = _named(arrays.of_job(read, id_), name, f"Job {id_}")
    return Found(stored, None if job.state is State.SUCCEEDED else lambda: unfinished(job, name))


def _of_dataset(read: Read, id_: str, name: str) -> Found:
    stored = arrays.of_dataset(read, id_)
    if not stored:
        raise no_dataset(id_)
    return Found(_named(stored, name, f"Dataset {id_}"))


def _named(stored: Mapping[str, Stored], name: str, owner: str) -> Stored:
    if name not in stored:
        raise NOT_FOUND.error(f"{owner} has no array {name[:100]!r}; it has {', '.join(stored)}.")
    return stored[name]


def unfinished(job: Job, name: str) -> Exception:
    """The problem of an array that is not there: not yet, and when to ask again, or never."""
    if job.state.finished:
        return CONFLICT.error(f"Job {job.id} is {job.state}; it has no {name}.")
    error = CONFLICT.error(f"This part of {name} is not computed yet: job {job.id} is {job.state}.")
    return RefusedError(error, {"Retry-After": str(retry_after(job))})
