"""Reading a request's body by hand, where one path takes several media types."""

import json
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO

from anyio.to_thread import run_sync
from fastapi import Request
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException

from contracts.problems import INVALID_REQUEST, MALFORMED_JSON, UNREADABLE_UPLOAD

# The small fields of a form: `labels` and `name`.
MOST_FIELDS, MOST_FIELD_BYTES = 8, 2**16
WRITE_BYTES = 2**20
UNREADABLE_FORM = 400


@dataclass(frozen=True)
class Upload:
    """A file as it was received, from its first byte, and the fields that came with it."""

    file: BinaryIO
    filename: str
    fields: dict[str, Any]


async def json_of(request: Request) -> Any:
    """The body as JSON; raises a malformed-json problem."""
    try:
        return json.loads(await request.body())
    except json.JSONDecodeError as error:
        raise MALFORMED_JSON.error(f"The body is not JSON: {error.msg} at character {error.pos}.") from error
    except (ValueError, RecursionError) as error:
        raise MALFORMED_JSON.error("The body is not JSON that can be read.") from error


def file_of(request: Request, media_type: str, names: Mapping[str, str]) -> AbstractAsyncContextManager[Upload] | None:
    """The file in a form, or the body as a file of the name that its media type stands for; None if it is neither."""
    if media_type == "multipart/form-data":
        return _in_form(request)
    return _as_body(request, names[media_type]) if media_type in names else None


@asynccontextmanager
async def _in_form(request: Request) -> AsyncIterator[Upload]:
    """The file of a multipart form; its temporary file is gone afterwards."""
    try:
        form = await request.form(max_files=1, max_fields=MOST_FIELDS, max_part_size=MOST_FIELD_BYTES)
    except HTTPException as error:
        if error.status_code != UNREADABLE_FORM:
            raise
        raise UNREADABLE_UPLOAD.error(f"The form cannot be read: {error.detail}", "/file") from error
    try:
        yield _upload(form)
    finally:
        await form.close()


def _upload(form: FormData) -> Upload:
    file = form.get("file")
    if not isinstance(file, UploadFile):
        raise INVALID_REQUEST.error("The form needs a file in its field `file`, such as file=@x.npy.", "/file")
    fields = {name: value for name, value in form.multi_items() if name != "file"}
    return Upload(file.file, file.filename or "", fields)


@asynccontextmanager
async def _as_body(request: Request, filename: str) -> AsyncIterator[Upload]:
    """The body itself as a file, in a temporary one without a name; the fields are the query's."""
    with tempfile.TemporaryFile() as file:
        waiting = bytearray()
        async for chunk in request.stream():
            waiting += chunk
            if len(waiting) >= WRITE_BYTES:
                await run_sync(file.write, waiting)
                waiting = bytearray()
        await run_sync(file.write, waiting)
        yield Upload(file, filename, dict(request.query_params))
