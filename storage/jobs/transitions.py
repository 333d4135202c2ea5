"""The state machine. Every move of a job or a part is one function here, and nothing else writes these tables.

Each locks the job's row first, so that moves of one job follow one another, and then the rows of jobs that wait for it,
older ones first, so that none can deadlock; one guarded statement on (state, attempt) moves the part and the job
together and writes the event, whose number is the job's new version. A guard that finds no row has moved nothing. Only
the database's clock counts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID

from psycopg.types.json import Jsonb
from sqlalchemy import RowMapping, TextClause

from contracts.jobs import State
from contracts.problems import CONFLICT, DEPENDENCY_FAILED, WORKER_LOST, Problem
from storage.database import Database, Read, Write
from storage.jobs import statements as sql


@dataclass(frozen=True)
class Lease:
    """A part in a worker's hands; `attempt` is the fence that every later statement of the holder must pass."""

    job: UUID
    index: int
    attempt: int

    @property
    def fence(self) -> dict[str, Any]:
        return {"job": self.job, "index": self.index, "attempt": self.attempt}


@dataclass(frozen=True)
class Claim:
    """A leased part and what is needed to compute it."""

    lease: Lease
    failures: int
    kind: str
    job_spec: dict[str, Any]
    part_spec: dict[str, Any]
    parts_total: int

    @property
    def alone(self) -> bool:
        """Whether no other part of the job runs beside it, so that it has the cores to itself: one a core otherwise."""
        return self.parts_total == 1 or bool(self.part_spec.get("alone"))


class Finished(NamedTuple):
    """What became of a job whose part is done."""

    state: State
    opened: int
    """Parts, of this job or of those that waited for it, that may be taken only since."""


class LeaseLostError(Exception):
    """The part is no longer this worker's: its transaction must not commit."""


def _move(write: Write, statement: TextClause, parameters: dict[str, Any]) -> RowMapping | None:
    """Lock the job, then run the guarded statement; the job's row after the move, or None where nothing moved."""
    write.execute(sql.LOCK, {"job": parameters["job"]})
    return write.execute(statement, parameters).mappings().one_or_none()


def claim(
    database: Database, worker: str, device: str, lease_seconds: float, kinds: Sequence[str] | None = None
) -> Claim | None:
    """Take an open part of the job that was served longest ago; None when there is no open part at all.

    kinds: the kinds of job that the worker knows; an older worker leaves the others to newer ones.
    """
    known = None if kinds is None else list(kinds)
    while True:
        with database.begin() as write:
            job = write.execute(sql.NEXT_JOB, {"kinds": known}).scalar_one_or_none()
            if job is None:
                return None
            asked = {"job": job, "worker": worker, "device": device, "lease": lease_seconds}
            row = _move(write, sql.CLAIM, asked)
        # Another worker may have taken the job's last open part in between; then another job is next.
        if row is not None:
            lease = Lease(row["id"], row["index"], row["attempt"])
            return Claim(lease, row["failures"], row["kind"], row["spec"], row["part_spec"], row["parts_total"])


def renew(write: Write, lease: Lease, lease_seconds: float) -> bool:
    """Hold the part for `lease_seconds` more; False when it is no longer the caller's."""
    return write.execute(sql.RENEW, lease.fence | {"lease": lease_seconds}).rowcount == 1


def hold(write: Write, job: UUID) -> None:
    """Before storing tiles: keep the job from being deleted until this transaction ends."""
    write.execute(sql.HOLD, {"job": job})


def finish(write: Write, lease: Lease, *, last: bool = False) -> Finished:
    """The part is done, and with the last one the job; raises LeaseLostError when the part is not the caller's.

    Called in the transaction that stored the part's tiles: they are there together or not at all. last: nothing is left
    to do for other parts, as where an iteration has ended sooner than planned; they count as done, and whoever has one
    has lost it.
    """
    job = _move(write, sql.FINISH, lease.fence | {"last": last})
    if job is None:
        raise LeaseLostError
    opened = job["parts_opened"]
    if job["state"] == State.SUCCEEDED:
        # Two statements: the second sees what became of them before the first had their locks.
        write.execute(sql.LOCK_DEPENDENTS, {"job": lease.job})
        nearer = write.execute(sql.OPEN_DEPENDENTS, {"job": lease.job}).mappings()
        opened += sum(other["parts_open"] for other in nearer if other["waits"] == 0)
    return Finished(State(job["state"]), opened)


