"""The sweeper: a plain loop that takes back lost parts and rings for what nobody has heard of.

It needs nothing but the table, so it works when the broker has lost its state. Two at once are harmless.
"""

import signal
import sys
from threading import Event
from types import FrameType

import structlog
from celery import Celery

from contracts.bell import celery_config
from contracts.log import configure_log
from contracts.settings import Settings, settings
from storage import idempotency
from storage.database import Database, DatabaseError
from storage.jobs import queries, transitions
from worker.rings import ring_for

log = structlog.get_logger()


def sweep(database: Database, app: Celery, limits: Settings) -> None:
    """One round."""
    with database.read() as read:
        leases = transitions.expired(read)
    for lease in leases:
        with database.begin() as write:
            state = transitions.lose(write, lease, limits.max_attempts)
        log.info("part.expired", job=str(lease.job), part=lease.index, attempt=lease.attempt, state=state)
    with database.begin() as write:
        idempotency.forget(write, limits.idempotency_days)
    with database.read() as read:
        open_parts = queries.open_parts(read)
    ring_for(app, open_parts)


def main() -> None:
    """Sweep until SIGTERM or SIGINT; an outage of the database or the broker only makes it try again."""
    limits, stop = settings(), Event()
    configure_log(limits.log_level)
    app = Celery("ntkd-sweeper")
    app.conf.update(celery_config(limits))
    database = Database(limits.require_database_url(), pool_size=1)

    def end(_signal: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    while not stop.wait(limits.sweep_seconds):
        try:
            sweep(database, app, limits)
        except DatabaseError as error:
            log.warning("sweeper.database", error=str(error))
    sys.exit(0)


if __name__ == "__main__":
    main()
