"""Sending an array: panel by panel, in a bounded number of downloads, with the length known from the start."""

from collections.abc import AsyncIterator, Mapping

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from api.formats import Body, Chunk
from api.services import Services

# The socket takes slices of a panel without a copy of all of it.
SLICE = 2**20
# What fits into a few tiles does not wait behind large downloads.
SMALL = 4 * 2**20


class ArrayResponse(StreamingResponse):
    """Bytes [start, stop) of a body; read in threads, one row panel in memory at a time."""

    def __init__(
        self, services: Services, body: Body, span: tuple[int, int], status: int, headers: Mapping[str, str], label: str
    ) -> None:
        self._services, self._label = services, label
        self._iterator = body.chunks(*span)
        self._size = span[1] - span[0]
        super().__init__(self._slices(), status, {**headers, "Content-Length": str(self._size)})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._size <= SMALL:
            return await super().__call__(scope, receive, send)
        async with self._services.downloads:
            return await super().__call__(scope, receive, send)

    async def stream_response(self, send: Send) -> None:
        """As the parent does, but the first panel is read before the status is sent: its failure can still be said."""
        self._first = await self._next()
        await super().stream_response(send)

    async def _slices(self) -> AsyncIterator[memoryview]:
        sent = self._services.metrics.streamed.labels(self._label)
        chunk, self._first = self._first, None
        while chunk is not None:
            data = memoryview(chunk)
            for start in range(0, len(data), SLICE):
                yield data[start : start + SLICE]
            sent.inc(len(data))
            # Given back before the next panel is read, so that there is one at a time.
            del data, chunk
            chunk = await self._next()

    async def _next(self) -> Chunk | None:
        return await self._services.threads.read(lambda: next(self._iterator, None))
