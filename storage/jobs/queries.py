"""Reading jobs: one, a page of them, their events."""

from math import inf
from typing import Any
from uuid import UUID

from sqlalchemy import text

from contracts.jobs import Event, Job, JobPage, Progress, ResultInfo, State
from contracts.problems import INVALID_REQUEST, Problem
from storage import arrays
from storage.database import Read
from storage.paging import cursor_of, position

COLUMNS = """
    id, kind, digest, spec, engine, state, version, unit, parts_total, work_total, work_done, seconds, attempts, device,
    error, created_at, started_at, finished_at,
    ARRAY(SELECT on_id FROM awaited WHERE job_id = job.id ORDER BY on_id) AS waits_for,
    extract(epoch FROM coalesce(finished_at, clock_timestamp()) - started_at) AS elapsed"""
GET = text(f"SELECT {COLUMNS} FROM job WHERE id = :id")
PAGE = text(f"""
    SELECT {COLUMNS} FROM job
    WHERE (CAST(:at AS timestamptz) IS NULL OR (created_at, id) < (:at, CAST(:id AS uuid)))
      AND (CAST(:kind AS text) IS NULL OR kind = :kind) AND (CAST(:state AS text) IS NULL OR state = :state)
    ORDER BY created_at DESC, id DESC LIMIT :limit""")
EVENTS = text("""
    SELECT version, type, at, state, done, total, error FROM event
    WHERE job_id = :job AND version > :after ORDER BY version LIMIT 1000""")
VERSION = text("SELECT version, state FROM job WHERE id = :id")
OPEN_PARTS = text("""
    SELECT coalesce(sum(parts_open), 0) FROM job
    WHERE parts_open > 0 AND waits = 0 AND state IN ('queued', 'running')""")
COUNTS = text("SELECT kind, state, count(*) AS jobs FROM job GROUP BY kind, state")


def get(read: Read, id: UUID) -> Job | None:  # noqa: A002
    """The job called `id`."""
    row = read.execute(GET, {"id": id}).one_or_none()
    return None if row is None else _job(read, row, values=True)


def version(read: Read, id: UUID) -> tuple[int, State] | None:  # noqa: A002
    """The job's version and state: all that a waiting client needs to look at."""
    row = read.execute(VERSION, {"id": id}).one_or_none()
    return None if row is None else (row.version, State(row.state))


def page(read: Read, *, kind: str | None, state: State | None, cursor: str | None, limit: int) -> JobPage:
    """Jobs from `cursor` on, newest first."""
    at, after = position(cursor)
    asked = {"at": at, "id": None if after is None else _uuid(after), "kind": kind, "state": state, "limit": limit + 1}
    rows = read.execute(PAGE, asked).all()
    more = cursor_of(rows[limit - 1].created_at, rows[limit - 1].id) if len(rows) > limit else None
    return JobPage(jobs=[_job(read, row) for row in rows[:limit]], next=more)


def _uuid(text_: str) -> UUID:
    try:
        return UUID(text_)
    except ValueError as error:
        raise INVALID_REQUEST.error("This cursor is not one that a page gave.", "cursor") from error


def events(read: Read, job: UUID, after: int) -> list[Event]:
    """Up to a thousand events of the job that come after its version `after`, oldest first."""
    return [
        Event(
            id=row.version,
            type=row.type,
            at=row.at,
            state=row.state,
            done=row.done,
            total=row.total,
            error=None if row.error is None else Problem.model_validate(row.error),
        )
        for row in read.execute(EVENTS, {"job": job, "after": after})
    ]


def open_parts(read: Read) -> int:
    """Parts that a worker could take now."""
    return int(read.execute(OPEN_PARTS).scalar_one())


def counts(read: Read) -> list[tuple[str, str, int]]:
    """(kind, state, number of jobs) for the metrics."""
    return [(row.kind, row.state, row.jobs) for row in read.execute(COUNTS)]


def _progress(row: Any) -> Progress:
    elapsed = None if row.elapsed is None else float(row.elapsed)
    rate = row.work_done / elapsed if elapsed and row.work_done else None
    if State(row.state).finished:
        left = 0.0
    elif rate is None:
        left = max(row.seconds - (elapsed or 0.0), 0.0)
    else:
        left = (row.work_total - row.work_done) / rate
    return Progress(done=row.work_done, total=row.work_total, unit=row.unit, rate=rate, seconds_left=left)


def _arrays(read: Read, job: UUID, *, values: bool) -> list[ResultInfo]:
    """values: with the numbers of those that are one number, which must be there."""
    return [
        ResultInfo(
            name=name,
            shape=array.plan.shape,
            dtype=array.plan.dtype,
            href=f"/v1/jobs/{job}/arrays/{name}",
            error_bound=None if array.error_bound == inf else array.error_bound,
            value=arrays.whole(read, array).item() if values and array.plan.shape == (1,) else None,
        )
        for name, array in arrays.of_job(read, job).items()
    ]


def _job(read: Read, row: Any, *, values: bool = False) -> Job:
    return Job(
        id=row.id,
        kind=row.kind,
        state=row.state,
        spec=row.spec,
        digest=row.digest,
        progress=_progress(row),
        arrays=_arrays(read, row.id, values=values and row.state == State.SUCCEEDED),
        error=None if row.error is None else Problem.model_validate(row.error),
        attempts=row.attempts,
        parts=row.parts_total,
        device=row.device,
        waits_for=row.waits_for,
        version=row.version,
        engine=row.engine,
        created_at=row.created_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
    )
