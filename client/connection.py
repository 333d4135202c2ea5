"""What every call of the client stands on: where the service is, a session with it, and its answers as objects."""

import os
from types import TracebackType
from typing import Self

from client.answers import parsed
from client.jobs import AsyncJobHandle
from client.requests import get_page
from client.results import AsyncDataset
from client.session import Session
from client.transport import AsyncTransport, Request, Transport
from contracts.jobs import DatasetInfo, Job

DEFAULT_URL = "http://127.0.0.1:8000"


class AsyncConnection:
    """A session with one service, closed at the end of its `async with` block."""

    def __init__(self, url: str | None = None, *, timeout: float = 30.0, patience: float = 15.0) -> None:
        self.url = _service_url(url)
        self._session = Session(self._transport(timeout), self.url, patience)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.url!r})"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()

    def _transport(self, timeout: float) -> Transport:
        return AsyncTransport(self.url, timeout)

    async def _dataset(self, request: Request) -> AsyncDataset:
        reply = await self._session.call(request)
        return AsyncDataset(self._session, parsed(DatasetInfo, reply.body))

    async def _job(self, request: Request) -> AsyncJobHandle:
        reply = await self._session.call(request)
        return AsyncJobHandle(self._session, parsed(Job, reply.body), reply.headers.get("etag"))

    async def _page(self, path: str, cursor: str | None, **filters: str | None) -> bytes:
        return (await self._session.call(get_page(path, cursor, **filters))).body


def _service_url(url: str | None) -> str:
    given = url or os.environ.get("NTKD_URL") or DEFAULT_URL
    if not given.startswith(("http://", "https://")):
        raise ValueError(f"the service's address must begin with http:// or https://, not {given!r}")
    return given.rstrip("/")
