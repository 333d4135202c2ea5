"""Jobs: reading, waiting, cancelling, deleting."""

from typing import Annotated
from uuid import UUID

from anyio.to_thread import run_sync
from fastapi import APIRouter, Header, Query, Request
from starlette.responses import Response

from api.documented import JOB_HEADERS, answer, problems
from api.job_response import etag, job_response, versions
from api.missing import no_job
from api.paging import page_response
from api.services import Here, Services
from api.waiting import MOST_SECONDS, Reached, look, until
from contracts.jobs import Job, JobPage, State
from contracts.problems import CONFLICT, INVALID_REQUEST, NOT_FOUND
from contracts.registry import SPECS
from storage.jobs import queries, transitions

router = APIRouter(tags=["jobs"])


@router.head("/v1/jobs", include_in_schema=False)
@router.get("/v1/jobs", response_model=JobPage, responses=problems(), summary="List jobs")
def list_jobs(
    services: Here,
    request: Request,
    kind: Annotated[str | None, Query(description="only these", json_schema_extra={"enum": list(SPECS)})] = None,
    state: Annotated[State | None, Query(description="only jobs in this state")] = None,
    cursor: Annotated[str | None, Query(description="`next` of the page before", max_length=200)] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 20,
) -> Response:
    """Jobs, newest first; the `Link` header and `next` lead on."""
    if kind is not None and kind not in SPECS:
        raise INVALID_REQUEST.error(f"Kind must be one of {', '.join(SPECS)}.", "kind")
    with services.database.read() as read:
        page = queries.page(read, kind=kind, state=state, cursor=cursor, limit=limit)
    return page_response(request, page.model_dump_json(), page.next)


@router.head("/v1/jobs/{id}", include_in_schema=False)
@router.get(
    "/v1/jobs/{id}",
    response_model=Job,
    responses=answer(200, "The job", JOB_HEADERS) | answer(304, "Nothing new") | problems(NOT_FOUND),
    summary="Get a job, or wait for it",
)
async def get_job(
    id: UUID,  # noqa: A002
    services: Here,
    wait: Annotated[float, Query(ge=0, le=MOST_SECONDS, description="seconds to wait for a change")] = 0,
    if_none_match: Annotated[str | None, Header(description="the version that the client has")] = None,
) -> Response:
    """State, progress and arrays of a job.

    With `wait`, the answer comes when the job has changed: since the version in If-None-Match, or else since the
    request came. A finished job answers at once.
    """
    seen = versions(if_none_match)
    if wait:
        version, _ = await look(services, id)
        await until(services, id, _moved_on(seen or {str(version)}), wait)
    job = await run_sync(_get, services, id)
    if str(job.version) in seen or "*" in seen:
        return Response(status_code=304, headers={"ETag": etag(job.version), "Cache-Control": "no-cache"})
    return job_response(job)


def _moved_on(seen: set[str]) -> Reached:
    return lambda version, state: state.finished or str(version) not in seen


def _get(services: Services, id_: UUID) -> Job:
    with services.database.read() as read:
        job = queries.get(read, id_)
    if job is None:
        raise no_job(id_)
    return job


@router.post(
    "/v1/jobs/{id}/cancel",
    response_model=Job,
    responses=answer(200, "The job", JOB_HEADERS) | problems(NOT_FOUND),
    summary="Cancel a job",
)
def cancel_job(id: UUID, services: Here) -> Response:  # noqa: A002
    """The job ends now and no worker can add to it; a job that has finished stays as it is. Can be repeated."""
    with services.database.begin() as write:
        transitions.cancel(write, id)
    return job_response(_get(services, id))


@router.delete(
    "/v1/jobs/{id}",
    status_code=204,
    responses=problems(NOT_FOUND, CONFLICT),
    summary="Delete a job",
)
def delete_job(id: UUID, services: Here) -> Response:  # noqa: A002
    """Cancel the job where it has not finished, and remove it with its arrays; refused while another waits for it."""
    _get(services, id)
    transitions.delete(services.database, id)
    return Response(status_code=204)