def release(write: Write, lease: Lease) -> None:
    """Give the part back without blame: the worker is shutting down."""
    _move(write, sql.RELEASE, lease.fence)


def fail(
    write: Write, lease: Lease, problem: Problem, *, retry: bool, max_attempts: int, lost: bool = False
) -> State | None:
    """An attempt failed: the part is queued again or, without `retry` or attempts left, fails with its job.

    lost: act only if the lease has run out, as the sweeper does. Returns the job's state, or None if nothing moved.
    """
    asked = lease.fence | {
        "problem": Jsonb(problem.model_dump(mode="json")),
        "retry": retry,
        "most": max_attempts,
        "lost": lost,
    }
    job = _move(write, sql.FAIL, asked)
    if job is None:
        return None
    if job["state"] == State.FAILED:
        _drop(write, lease.job)
        _fail_dependents(write, lease.job)
    return State(job["state"])


def cancel(write: Write, job: UUID) -> bool:
    """End the job at once: no worker can commit to it any more. False when it had finished already."""
    ended = _end(write, job, State.CANCELLED, None)
    if ended:
        _fail_dependents(write, job)
    return ended


def _end(write: Write, job: UUID, state: State, problem: Problem | None) -> bool:
    error = None if problem is None else Jsonb(problem.model_dump(mode="json"))
    moved = _move(write, sql.END, {"job": job, "state": state.value, "problem": error})
    if moved is not None:
        _drop(write, job)
    return moved is not None


def _drop(write: Write, job: UUID) -> None:
    """What is left of a job that will not succeed: its open parts end, its tiles go."""
    write.execute(sql.DROP_PARTS, {"job": job})
    write.execute(sql.DROP_TILES, {"job": job})
    write.execute(sql.DROP_BOUNDS, {"job": job})


def _fail_dependents(write: Write, job: UUID) -> None:
    """Who waits for a job that will not succeed fails, and who waits for those.

    At once, and not when the sweeper comes by: an equal spec that is submitted next must not find the one that waits.
    Always the oldest that is left, found when the last is locked: nobody can begin to wait for that one any more, and
    whoever waits for it is younger, so that all are locked in one order.
    """
    ended = [job]
    while (found := write.execute(sql.NEXT_DEPENDENT, {"ended": ended}).one_or_none()) is not None:
        problem = DEPENDENCY_FAILED.problem(f"Job {found.on_id}, whose result is needed, was {found.state}.")
        # One that somebody else ended while we waited for its lock has taken its own dependents with it.
        if _end(write, found.job_id, State.FAILED, problem):
            ended.append(found.job_id)


def delete(database: Database, job: UUID) -> None:
    """Cancel the job where it has not finished, then remove it with all that hangs on it.

    Raises a conflict problem, and leaves the job as it is, while another job waits for it.
    """
    with database.begin() as write:
        write.execute(sql.LOCK, {"job": job})
        # With the row locked no job can begin to wait for it, and of a cancelled one none will.
        if write.execute(sql.WAITING, {"job": job}).first() is not None:
            raise CONFLICT.error("Another job waits for the result of this one; cancel or delete that one first.")
        cancel(write, job)
    with database.begin() as write:
        write.execute(sql.HOLD_ALONE, {"job": job})
        write.execute(sql.DELETE, {"job": job})


def expired(read: Read) -> list[Lease]:
    """Parts whose lease has run out, longest ago first."""
    return [Lease(row["job_id"], row["index"], row["attempt"]) for row in read.execute(sql.EXPIRED).mappings()]


def lose(write: Write, lease: Lease, max_attempts: int) -> State | None:
    """Take back a part whose worker gave no sign of life."""
    problem = WORKER_LOST.problem(
        f"The worker gave no sign of life during attempt {lease.attempt} of part {lease.index}."
    )
    return fail(write, lease, problem, retry=True, max_attempts=max_attempts, lost=True)
