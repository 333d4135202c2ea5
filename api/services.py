"""What the endpoints share: made when the application starts, closed when it ends."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from api.bell import Bell
from api.changes import Changes
from api.metrics import Metrics
from api.threads import POOL, Threads
from contracts.settings import Settings
from storage.database import Database

# Downloads beyond this many wait for their turn: each holds a row panel in memory.
MOST_DOWNLOADS = 8


@dataclass(frozen=True)
class Services:
    """The application's resources; one of each in a process."""

    settings: Settings
    database: Database
    bell: Bell
    changes: Changes
    metrics: Metrics
    threads: Threads
    downloads: asyncio.Semaphore


@asynccontextmanager
async def open_services(settings: Settings, metrics: Metrics) -> AsyncIterator[Services]:
    """The services of an application while it runs; needs neither the database nor the broker to be up."""
    database = Database(settings.require_database_url(), pool_size=POOL)
    bell = Bell(settings, metrics.bell_failures)
    changes = Changes(database.url)
    listening = asyncio.create_task(changes.run())
    metrics.watch(database)
    try:
        yield Services(settings, database, bell, changes, metrics, Threads(), asyncio.Semaphore(MOST_DOWNLOADS))
    finally:
        listening.cancel()
        with suppress(asyncio.CancelledError):
            await listening
        bell.close()
        database.dispose()


def _services(request: Request) -> Services:
    services: Services = request.state.services
    return services


Here = Annotated[Services, Depends(_services)]
"""An endpoint's parameter for the services."""
