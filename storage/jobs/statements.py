"""The SQL of the state machine: guarded statements that move a part and its job together and write the event."""

from sqlalchemy import TextClause, text

# Who listens on this channel learns the id of a job that has changed.
CHANNEL = "ntkd_job"


def _moving(ctes: str, event: str, when: str = "true") -> TextClause:
    """CTEs that end in `moved`, the job's row after its move, completed by its event and its notification."""
    return text(f"""
    WITH {ctes},
    logged AS (
        INSERT INTO event (job_id, version, type, state, done, total, error)
        SELECT id, version, {event}, state, work_done, work_total, error FROM moved WHERE {when})
    SELECT moved.*, pg_notify('{CHANNEL}', CAST(id AS text)) FROM moved""")


# A job of which no part is running any more goes back to queued.
AFTER_RETURN = """
    CASE WHEN EXISTS (SELECT 1 FROM part o WHERE o.job_id = :job AND o.state = 'running' AND o.index <> :index)
         THEN 'running' ELSE 'queued' END"""

LOCK = text("SELECT 1 FROM job WHERE id = :job FOR NO KEY UPDATE")
NEXT_JOB = text("""
    SELECT id FROM job WHERE parts_open > 0 AND waits = 0 AND state IN ('queued', 'running')
       AND (CAST(:kinds AS text[]) IS NULL OR kind = ANY(:kinds))
    ORDER BY served_at NULLS FIRST, created_at LIMIT 1""")
CLAIM = _moving(
    """before AS (
        SELECT state AS was FROM job
        WHERE id = :job AND state IN ('queued', 'running') AND waits = 0),
    taken AS (
        UPDATE part SET state = 'running', attempt = attempt + 1, worker = :worker,
               lease_until = clock_timestamp() + make_interval(secs => :lease)
        WHERE EXISTS (SELECT FROM before) AND job_id = :job AND index = (
            SELECT index FROM part WHERE job_id = :job AND state = 'queued' ORDER BY index LIMIT 1)
        RETURNING index, attempt, failures, spec),
    moved AS (
        UPDATE job SET state = 'running', version = version + CAST(was = 'queued' AS int), parts_open = parts_open - 1,
               attempts = attempts + 1, served_at = clock_timestamp(),
               started_at = coalesce(started_at, clock_timestamp()),
               device = CASE WHEN device IS NULL THEN :device
                             WHEN :device = ANY(string_to_array(device, ', ')) THEN device
                             ELSE device || ', ' || :device END
        FROM taken, before WHERE id = :job
        RETURNING job.*, was, taken.index, taken.attempt, taken.failures, taken.spec AS part_spec)""",
    "'started'",
    when="was = 'queued'",
)
RENEW = text("""
    UPDATE part SET lease_until = clock_timestamp() + make_interval(secs => :lease)
    WHERE job_id = :job AND index = :index AND attempt = :attempt AND state = 'running'""")
