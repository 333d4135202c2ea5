"""Reading an uploaded file: refused with the reason, or checked and ready to be stored."""

from contextlib import ExitStack
from pathlib import PurePath
from typing import BinaryIO

from contracts.problems import INVALID_REQUEST, PAYLOAD_TOO_LARGE
from datasets.content import Content, content_id
from datasets.labels import Encoding, EncodingModel
from datasets.uploads.encode import encode
from datasets.uploads.formats import HEAD, Format, recognise
from datasets.uploads.refusals import FILE, Budget, unreadable
from datasets.uploads.spool import Spool


def read_upload(file: BinaryIO, filename: str, *, labels: Encoding = None, limit: int) -> Content:
    """The dataset in a .npy, .npz, .csv or IDX(.gz) file.

    file: seekable, from its first byte; it is read to the end, never unpickled, and not closed.
    labels: how to encode the file's y, where y is one column of class labels.
    limit: largest size in bytes of the file, and of x and y together as they are stored.

    Memory stays at a few row blocks whatever the size; the rows wait in unnamed temporary files that go when the result
    is closed. Raises ProblemError: PAYLOAD_TOO_LARGE, UNREADABLE_UPLOAD (pointer /file, or /file/x for a member),
    INVALID_REQUEST (/labels). Nothing is kept then.
    """
    size, form = _opened(file, filename, limit)
    budget = Budget(limit)
    with ExitStack() as stack:
        x, y = stack.enter_context(Spool()), stack.enter_context(Spool())
        form.read(file, size, x, y, budget)
        _require_pairs(x, y)
        if labels is not None:
            y = _encoded(y, labels, stack.enter_context(Spool()), budget)
        content = _content(x, y, f"upload: {_printable(filename)} ({form.name})")
        stack.pop_all()
    return content


def _opened(file: BinaryIO, filename: str, limit: int) -> tuple[int, Format]:
    size = file.seek(0, 2)
    if size > limit:
        raise PAYLOAD_TOO_LARGE.error(f"the file has {size:,} bytes, and this service takes {limit:,}", FILE)
    if size == 0:
        raise unreadable("the file is empty")
    file.seek(0)
    head = file.read(HEAD)
    file.seek(0)
    return size, recognise(head, filename)


def _require_pairs(x: Spool, y: Spool) -> None:
    if len(y) and len(x) != len(y):
        raise unreadable(f"y holds {len(y):,} rows, and x {len(x):,}", "/file/y")


def _encoded(y: Spool, labels: EncodingModel, into: Spool, budget: Budget) -> Spool:
    if not len(y):
        raise INVALID_REQUEST.error("there are no labels to encode: the file holds no y", "/labels")
    encode(y.rows(), labels, into, budget)
    y.close()
    return into


def _content(x: Spool, y: Spool, provenance: str) -> Content:
    targets = y if len(y) else None
    identity = content_id(x.describe(), None if targets is None else targets.describe())
    return Content(identity, x.rows(), None if targets is None else targets.rows(), provenance)


def _printable(filename: str) -> str:
    name = PurePath(filename.replace("\\", "/")).name[:100]
    return "".join(letter if letter.isprintable() else "?" for letter in name) or "a file"
