"""Connections: transactions that write, transactions that only read, and binary results."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NewType

import psycopg
from psycopg import Copy
from psycopg.pq import Format
from sqlalchemy import Connection, create_engine, event
from sqlalchemy.exc import DBAPIError, OperationalError

# A function that writes asks for `Write`, so it cannot be given a transaction that only reads.
Write = NewType("Write", Connection)
Read = Connection

# A process that is frozen or cut off inside a transaction would hold a job's lock, and with it everybody, for ever.
IDLE_SECONDS = 60
# How a connection learns that its server has gone without a word.
ALIVE = {"keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3, "tcp_user_timeout": 60_000}

Unavailable = OperationalError
DatabaseError = DBAPIError


class BinaryCursor(psycopg.Cursor[tuple[object, ...]]):
    """Results in PostgreSQL's binary format: a tile as bytes and not as hexadecimal text, three times as fast."""

    def __init__(self, connection: psycopg.Connection[tuple[object, ...]], **options: object) -> None:
        super().__init__(connection, **options)
        self.format = Format.BINARY


def _bound_idleness(connection: psycopg.Connection[tuple[object, ...]], _record: object) -> None:
    """A statement and no start-up option, which connection poolers refuse."""
    connection.execute(f"SET idle_in_transaction_session_timeout = '{IDLE_SECONDS}s'")
    connection.commit()


@contextmanager
def copying(connection: Connection, statement: str, parameters: Mapping[str, Any] | None = None) -> Iterator[Copy]:
    """A COPY in the connection's transaction. SQLAlchemy has no word for it; its errors are SQLAlchemy's."""
    driver: psycopg.Connection[Any] | None = connection.connection.driver_connection
    assert driver is not None
    try:
        with driver.cursor() as cursor, cursor.copy(statement, parameters) as copy:
            yield copy
    except psycopg.Error as error:
        if driver.closed:
            connection.invalidate(error)
        raise DBAPIError.instance(statement, None, error, psycopg.Error, hide_parameters=True) from error


class Database:
    """A pool of connections to one PostgreSQL database."""

    def __init__(self, url: str, *, pool_size: int = 10) -> None:
        self.url = url
        self._engine = create_engine(
            url,
            pool_size=pool_size,
            max_overflow=pool_size,
            pool_timeout=10,
            pool_pre_ping=True,
            hide_parameters=True,  # tiles, in a log
            connect_args={"cursor_factory": BinaryCursor, "connect_timeout": 5, "application_name": "ntkd", **ALIVE},
        )
        event.listen(self._engine, "connect", _bound_idleness)

    @contextmanager
    def begin(self) -> Iterator[Write]:
        """A transaction that commits when the block ends and rolls back when it raises."""
        with self._engine.begin() as connection:
            yield Write(connection)

    @contextmanager
    def read(self) -> Iterator[Read]:
        """A read-only transaction."""
        with self._engine.connect() as connection:
            yield connection.execution_options(postgresql_readonly=True)

    def dispose(self) -> None:
        """Close every pooled connection."""
        self._engine.dispose()
