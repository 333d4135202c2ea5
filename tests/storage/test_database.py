"""What a connection does when its process or its server does not answer."""

import pytest
from sqlalchemy import text

from storage import database as connections
from storage.database import Database, DatabaseError, Unavailable, copying
from storage.jobs import statements, transitions
from tests.storage.conftest import Submit


def test_who_freezes_inside_a_transaction_does_not_hold_the_others(
    empty: Database, submit_kernel: Submit, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = submit_kernel(10)
    monkeypatch.setattr(connections, "IDLE_SECONDS", 1)
    frozen = Database(empty.url)
    with pytest.raises(DatabaseError), frozen.begin() as write:
        write.execute(statements.LOCK, {"job": job})
        claim = transitions.claim(empty, "w", "cpu", 60.0)
        assert claim is not None
        transitions.finish(write, claim.lease)
    frozen.dispose()


COPY = "COPY piece (array_id, row, col, index, data) FROM STDIN"
OTHERS = text("""
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()""")


def test_a_copy_that_fails_says_so_as_a_statement_does_and_leaves_nothing(empty: Database) -> None:
    with pytest.raises(DatabaseError) as said, empty.begin() as write, copying(write, COPY) as copy:
        copy.write_row((1, 2, 3, "no number", b""))
    assert not isinstance(said.value, Unavailable)
    with pytest.raises(ZeroDivisionError), empty.begin() as write, copying(write, COPY) as copy:
        copy.write_row((1, 2, 3, 4, b"0"))
        raise ZeroDivisionError
    with empty.read() as read:
        assert read.execute(text("SELECT count(*) FROM piece")).scalar_one() == 0


def test_a_server_that_goes_during_a_copy_is_unavailable(empty: Database) -> None:
    own = Database(empty.url)
    with pytest.raises(Unavailable), own.begin() as write, copying(write, COPY) as copy:
        copy.write_row((1, 2, 3, 4, b"0"))
        with empty.begin() as other:
            other.execute(OTHERS)
    with own.read() as read:
        assert read.execute(text("SELECT count(*) FROM piece")).scalar_one() == 0
    own.dispose()
