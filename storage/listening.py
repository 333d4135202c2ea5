"""Hearing of changes: one connection that listens for the ids of jobs that have moved."""

from collections.abc import AsyncIterator
from uuid import UUID

import psycopg

from storage.jobs.statements import CHANNEL

ListeningLost = psycopg.OperationalError


async def changed_jobs(url: str) -> AsyncIterator[UUID]:
    """Ids of jobs as they change; raises ListeningLost when the connection is lost."""
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        await connection.execute(f"LISTEN {CHANNEL}")
        async for notice in connection.notifies():
            yield UUID(notice.payload)
