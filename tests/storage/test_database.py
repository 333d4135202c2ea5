"""What a connection does when its process or its server does not answer."""

import pytest

from storage import database as connections
from storage.database import Database, DatabaseError
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
