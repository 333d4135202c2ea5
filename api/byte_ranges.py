"""The Range and If-Range headers (RFC 9110, 14.2 and 13.1.5), for a single range of bytes."""

import re

from api.problems import RefusedError
from contracts.problems import RANGE_NOT_SATISFIABLE

ONE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII)


def byte_range(header: str | None, if_range: str | None, etag: str, length: int) -> tuple[int, int] | None:
    """The bytes [start, stop) that are asked for; None for all of them.

    A header that is not understood, several ranges, or an If-Range that names another content mean all. Raises a
    range-not-satisfiable problem for bytes beyond the end.
    """
    found = ONE.fullmatch((header or "").replace(" ", ""))
    if found is None or not (found[1] or found[2]) or if_range not in (None, etag):
        return None
    if found[1]:
        start, stop = int(found[1]), min(int(found[2]) + 1 if found[2] else length, length)
        if found[2] and int(found[2]) < start:
            return None
    else:
        start, stop = max(length - int(found[2]), 0), length
    if start >= stop:
        error = RANGE_NOT_SATISFIABLE.error(f"The array has {length:,} bytes; {header} lies beyond them.", "Range")
        raise RefusedError(error, {"Content-Range": f"bytes */{length}"})
    return start, stop
