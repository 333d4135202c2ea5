"""Waking who waits for a job: one connection of the process listens, however many clients wait."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

import structlog

from storage.listening import ListeningLost, changed_jobs

RECONNECT_SECONDS = 1.0
log = structlog.get_logger()


class Changes:
    """Passes PostgreSQL's notifications on to the waiting requests of this process."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._waiting: dict[UUID, set[asyncio.Event]] = {}

    async def run(self) -> None:
        """Listen for ever; while the connection is lost, those who wait look for themselves now and then."""
        while True:
            try:
                async for job in changed_jobs(self._url):
                    self._wake(job)
            except ListeningLost as error:
                log.warning("listening.lost", error=str(error))
            await asyncio.sleep(RECONNECT_SECONDS)

    @contextmanager
    def watch(self, job: UUID) -> Iterator[asyncio.Event]:
        """An event that is set when the job changes; watch first and look at the row after, and no change is missed."""
        event = asyncio.Event()
        self._waiting.setdefault(job, set()).add(event)
        try:
            yield event
        finally:
            self._waiting[job].discard(event)
            if not self._waiting[job]:
                del self._waiting[job]

    def _wake(self, job: UUID) -> None:
        for event in self._waiting.get(job, ()):
            event.set()
