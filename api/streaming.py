"""Sending an array: panel by panel, in a bounded number of downloads, with the length known from the start."""

import asyncio
from collections.abc import Mapping

from starlette.requests import ClientDisconnect
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from api.formats import Body, Chunk
from api.services import Services

# The socket takes slices of a panel without a copy of all of it.
SLICE = 2**20
# What fits into a few tiles does not wait behind large downloads.
SMALL = 4 * 2**20
# A client that takes no slice for so long has its connection closed: its place is one of a few. Range goes on later.
STALLED_SECONDS = 30.0
NOTHING = memoryview(b"")


class ArrayResponse(StreamingResponse):
    """Bytes [start, stop) of a body; read in threads, one row panel in memory at a time."""

    def __init__(
        self, services: Services, body: Body, span: tuple[int, int], status: int, headers: Mapping[str, str], label: str
    ) -> None:
        self._services = services
        self._sent = services.metrics.streamed.labels(label)
        self._chunks = body.chunks(*span)
        self._size = span[1] - span[0]
        super().__init__((), status, {**headers, "Content-Length": str(self._size)})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._size <= SMALL:
            return await super().__call__(scope, receive, send)
        async with self._services.downloads:
            return await super().__call__(scope, receive, send)

    async def stream_response(self, send: Send) -> None:
        """The first panel is read before the status is sent, as its failure can still be said then."""
        try:
            chunk = await self._next()
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            while chunk is not None:
                self._panel = memoryview(chunk)
                chunk = None
                await self._send_panel(send)
                # Given back before the next panel is read, so that there is one at a time.
                self._panel = NOTHING
                chunk = await self._next()
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            # When the client has left, the frames of the exception would keep the panel until they are collected.
            self._panel = NOTHING
            self._chunks.close()

    async def _send_panel(self, send: Send) -> None:
        size = len(self._panel)
        for start in range(0, size, SLICE):
            # The last slice may wait in the socket's buffer while the next panel is read: it must not hold this one.
            last = start + SLICE >= size
            await _taken(send, self._slice(start, copied=last))
        self._sent.inc(size)

    def _slice(self, start: int, *, copied: bool) -> bytes | memoryview:
        piece = self._panel[start : start + SLICE]
        return bytes(piece) if copied else piece

    async def _next(self) -> Chunk | None:
        return await self._services.threads.read(lambda: next(self._chunks, None))


async def _taken(send: Send, piece: bytes | memoryview) -> None:
    """Send a slice; raises ClientDisconnect when the client stalls."""
    try:
        async with asyncio.timeout(STALLED_SECONDS):
            await send({"type": "http.response.body", "body": piece, "more_body": True})
    except TimeoutError as error:
        raise ClientDisconnect from error
