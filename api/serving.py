"""From a stored array to its response: the block, the format, the entity tag, the range of bytes."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Annotated

from anyio.to_thread import run_sync
from fastapi import Depends, Header, Query, Request
from starlette.responses import Response

from api.byte_ranges import byte_range
from api.formats import Body, Format, choose
from api.services import Here, Services
from api.streaming import ArrayResponse
from api.views import View, view
from storage import arrays
from storage.arrays import Stored
from storage.database import Read

FOREVER = "private, max-age=31536000, immutable"


@dataclass(frozen=True)
class Found:
    """A stored array; `unfinished` makes the problem of a block whose tiles are not all there, None if all are."""

    stored: Stored
    unfinished: Callable[[], Exception] | None = None


Finder = Callable[[Read], Found]


@dataclass(frozen=True)
class Content:
    """What is sent: its entity tag, whether that will stay, and how its body is made."""

    etag: str
    settled: bool
    make: Callable[[], Body]
    media_type: str
    filename: str
    label: str
    """Under which it is counted."""
    vary: str | None = None


@dataclass(frozen=True)
class _Delivery:
    """A client that asks for a file or for bytes of it, and may have it already."""

    services: Services
    request: Request
    if_none_match: str | None
    byte_range: str | None
    if_range: str | None

    async def response(self, content: Content) -> Response:
        """The content: 200, 206, 304, or for HEAD the same without a body."""
        etag = content.etag
        headers = {"ETag": etag, "Cache-Control": FOREVER if content.settled else "no-cache"}
        headers |= {} if content.vary is None else {"Vary": content.vary}
        if self.if_none_match is not None and _matches(self.if_none_match, etag):
            return Response(status_code=304, headers=headers)
        body = await self.services.threads.read(content.make)
        headers |= {
            "Content-Type": content.media_type,
            "Content-Disposition": f'attachment; filename="{content.filename}"',
            "Accept-Ranges": "bytes" if body.ranges else "none",
        }
        span = byte_range(self.byte_range, self.if_range, etag, body.length) if body.ranges else None
        status = 200 if span is None else 206
        start, stop = span or (0, body.length)
        if span is not None:
            headers["Content-Range"] = f"bytes {start}-{stop - 1}/{body.length}"
        if self.request.method == "HEAD":
            return Response(status_code=status, headers=headers | {"Content-Length": str(stop - start)})
        return ArrayResponse(self.services, body, (start, stop), status, headers, content.label)


def _delivery(
    services: Here,
    request: Request,
    if_none_match: Annotated[str | None, Header(description="entity tag that the client has")] = None,
    byte_range: Annotated[str | None, Header(alias="Range", description="bytes=a-b, of npy and safetensors")] = None,
    if_range: Annotated[str | None, Header(description="entity tag that the Range is meant for")] = None,
) -> _Delivery:
    return _Delivery(services, request, if_none_match, byte_range, if_range)


Delivery = Annotated[_Delivery, Depends(_delivery)]
"""The parameter of an endpoint that answers with a file."""


@dataclass(frozen=True)
class _Fetching:
    """What a client wants of an array, and how it takes it."""

    delivery: _Delivery
    rows: str | None
    cols: str | None
    accept: str | None

    async def response(self, find: Finder) -> Response:
        """The array that `find` finds."""
        block, content, settled = await run_sync(self._look, find)
        form, media_type = choose(self.accept, block)
        filename = block.name + form.suffix
        etag, make = _etag(content, block, form), partial(form.body, block)
        return await self.delivery.response(Content(etag, settled, make, media_type, filename, form.name, "Accept"))

    def _look(self, find: Finder) -> tuple[View, str, bool]:
        """The block, the digest of the array's content, and whether that will stay."""
        database = self.delivery.services.database
        with database.read() as read:
            found = find(read)
            block = view(database, found.stored, self.rows, self.cols)
            if found.unfinished is not None and not arrays.complete(read, found.stored, block.rows, block.cols):
                raise found.unfinished()
            return block, arrays.content_digest(read, found.stored), found.unfinished is None


def _etag(content: str, block: View, form: Format) -> str:
    """Strong: of equal tags the bytes are equal."""
    parts = (content, block.name, block.rows.start, block.rows.stop, block.cols.start, block.cols.stop, form.name)
    return entity_tag(repr(parts).encode())


def entity_tag(content: bytes) -> str:
    """A strong entity tag, from what stands for all of the content."""
    return f'"{hashlib.sha256(content).hexdigest()[:32]}"'


def _matches(if_none_match: str, etag: str) -> bool:
    tags = [tag.strip().removeprefix("W/") for tag in if_none_match.split(",")]
    return etag in tags or "*" in tags


def _fetching(
    delivery: Delivery,
    rows: Annotated[str | None, Query(description="rows a:b, the end not included", examples=["0:100"])] = None,
    cols: Annotated[str | None, Query(description="columns c:d of a matrix", examples=["0:100"])] = None,
    accept: Annotated[str | None, Header(description="media type; application/x-npy unless you say")] = None,
) -> _Fetching:
    return _Fetching(delivery, rows, cols, accept)


Fetching = Annotated[_Fetching, Depends(_fetching)]
"""The parameter of an endpoint that answers with an array."""
