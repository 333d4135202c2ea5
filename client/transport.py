"""HTTP as values, and the two ways to carry it: blocking or on asyncio's loop.

All of the client's logic is written once, as coroutines over a `Transport`. The blocking transport never suspends, so
that `client.blocking.run` can drive such a coroutine to its end without an event loop.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Protocol

import httpx


@dataclass(frozen=True)
class Upload:
    """A file to send: its name, and its content, seekable so that it can be sent again."""

    name: str
    content: BinaryIO


@dataclass(frozen=True)
class Request:
    """One HTTP request; `wait` is how many seconds longer than usual its answer may take."""

    method: str
    path: str
    params: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes | None = None
    form: Mapping[str, str] = field(default_factory=dict)
    file: Upload | None = None
    wait: float = 0.0


@dataclass(frozen=True)
class Exchange:
    """An answer whose body is still to be read."""

    status: int
    headers: Mapping[str, str]
    chunks: AsyncIterator[bytes]

    async def read(self) -> bytes:
        """The whole body."""
        return b"".join([chunk async for chunk in self.chunks])


class Transport(Protocol):
    """Sends requests and sleeps; raises httpx.TransportError where the connection fails."""

    def open(self, request: Request) -> AbstractAsyncContextManager[Exchange]: ...

    async def sleep(self, seconds: float) -> None: ...

    async def close(self) -> None: ...


class BlockingTransport:
    """Blocks the thread where the other transport would suspend."""

    def __init__(self, url: str, timeout: float) -> None:
        self._http = httpx.Client(base_url=url)
        self._timeout = timeout

    @asynccontextmanager
    async def open(self, request: Request) -> AsyncIterator[Exchange]:
        with self._http.stream(**_arguments(request, self._timeout)) as response:
            yield Exchange(response.status_code, response.headers, _each(response.iter_bytes()))

    async def sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    async def close(self) -> None:
        self._http.close()


class AsyncTransport:
    """Suspends on asyncio's loop."""

    def __init__(self, url: str, timeout: float) -> None:
        self._http = httpx.AsyncClient(base_url=url)
        self._timeout = timeout

    @asynccontextmanager
    async def open(self, request: Request) -> AsyncIterator[Exchange]:
        async with self._http.stream(**_arguments(request, self._timeout)) as response:
            yield Exchange(response.status_code, response.headers, response.aiter_bytes())

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def close(self) -> None:
        await self._http.aclose()


async def _each(chunks: Iterable[bytes]) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


def _arguments(request: Request, timeout: float) -> dict[str, Any]:
    """The request in httpx's words."""
    file = request.file
    return {
        "method": request.method,
        "url": request.path,
        "params": dict(request.params),
        "headers": dict(request.headers),
        "content": request.content,
        "data": dict(request.form),
        "files": None if file is None else {"file": (file.name, file.content, "application/octet-stream")},
        "timeout": httpx.Timeout(timeout, read=timeout + request.wait),
    }
