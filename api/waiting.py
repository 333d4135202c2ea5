"""Waiting for a job without holding a thread or a connection."""

import asyncio
from collections.abc import Callable
from uuid import UUID

from anyio.to_thread import run_sync

from api.missing import no_job
from api.services import Services
from contracts.jobs import State
from storage.jobs import queries

# Notifications wake those who wait; this covers one that got lost with its connection.
LOOK_AGAIN_SECONDS = 2.0
MOST_SECONDS = 60.0

Reached = Callable[[int, State], bool]


async def look(services: Services, job: UUID) -> tuple[int, State]:
    """The job's version and state now; raises a not-found problem."""

    def query() -> tuple[int, State] | None:
        with services.database.read() as read:
            return queries.version(read, job)

    found = await run_sync(query)
    if found is None:
        raise no_job(job)
    return found


async def until(services: Services, job: UUID, reached: Reached, seconds: float) -> bool:
    """Wait until `reached` holds of the job's version and state, at most `seconds`; whether it does.

    Raises a not-found problem when the job is not there, or no longer.
    """
    clock = asyncio.get_running_loop().time
    deadline = clock() + seconds
    with services.changes.watch(job) as changed:
        while not reached(*await look(services, job)):
            left = deadline - clock()
            if left <= 0:
                return False
            await change(changed, min(left, LOOK_AGAIN_SECONDS))
    return True


async def change(changed: asyncio.Event, seconds: float) -> None:
    """Wait for the event, at most `seconds`, and reset it."""
    try:
        async with asyncio.timeout(seconds):
            await changed.wait()
    except TimeoutError:
        return
    changed.clear()


def finished(_version: int, state: State) -> bool:
    return state.finished