FINISH = _moving(
    """done AS (
        UPDATE part SET state = 'succeeded', lease_until = NULL
        WHERE job_id = :job AND index = :index AND attempt = :attempt AND state = 'running'
        RETURNING work, opens),
    nearer AS (
        UPDATE part SET waits = waits - 1, state = CASE waits WHEN 1 THEN 'queued' ELSE state END
        FROM done WHERE NOT :last AND job_id = :job AND index = ANY(done.opens) AND state = 'waiting'
        RETURNING state),
    opened AS (SELECT count(*) AS parts FROM nearer WHERE state = 'queued'),
    spared AS (
        UPDATE part SET state = 'succeeded', lease_until = NULL, waits = 0
        FROM done WHERE :last AND job_id = :job AND index <> :index AND state IN ('waiting', 'queued', 'running')
        RETURNING part.work),
    counted AS (SELECT 1 + count(*) AS parts, coalesce(sum(work), 0) AS work FROM spared),
    moved AS (
        UPDATE job SET version = version + 1, parts_done = parts_done + counted.parts,
               work_done = work_done + done.work + counted.work,
               parts_open = CASE WHEN :last THEN 0 ELSE parts_open + opened.parts END,
               error = NULL,
               state = CASE WHEN parts_done + counted.parts = parts_total THEN 'succeeded' ELSE state END,
               finished_at = CASE WHEN parts_done + counted.parts = parts_total THEN clock_timestamp() END
        FROM done, counted, opened WHERE id = :job AND state = 'running'
        RETURNING job.*, opened.parts AS parts_opened)""",
    "CASE state WHEN 'succeeded' THEN 'succeeded' ELSE 'progress' END",
)
RELEASE = _moving(
    f"""returned AS (
        UPDATE part SET state = 'queued', lease_until = NULL, worker = NULL
        WHERE job_id = :job AND index = :index AND attempt = :attempt AND state = 'running'
        RETURNING index),
    moved AS (
        UPDATE job SET version = version + 1, parts_open = parts_open + 1, state = {AFTER_RETURN}
        FROM returned WHERE id = :job AND state = 'running'
        RETURNING job.*)""",
    "'released'",
)
FAIL = _moving(
    f"""hit AS (
        UPDATE part SET failures = failures + 1, error = :problem, lease_until = NULL, worker = NULL,
               state = CASE WHEN :retry AND failures + 1 < :most THEN 'queued' ELSE 'failed' END
        WHERE job_id = :job AND index = :index AND attempt = :attempt AND state = 'running'
          AND (NOT :lost OR lease_until < clock_timestamp())
        RETURNING state),
    moved AS (
        UPDATE job SET version = version + 1, error = :problem,
               parts_open = CASE hit.state WHEN 'queued' THEN parts_open + 1 ELSE 0 END,
               state = CASE hit.state WHEN 'queued' THEN {AFTER_RETURN} ELSE 'failed' END,
               finished_at = CASE hit.state WHEN 'failed' THEN clock_timestamp() END
        FROM hit WHERE id = :job AND job.state = 'running'
        RETURNING job.*)""",
    "CASE state WHEN 'failed' THEN 'failed' ELSE 'retry' END",
)
END = _moving(
    """freed AS (DELETE FROM awaited WHERE job_id = :job),
    moved AS (
        UPDATE job SET version = version + 1, state = :state, error = coalesce(:problem, error), parts_open = 0,
               waits = 0, finished_at = clock_timestamp()
        WHERE id = :job AND state IN ('queued', 'running')
        RETURNING *)""",
    ":state",
)
DROP_PARTS = text(
    "UPDATE part SET state = 'cancelled', lease_until = NULL"
    " WHERE job_id = :job AND state IN ('waiting', 'queued', 'running')"
)
DROP_TILES = text("DELETE FROM tile USING stored_array WHERE array_id = stored_array.id AND job_id = :job")
DROP_BOUNDS = text("UPDATE stored_array SET error_bound = NULL WHERE job_id = :job")
# A job's row is locked before its rows in `awaited` change, and of several jobs the older before the younger. Who waits
# is younger than what it waits for (`submission.INSERT`): from a job on to its dependents that order holds by itself.
LOCK_DEPENDENTS = text("""
    SELECT 1 FROM awaited JOIN job ON job.id = job_id WHERE on_id = :job
    ORDER BY created_at, job_id FOR NO KEY UPDATE OF job""")
OPEN_DEPENDENTS = _moving(
    """freed AS (DELETE FROM awaited WHERE on_id = :job RETURNING job_id),
    moved AS (
        UPDATE job SET version = version + 1, waits = waits - 1
        FROM freed WHERE id = job_id
        RETURNING job.*)""",
    "CASE waits WHEN 0 THEN 'ready' ELSE 'nearer' END",
)
NEXT_DEPENDENT = text("""
    SELECT job_id, on_id, cause.state FROM awaited JOIN job ON job.id = job_id JOIN job cause ON cause.id = on_id
    WHERE on_id = ANY(:ended) AND job.state = 'queued' ORDER BY job.created_at, job_id, on_id LIMIT 1""")
EXPIRED = text("""
    SELECT job_id, index, attempt, failures FROM part
    WHERE state = 'running' AND lease_until < clock_timestamp() ORDER BY lease_until LIMIT 100""")
# A worker holds this shared while it stores tiles: a job is deleted before that or after it, never during it.
HOLD = text("SELECT pg_advisory_xact_lock_shared(hashtextextended(CAST(:job AS text), 0))")
HOLD_ALONE = text("SELECT pg_advisory_xact_lock(hashtextextended(CAST(:job AS text), 0))")
WAITING = text("SELECT 1 FROM awaited WHERE on_id = :job LIMIT 1")
DELETE = text("DELETE FROM job WHERE id = :job")
NOTIFY = text(f"SELECT pg_notify('{CHANNEL}', CAST(:job AS text))")
