"""Server-sent events of a job, out of the table: they can be resumed for ever."""

from collections.abc import AsyncIterator
from typing import Annotated
from uuid import UUID

from anyio.to_thread import run_sync
from fastapi import APIRouter, Depends, Header
from fastapi.sse import EventSourceResponse, ServerSentEvent

from api.documented import problems
from api.services import Here, Services
from api.waiting import LOOK_AGAIN_SECONDS, change, look
from contracts.jobs import Event
from contracts.problems import NOT_FOUND
from storage.jobs import queries

router = APIRouter(tags=["jobs"])


async def _existing(id: UUID, services: Here) -> UUID:  # noqa: A002
    """The job's id; refused before the stream begins when there is no such job."""
    await look(services, id)
    return id


@router.get(
    "/v1/jobs/{id}/events",
    response_class=EventSourceResponse,
    responses=problems(NOT_FOUND),
    summary="Follow a job",
)
async def follow_job(
    job: Annotated[UUID, Depends(_existing)],
    services: Here,
    last_event_id: Annotated[int, Header(ge=0, le=2**63 - 1, description="resume after this event")] = 0,
) -> AsyncIterator[ServerSentEvent]:
    """Every change of the job as an event whose id is the job's version; ends after the last one.

    A comment line every 15 seconds keeps the connection open.
    """
    seen = last_event_id
    with services.changes.watch(job) as changed:
        while True:
            events, over = await run_sync(_after, services, job, seen)
            for event in events:
                yield ServerSentEvent(id=str(event.id), event=event.type, data=event)
                seen = event.id
            if over and not events:
                return
            if not events:
                await change(changed, LOOK_AGAIN_SECONDS)


def _after(services: Services, job: UUID, seen: int) -> tuple[list[Event], bool]:
    """Events after `seen`, and whether the job was finished, or gone, before they were looked up."""
    with services.database.read() as read:
        found = queries.version(read, job)
        return queries.events(read, job, seen), found is None or found[1].finished
