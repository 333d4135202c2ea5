"""Keyset cursors: the creation time and id of the last row a client has seen."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import datetime

from contracts.problems import INVALID_REQUEST


def cursor_of(at: datetime, id: object) -> str:  # noqa: A002
    """The cursor of the rows that come after (at, id) in falling order."""
    return urlsafe_b64encode(f"{at.isoformat()} {id}".encode()).decode()


def position(cursor: str | None) -> tuple[datetime | None, str | None]:
    """What `cursor_of` was given; raises an invalid-request problem for a cursor that it did not make."""
    if cursor is None:
        return None, None
    try:
        at, id_ = urlsafe_b64decode(cursor.encode()).decode().split(" ")
        if not id_.isprintable():
            raise ValueError(id_)  # PostgreSQL's text has no NUL
        return datetime.fromisoformat(at), id_
    except ValueError as error:
        raise INVALID_REQUEST.error("This cursor is not one that a page gave.", "cursor") from error
