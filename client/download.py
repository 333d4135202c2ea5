"""Downloads that go on where a dropped connection left them."""

import os
import tempfile
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from client.errors import TransferError
from client.npy import NpyDecoder
from client.session import PASSING, Session
from client.transport import Exchange, Request

Array = NDArray[Any]
Transferred = Callable[[int, int | None], object]
"""Called with the number of bytes that have come and, where it is known, of all."""


async def fetch(session: Session, request: Request, progress: Transferred | None = None) -> NDArray[Any]:
    """The .npy that `request` asks for, as an array. Memory: the array and one network buffer."""
    decoder = NpyDecoder()
    async with aclosing(Download(session, request, progress).pieces()) as pieces:
        async for piece in pieces:
            decoder.feed(piece)
    return decoder.array()


async def save(
    session: Session, request: Request, path: str | os.PathLike[str], progress: Transferred | None = None
) -> Path:
    """What `request` asks for as a file at `path`, which appears when it is whole. Memory: one network buffer."""
    target = Path(path)
    # Beside its target, so that it can be renamed, and with the rights that the user's files have.
    with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as folder:
        part = Path(folder) / target.name
        with part.open("wb") as file:
            async with aclosing(Download(session, request, progress).pieces()) as pieces:
                async for piece in pieces:
                    file.write(piece)
        return part.replace(target)


class Download:
    """The bytes of one answer, over as many connections as it takes; after a drop the rest is asked for as a range."""

    def __init__(self, session: Session, request: Request, progress: Transferred | None = None) -> None:
        self._session, self._request, self._progress = session, request, progress
        self._position = 0
        self._tag: str | None = None
        self._size: int | None = None

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        """Every byte once, in order. Raises TransferError where the content changed meanwhile."""
        attempts = self._session.attempts()
        while True:
            try:
                async with self._session.open(self._rest()) as exchange:
                    skip = self._begin(exchange)
                    async for piece in exchange.chunks:
                        fresh, skip = piece[skip:], max(0, skip - len(piece))
                        if fresh:
                            attempts.progressed()
                            self._advance(len(fresh))
                            yield fresh
                return
            except PASSING as error:
                await attempts.failed(error)

    def _rest(self) -> Request:
        """The request for what is missing; If-Range makes the server send all of it where the content is another."""
        if self._position == 0 or self._tag is None:
            return self._request
        wanted = {"Range": f"bytes={self._position}-", "If-Range": self._tag}
        return replace(self._request, headers={**self._request.headers, **wanted})

    def _begin(self, exchange: Exchange) -> int:
        """How many bytes of this answer are there already."""
        tag = exchange.headers.get("etag")
        if self._position == 0:
            self._tag, self._size = tag, _length(exchange.headers)
            return 0
        if exchange.status == 206 and _start(exchange.headers) == self._position:
            return 0
        if exchange.status == 200 and tag == self._tag and tag is not None:
            return self._position
        raise TransferError("the array changed while it was fetched")

    def _advance(self, count: int) -> None:
        self._position += count
        if self._progress is not None:
            self._progress(self._position, self._size)


def _length(headers: Mapping[str, str]) -> int | None:
    text = headers.get("content-length", "")
    return int(text) if text.isdigit() else None


def _start(headers: Mapping[str, str]) -> int | None:
    """The first byte of a partial answer: Content-Range is `bytes FIRST-LAST/SIZE`."""
    first = headers.get("content-range", "").removeprefix("bytes ").partition("-")[0]
    return int(first) if first.isdigit() else None
