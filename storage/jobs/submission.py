"""From a spec to a job: look up what it refers to, plan it, and insert it once."""

from collections.abc import Mapping
from functools import partial
from uuid import UUID, uuid4

import numpy as np
from numpy.typing import NDArray
from psycopg.types.json import Jsonb
from sqlalchemy import text

from contracts.canonical import digest
from contracts.jobs import State
from contracts.kinds import Spec
from contracts.plan import ArrayPlan, Plan, References
from contracts.problems import CONFLICT, UNKNOWN_REFERENCE
from contracts.settings import Settings
from storage import arrays
from storage.database import Read, Write
from storage.jobs.statements import NOTIFY

# FOR SHARE: the jobs referred to cannot finish between this look and our own commit. All lock older jobs first.
REFERRED = text("""
    SELECT id, state, digest, kind, spec FROM job WHERE id = ANY(CAST(:ids AS uuid[]))
    ORDER BY created_at, id FOR SHARE""")
LIVE = text("SELECT id FROM job WHERE digest = :digest AND state IN ('queued', 'running', 'succeeded')")
# Younger than what it waits for, whatever the clock does: the order in which jobs are locked rests on it.
INSERT = text("""
    INSERT INTO job (id, kind, digest, spec, engine, unit, parts_total, parts_open, work_total, seconds,
                     waits, created_at)
    SELECT :id, :kind, :digest, :spec, :engine, :unit, :parts, :open, :work, :seconds,
           count(*), greatest(clock_timestamp(), max(created_at) + interval '1 us')
    FROM job WHERE id = ANY(CAST(:awaited AS uuid[]))
    ON CONFLICT (digest) WHERE state IN ('queued', 'running', 'succeeded') DO NOTHING RETURNING id""")
INSERT_PARTS = text("""
    INSERT INTO part (job_id, index, spec, work, waits, opens, state)
    SELECT :job, ordinality - 1, part -> 'spec', CAST(part -> 'work' AS bigint), CAST(part -> 'waits' AS int),
           ARRAY(SELECT CAST(jsonb_array_elements(part -> 'opens') AS bigint)),
           CASE WHEN CAST(part -> 'waits' AS int) = 0 THEN 'queued' ELSE 'waiting' END
    FROM jsonb_array_elements(:parts) WITH ORDINALITY AS listed (part, ordinality)""")
INSERT_AWAITED = text("INSERT INTO awaited (job_id, on_id) SELECT :job, unnest(CAST(:awaited AS uuid[]))")
QUEUED = text("""
    INSERT INTO event (job_id, version, type, state, done, total)
    SELECT id, version, 'queued', state, work_done, work_total FROM job WHERE id = :job""")


def submit(write: Write, spec: Spec, limits: Settings, engine: str) -> tuple[UUID, bool]:
    """The id of the one job for `spec`, and whether it was made now.

    Raises ProblemError for a reference to nothing, a shape that does not fit, or a job beyond the limits.
    """
    references, awaited, digests = _look_up(write, spec)
    identity = digest({"kind": spec.kind, "spec": spec.explicit() | digests, "engine": engine})
    plan = spec.plan(references, limits)
    while True:
        found = write.execute(LIVE, {"digest": identity}).scalar_one_or_none()
        if found is not None:
            return found, False
        spec.inspect(partial(_entries, write))
        row = {"spec": Jsonb(spec.explicit()), "engine": engine, "awaited": awaited, "digest": identity}
        job = _insert(write, spec.kind, plan, row)
        # None: the same spec was submitted at this moment by somebody else, whose job is ours too.
        if job is not None:
            return job, True


def _insert(write: Write, kind: str, plan: Plan, row: dict[str, object]) -> UUID | None:
    planned = {
        "id": uuid4(),
        "kind": kind,
        "unit": plan.unit,
        "parts": len(plan.parts),
        "open": sum(not part.after for part in plan.parts),
        "work": plan.work,
        "seconds": plan.seconds,
    }
    job: UUID | None = write.execute(INSERT, row | planned).scalar_one_or_none()
    if job is None:
        return None
    opens: list[list[int]] = [[] for _ in plan.parts]
    for index, part in enumerate(plan.parts):
        for other in part.after:
            opens[other].append(index)
    parts = [
        {"spec": part.spec, "work": part.work, "waits": len(part.after), "opens": after}
        for part, after in zip(plan.parts, opens, strict=True)
    ]
    write.execute(INSERT_PARTS, {"job": job, "parts": Jsonb(parts)})
    write.execute(INSERT_AWAITED, {"job": job, "awaited": row["awaited"]})
    for array in plan.arrays:
        arrays.create(write, array, job=job)
    write.execute(QUEUED, {"job": job})
    write.execute(NOTIFY, {"job": job})
    return job


def _look_up(write: Write, spec: Spec) -> tuple[References, list[UUID], dict[str, str]]:
    """What the spec refers to, the unfinished jobs to wait for, and the digests that stand for the jobs' ids."""
    datasets = {id_: _dataset(write, id_, pointer) for pointer, id_ in spec.datasets().items()}
    found = {row.id: row for row in write.execute(REFERRED, {"ids": [UUID(id_) for id_ in spec.jobs().values()]})}
    jobs, specs, awaited, digests = {}, {}, set(), {}
    for pointer, id_ in spec.jobs().items():
        row = found.get(UUID(id_))
        if row is None:
            raise UNKNOWN_REFERENCE.error(f"There is no job {id_}.", pointer)
        if State(row.state) in (State.FAILED, State.CANCELLED):
            ended = "was cancelled" if State(row.state) is State.CANCELLED else "has failed"
            raise CONFLICT.error(f"Job {id_} {ended} and will have no result.", pointer)
        if State(row.state) is not State.SUCCEEDED:
            if not spec.waits:
                raise CONFLICT.error(f"Job {id_} has not succeeded yet.", pointer)
            awaited.add(row.id)
        digests[pointer.removeprefix("/")] = row.digest
        jobs[id_] = _plans(arrays.of_job(write, UUID(id_)))
        specs[id_] = row.kind, row.spec
    return References(datasets, jobs, specs), sorted(awaited), digests


def _entries(read: Read, dataset: str, name: str) -> NDArray[np.floating]:
    return arrays.whole(read, arrays.of_dataset(read, dataset)[name])


def _dataset(read: Read, id_: str, pointer: str) -> dict[str, ArrayPlan]:
    found = _plans(arrays.of_dataset(read, id_))
    if not found:
        raise UNKNOWN_REFERENCE.error(f"There is no dataset {id_}.", pointer)
    return found


def _plans(stored: Mapping[str, arrays.Stored]) -> dict[str, ArrayPlan]:
    return {name: array.plan for name, array in stored.items()}
