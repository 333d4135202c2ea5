"""Parts that wait for others of their job."""

from typing import ClassVar
from uuid import UUID

import numpy as np
import pytest
from sqlalchemy import text

from contracts.jobs import State
from contracts.kinds import Spec
from contracts.plan import ArrayPlan, PartPlan, Plan, References
from contracts.settings import Settings
from storage import arrays
from storage.arrays import Dropped, TileData
from storage.database import Database
from storage.jobs import queries, transitions
from storage.jobs.submission import submit
from storage.jobs.transitions import Claim, Finished, LeaseLostError
from tests.storage.conftest import LIMITS
from tests.storage.invariants import broken


class Knot(Spec):
    """Two parts, a third after both, a fourth after the third."""

    kind: ClassVar[str] = "knot"

    def plan(self, references: References, limits: Settings) -> Plan:
        parts = tuple(PartPlan({"number": n}, 1, after) for n, after in enumerate([(), (), (0, 1), (2,)]))
        return Plan((ArrayPlan("state", (1, 3), "float64", 1, 3),), parts, "steps", 1.0, 1)


@pytest.fixture
def job(empty: Database) -> UUID:
    with empty.begin() as write:
        return submit(write, Knot(), LIMITS, "test")[0]


def take(database: Database) -> Claim | None:
    found = transitions.claim(database, "w", "cpu", 60.0)
    assert broken(database) == []
    return found


def finish(database: Database, claim: Claim, value: float) -> Finished:
    """With a checkpoint."""
    with database.begin() as write:
        stored = arrays.of_job(write, claim.lease.job)
        arrays.write_tiles(write, stored, [TileData("state", 0, 0, np.full((1, 3), value), latest=True)])
        finished = transitions.finish(write, claim.lease)
    assert broken(database) == []
    return finished


def test_a_part_opens_when_all_are_done_that_it_needs(empty: Database, job: UUID) -> None:
    first, second = take(empty), take(empty)
    assert first is not None
    assert second is not None
    assert take(empty) is None
    assert finish(empty, second, 1.0) == (State.RUNNING, 0)
    assert take(empty) is None
    assert finish(empty, first, 2.0) == (State.RUNNING, 1)
    third = take(empty)
    assert third is not None
    assert third.part_spec == {"number": 2}
    assert take(empty) is None
    # Given back and taken again, it is still the one that the last waits for.
    with empty.begin() as write:
        transitions.release(write, third.lease)
    third = take(empty)
    assert third is not None
    assert finish(empty, third, 3.0) == (State.RUNNING, 1)
    fourth = take(empty)
    assert fourth is not None
    assert finish(empty, fourth, 4.0) == (State.SUCCEEDED, 0)


def test_a_checkpoint_is_the_last_that_was_committed(empty: Database, job: UUID) -> None:
    first = take(empty)
    assert first is not None
    finish(empty, first, 1.0)
    second = take(empty)
    assert second is not None
    with empty.begin() as write:
        transitions.release(write, second.lease)
    with pytest.raises(LeaseLostError):
        finish(empty, second, 2.0)
    with empty.read() as read:
        stored = arrays.of_job(read, job)["state"]
    np.testing.assert_array_equal(arrays.block(empty, stored, slice(0, 1)), np.full((1, 3), 1.0))
    again = take(empty)
    assert again is not None
    finish(empty, again, 2.0)
    np.testing.assert_array_equal(arrays.block(empty, stored, slice(0, 1)), np.full((1, 3), 2.0))


def test_waiting_parts_end_with_their_job(empty: Database, job: UUID) -> None:
    assert take(empty) is not None
    with empty.begin() as write:
        assert transitions.cancel(write, job)
    assert broken(empty) == []
    assert take(empty) is None


def test_a_part_may_be_the_last_before_its_turn(empty: Database, job: UUID) -> None:
    """As where an iteration ends sooner than planned: what others would do counts as done."""
    first, second = take(empty), take(empty)
    assert first is not None
    assert second is not None

    def end(claim: Claim) -> Finished:
        with empty.begin() as write:
            stored = arrays.of_job(write, job)
            arrays.write_tiles(write, stored, [TileData("state", 0, 0, np.full((1, 3), 1.0), latest=True)])
            finished = transitions.finish(write, claim.lease, last=True)
        assert broken(empty) == []
        return finished

    assert end(first) == (State.SUCCEEDED, 0)
    assert take(empty) is None
    with empty.read() as read:
        found = queries.get(read, job)
    assert found is not None
    assert (found.progress.done, found.progress.total) == (4, 4)
    for claim in (first, second):
        with pytest.raises(LeaseLostError):
            end(claim)


def test_a_dropped_array_leaves_nothing(empty: Database, job: UUID) -> None:
    claim = take(empty)
    assert claim is not None
    finish(empty, claim, 1.0)
    with empty.begin() as write:
        stored = arrays.of_job(write, job)
        arrays.drop(write, stored, [Dropped("state")])
    with empty.read() as read:
        assert arrays.of_job(read, job) == {}
        left = text("SELECT (SELECT count(*) FROM tile), (SELECT count(*) FROM piece)")
        assert tuple(read.execute(left).one()) == (0, 0)
