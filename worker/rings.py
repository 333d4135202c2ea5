"""Ringing the bell from the worker's side, and counting the rings that nobody has heard yet."""

import structlog
from celery import Celery
from kombu.exceptions import OperationalError

from contracts.bell import TASK

log = structlog.get_logger()


def ring(app: Celery, times: int) -> None:
    """Wake up to `times` workers; a broker that cannot be reached is only logged, since the sweeper rings again."""
    try:
        for _ in range(times):
            app.send_task(TASK, retry=False)
    except OperationalError as error:
        log.warning("bell.unheard", error=str(error))


def waiting_rings(app: Celery) -> int | None:
    """Rings in the queue; None where the broker cannot say, for then nobody hears any."""
    connection = app.connection_for_write()
    try:
        with connection:
            return int(connection.default_channel.client.llen(app.conf.task_default_queue))
    except (OperationalError, *connection.connection_errors, *connection.channel_errors) as error:
        log.warning("bell.unreachable", error=str(error))
        return None
