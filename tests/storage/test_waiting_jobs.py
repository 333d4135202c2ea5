"""Jobs that wait for several others: one move at a time, and many at the same moment."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from threading import Barrier
from uuid import UUID

import numpy as np
import pytest
from sqlalchemy import text

from contracts.jobs import Job, State
from contracts.problems import COMPUTATION_FAILED, ProblemError
from storage import arrays
from storage.arrays import TileData
from storage.database import Database
from storage.jobs import queries, transitions
from storage.jobs.statements import LOCK
from storage.jobs.transitions import Claim
from tests.storage.conftest import needing
from tests.storage.invariants import broken

PROBLEM = COMPUTATION_FAILED.problem("it broke")
ROUNDS = 30


@pytest.fixture
def checked(empty: Database) -> Iterator[Database]:
    """The empty database, whose invariants must hold in the end."""
    yield empty
    assert broken(empty) == []


def take(database: Database) -> Claim | None:
    assert broken(database) == []
    return transitions.claim(database, "w", "cpu", 60.0)


def taken(database: Database, count: int) -> dict[UUID, Claim]:
    """Parts of `count` jobs, by their jobs."""
    claims = [transitions.claim(database, "w", "cpu", 60.0) for _ in range(count)]
    return {claim.lease.job: claim for claim in claims if claim is not None}


def finish(database: Database, claim: Claim) -> None:
    with database.begin() as write:
        tile = TileData("state", 0, 0, np.zeros((1, 1)))
        arrays.write_tiles(write, arrays.of_job(write, claim.lease.job), [tile])
        transitions.finish(write, claim.lease)


def fail(database: Database, claim: Claim) -> None:
    with database.begin() as write:
        transitions.fail(write, claim.lease, PROBLEM, retry=False, max_attempts=1)


def cancel(database: Database, job: UUID) -> None:
    with database.begin() as write:
        transitions.cancel(write, job)


def read(database: Database, job: UUID) -> Job:
    with database.read() as reading:
        found = queries.get(reading, job)
    assert found is not None
    return found


def events(database: Database, job: UUID) -> list[str]:
    with database.read() as reading:
        return [event.type for event in queries.events(reading, job, 0)]


def at_once(*moves: Callable[[], object]) -> list[object]:
    """What the moves give, each made by a thread of its own, at the same moment; a deadlock raises."""
    barrier = Barrier(len(moves))

    def make(move: Callable[[], object]) -> object:
        barrier.wait()
        return move()

    with ThreadPoolExecutor(len(moves)) as pool:
        return list(pool.map(make, moves))


def test_a_job_begins_when_all_are_there_that_it_needs(checked: Database) -> None:
    roots = [needing(checked, number=number) for number in range(3)]
    job = needing(checked, [*roots, roots[0]])
    claims = taken(checked, 4)
    assert list(claims) == roots
    for done, root in enumerate(reversed(roots)):
        seen = read(checked, job)
        assert (seen.version, seen.waits_for) == (1 + done, sorted(roots[: 3 - done]))
        assert take(checked) is None
        finish(checked, claims[root])
    assert events(checked, job) == ["queued", "nearer", "nearer", "ready"]
    claim = take(checked)
    assert claim is not None
    assert (claim.lease.job, read(checked, job).waits_for) == (job, [])


def test_what_has_succeeded_is_not_waited_for(checked: Database) -> None:
    roots = [needing(checked, number=number) for number in range(2)]
    finish(checked, taken(checked, 1)[roots[0]])
    assert read(checked, needing(checked, roots)).waits_for == roots[1:]


@pytest.mark.parametrize("end", ["fail", "cancel"])
def test_a_job_fails_with_any_that_it_waits_for(checked: Database, end: str) -> None:
    """Two ways lead from the one that fails to the last; the other that was needed goes on."""
    first, second = needing(checked, number=0), needing(checked, number=1)
    left, right = needing(checked, [first]), needing(checked, [second, first])
    last = needing(checked, [right, left])
    claims = taken(checked, 2)
    if end == "fail":
        fail(checked, claims[first])
    else:
        cancel(checked, first)
    seen = {job: read(checked, job) for job in (left, right, last)}
    assert {job.state for job in seen.values()} == {State.FAILED}
    assert [job.waits_for for job in seen.values()] == [[], [], []]
    causes = {job: found.error.detail.split()[1] for job, found in seen.items() if found.error is not None}
    assert causes in ({left: f"{first},", right: f"{first},", last: f"{cause},"} for cause in (left, right))
    assert [events(checked, job) for job in seen] == [["queued", "failed"]] * 3
    finish(checked, claims[second])
    assert [events(checked, job) for job in seen] == [["queued", "failed"]] * 3


def test_what_is_waited_for_stays(checked: Database) -> None:
    roots = [needing(checked, number=number) for number in range(2)]
    job = needing(checked, roots)
    finish(checked, taken(checked, 1)[roots[0]])
    with pytest.raises(ProblemError):
        transitions.delete(checked, roots[1])
    assert read(checked, roots[1]).state is State.QUEUED
    transitions.delete(checked, roots[0])
    transitions.delete(checked, job)
    transitions.delete(checked, roots[1])


def test_whoever_waits_is_younger_whatever_the_clock_does(checked: Database) -> None:
    root = needing(checked)
    with checked.begin() as write:
        write.execute(text("UPDATE job SET created_at = clock_timestamp() + interval '1 day'"))
    assert read(checked, needing(checked, [root])).created_at > read(checked, root).created_at


def test_jobs_that_succeed_at_the_same_moment_open_what_needs_them_once(checked: Database) -> None:
    for number in range(ROUNDS):
        roots = [needing(checked, number=3 * number + place) for place in range(3)]
        needs = [needing(checked, roots, other) for other in range(4)]
        at_once(*(partial(finish, checked, claim) for claim in taken(checked, 3).values()))
        assert [events(checked, job) for job in needs] == [["queued", "nearer", "nearer", "ready"]] * 4
        assert list(taken(checked, 5)) == needs


def blocked(database: Database) -> bool:
    """Whether somebody waits for a lock."""
    query = text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    with database.read() as reading:
        return bool(reading.execute(query).scalar_one())


def test_older_jobs_are_locked_first(checked: Database) -> None:
    """Who holds a job may go on to those that wait for it: another who waits for this one has not got further."""
    first = needing(checked)
    left, right = needing(checked, [first], 1), needing(checked, [first], 2)
    last = needing(checked, [left, right])
    with ThreadPoolExecutor(1) as pool:
        with checked.begin() as write:
            write.execute(LOCK, {"job": right})
            other = pool.submit(cancel, checked, first)
            while not blocked(checked):
                assert not other.done()
            transitions.cancel(write, right)
        other.result()
    states = [read(checked, job).state for job in (first, left, right, last)]
    assert states == [State.CANCELLED, State.FAILED, State.CANCELLED, State.FAILED]


def test_jobs_that_end_at_the_same_moment(checked: Database) -> None:
    """Cancelled in the middle of what follows from others: each ends once, and nobody waits for another in a ring."""
    for number in range(ROUNDS):
        first, second = needing(checked, number=2 * number), needing(checked, number=2 * number + 1)
        left = needing(checked, [first])
        right, far = needing(checked, [first, second]), needing(checked, [second, left])
        last = needing(checked, [far, right, left])
        claims = taken(checked, 2)
        ends = [partial(cancel, checked, job) for job in (right, left, far)]
        at_once(partial(fail, checked, claims[first]), partial(finish, checked, claims[second]), *ends)
        assert [len(events(checked, job)) for job in (left, right)] == [2, 2 + ("nearer" in events(checked, right))]
        assert read(checked, second).state is State.SUCCEEDED
        ended = {read(checked, job).state for job in (first, left, right, far, last)}
        assert ended <= {State.FAILED, State.CANCELLED}


def test_submitted_while_others_succeed(checked: Database) -> None:
    """It waits for what has not succeeded by then, and for nothing for ever; nor do two equal ones become two jobs."""
    for number in range(ROUNDS):
        roots = [needing(checked, number=2 * number + place) for place in range(2)]
        moves = [partial(finish, checked, claim) for claim in taken(checked, 2).values()]
        made = at_once(partial(needing, checked, roots), *moves, partial(needing, checked, roots))
        assert made[0] == made[3]
        assert read(checked, UUID(str(made[0]))).waits_for == []
        (claim,) = taken(checked, 1).values()
        assert claim.lease.job == made[0]
        finish(checked, claim)


def test_submitted_while_others_are_cancelled(checked: Database) -> None:
    """Whichever way it names them, it fails with them or is refused."""

    def submitted(others: list[UUID]) -> UUID | None:
        with suppress(ProblemError):
            return needing(checked, others)
        return None

    for number in range(ROUNDS):
        first = needing(checked, number=number)
        second = needing(checked, [first])
        both = partial(submitted, [second, first]), partial(submitted, [first, second])
        for job in at_once(*both, partial(cancel, checked, first), partial(cancel, checked, second)):
            assert job is None or read(checked, UUID(str(job))).state is State.FAILED
