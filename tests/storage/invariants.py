"""What holds of every job between any two transactions, as SQL that finds the jobs of which it does not."""

from sqlalchemy import text

from storage.database import Database

PARTS = """
    SELECT job.*, count(part) FILTER (WHERE part.state = 'queued') AS queued,
           count(part) FILTER (WHERE part.state = 'running') AS running,
           count(part) FILTER (WHERE part.state = 'succeeded') AS succeeded,
           coalesce(sum(part.work) FILTER (WHERE part.state = 'succeeded'), 0) AS work,
           coalesce(sum(part.attempt), 0) AS claims, count(part) AS parts,
           count(part) FILTER (WHERE (part.state = 'running') <> (part.lease_until IS NOT NULL)) AS odd_leases,
           count(part) FILTER (WHERE part.failures > part.attempt) AS odd_failures,
           count(part) FILTER (WHERE part.state = 'waiting') AS waiting,
           count(part) FILTER (WHERE (part.state = 'waiting') <> (part.waits > 0) OR part.waits <> (
               SELECT count(*) FROM part o WHERE o.job_id = job.id AND part.index = ANY(o.opens)
                  AND o.state <> 'succeeded')) AS odd_waits
    FROM job LEFT JOIN part ON part.job_id = job.id GROUP BY job.id"""
EVENTS = """
    SELECT job.*, count(event) AS events, min(event.version) AS first, max(event.version) AS last,
           count(event) FILTER (WHERE event.type = 'ready') AS readies,
           count(event) FILTER (WHERE event.version = job.version
               AND (event.state, event.done, event.total) = (job.state, job.work_done, job.work_total)) AS mirrors
    FROM job LEFT JOIN event ON event.job_id = job.id GROUP BY job.id"""
TILES = """
    SELECT job.*, a.name, (SELECT count(*) FROM tile WHERE array_id = a.id) AS tiles,
           CASE WHEN a.mirrored THEN down * (down + 1) / 2 ELSE down * across END AS planned
    FROM job JOIN stored_array a ON a.job_id = job.id,
         LATERAL (SELECT ceil(a.shape[1] / a.tile_rows::numeric) AS down,
                         ceil(coalesce(a.shape[2], 1) / a.tile_cols::numeric) AS across) grid"""
CAUSES = """
    SELECT job.*, count(cause) FILTER (WHERE cause.state <> 'succeeded') AS needed,
           count(cause) FILTER (WHERE cause.state NOT IN ('queued', 'running')) AS finished,
           count(cause) FILTER (WHERE cause.created_at >= job.created_at) AS younger
    FROM job LEFT JOIN awaited ON job_id = job.id LEFT JOIN job cause ON cause.id = on_id GROUP BY job.id"""
# A tile's bytes are there as soon as it is, and no longer.
PIECES = """
    SELECT coalesce(tile.array_id, piece.array_id) AS array_id, count(piece) AS pieces, count(DISTINCT tile) AS tiles
    FROM tile FULL JOIN piece USING (array_id, row, col) GROUP BY 1, row, col"""
LIVE, DEAD = "state IN ('queued', 'running')", "state IN ('failed', 'cancelled')"

BROKEN = {
    "open parts are counted": (PARTS, f"parts_open <> CASE WHEN {LIVE} THEN queued ELSE 0 END"),
    "done parts are counted": (PARTS, "parts_done <> succeeded OR work_done <> work"),
    "all parts are there": (PARTS, "parts <> parts_total"),
    "claims are counted": (PARTS, "attempts <> claims"),
    "a part runs in a running job only": (PARTS, "running > 0 AND state <> 'running'"),
    "a running job has something left to do": (PARTS, "state = 'running' AND running + queued = 0"),
    "no part is left of a finished job": (PARTS, f"NOT {LIVE} AND running + queued + waiting > 0"),
    "a part waits for those that are not done": (PARTS, f"{LIVE} AND odd_waits > 0"),
    "all parts of a succeeded job succeeded": (PARTS, "(state = 'succeeded') <> (succeeded = parts_total)"),
    "a lease is of a running part": (PARTS, "odd_leases > 0"),
    "no more failures than attempts": (PARTS, "odd_failures > 0"),
    "a finished job has its time": (PARTS, f"{LIVE} <> (finished_at IS NULL)"),
    "a failed job says why": (PARTS, "state = 'failed' AND error IS NULL"),
    "events are numbered without gaps": (EVENTS, "first <> 1 OR last <> version OR events <> version"),
    "the last event says how the job is": (EVENTS, "mirrors <> 1"),
    "a job that will have no result keeps no tile": (TILES, f"{DEAD} AND tiles > 0"),
    "a succeeded job has every tile": (TILES, "state = 'succeeded' AND tiles <> planned"),
    "no tile is beyond the plan": (TILES, "tiles > planned"),
    "a tile has pieces, and a piece a tile": (PIECES, "pieces = 0 OR tiles = 0"),
    "a job waits for those that have not succeeded": (CAUSES, "waits <> needed"),
    "only an unfinished job is waited for": (CAUSES, "finished > 0"),
    "whoever waits is younger than what it waits for": (CAUSES, "younger > 0"),
    "only a queued job waits, and none that has begun": (CAUSES, "waits > 0 AND (state <> 'queued' OR attempts > 0)"),
    "what a job waited for is there once": (EVENTS, "readies > 1 OR readies > 0 AND waits > 0"),
}


def broken(database: Database) -> list[str]:
    """Every invariant that does not hold, with the jobs that break it; each is asked of one snapshot."""
    with database.read() as read:
        return [
            f"not so: {said}: {dict(row)}"
            for said, (rows, fault) in BROKEN.items()
            for row in read.execute(text(f"SELECT * FROM ({rows}) AS seen WHERE {fault}")).mappings()
        ]
