"""From a stored array to its response: the block, the format, the entity tag, the range of bytes."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from anyio.to_thread import run_sync
from fastapi import Depends, Header, Query, Request
from starlette.responses import Response

from api.byte_ranges import byte_range
from api.formats import Format, choose
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
class _Fetching:
    """What a client wants of an array, and the services to fetch it with."""

    services: Services
    request: Request
    rows: str | None
    cols: str | None
    accept: str | None
    if_none_match: str | None
    byte_range: str | None
    if_range: str | None

    async def response(self, find: Finder) -> Response:
        """The array that `find` finds: 200, 206, 304, or for HEAD the same without a body."""
        block, content, settled = await run_sync(self._look, find)
        form, media_type = choose(self.accept, block)
        etag = _etag(content, block, form)
        headers = {"ETag": etag, "Vary": "Accept", "Cache-Control": FOREVER if settled else "no-cache"}
        if self.if_none_match is not None and _matches(self.if_none_match, etag):
            return Response(status_code=304, headers=headers)
        body = await self.services.threads.read(lambda: form.body(block))
        headers |= {
            "Content-Type": media_type,
            "Content-Disposition": f'attachment; filename="{block.name}{form.suffix}"',
            "Accept-Ranges": "bytes" if body.ranges else "none",
        }
        span = byte_range(self.byte_range, self.if_range, etag, body.length) if body.ranges else None
        status = 200 if span is None else 206
        start, stop = span or (0, body.length)
        if span is not None:
            headers["Content-Range"] = f"bytes {start}-{stop - 1}/{body.length}"
        if self.request.method == "HEAD":
            return Response(status_code=status, headers=headers | {"Content-Length": str(stop - start)})
        return ArrayResponse(self.services, body, (start, stop), status, headers, form.name)

    def _look(self, find: Finder) -> tuple[View, str, bool]:
        """The block, the digest of the array's content, and whether that will stay."""
        with self.services.database.read() as read:
            found = find(read)
            block = view(self.services.database, found.stored, self.rows, self.cols)
            if found.unfinished is not None and not arrays.complete(read, found.stored, block.rows, block.cols):
                raise found.unfinished()
            return block, arrays.content_digest(read, found.stored), found.unfinished is None


def _etag(content: str, block: View, form: Format) -> str:
    """Strong: of equal tags the bytes are equal."""
    parts = (content, block.name, block.rows.start, block.rows.stop, block.cols.start, block.cols.stop, form.name)
    return f'"{hashlib.sha256(repr(parts).encode()).hexdigest()[:32]}"'


def _matches(if_none_match: str, etag: str) -> bool:
    tags = [tag.strip().removeprefix("W/") for tag in if_none_match.split(",")]
    return etag in tags or "*" in tags


def _fetching(
    services: Here,
    request: Request,
    rows: Annotated[str | None, Query(description="rows a:b, the end not included", examples=["0:100"])] = None,
    cols: Annotated[str | None, Query(description="columns c:d of a matrix", examples=["0:100"])] = None,
    accept: Annotated[str | None, Header(description="media type; application/x-npy unless you say")] = None,
    if_none_match: Annotated[str | None, Header(description="entity tag that the client has")] = None,
    byte_range: Annotated[str | None, Header(alias="Range", description="bytes=a-b, of npy and safetensors")] = None,
    if_range: Annotated[str | None, Header(description="entity tag that the Range is meant for")] = None,
) -> _Fetching:
    return _Fetching(services, request, rows, cols, accept, if_none_match, byte_range, if_range)


Fetching = Annotated[_Fetching, Depends(_fetching)]
"""The parameter of an endpoint that answers with an array."""
