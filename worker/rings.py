"""Ringing the bell from the worker's side, and counting the rings that nobody has heard yet."""

import structlog
from celery import Celery
from kombu.exceptions import OperationalError

from contracts.bell import TASK
from contracts.settings import settings

log = structlog.get_logger()


def ring(app: Celery, times: int) -> None:
    """Wake up to `times` workers; a broker that cannot be reached is only logged, since the sweeper rings again."""
    try:
        for _ in range(times):
            app.send_task(TASK, retry=False)
    except OperationalError as error:
        log.warning("bell.unheard", error=str(error))


def waiting_rings(app: Celery) -> int:
    """Rings in the queue; 0 where the broker cannot be reached, for then nobody hears any."""
    try:
        with app.connection_for_write() as connection:
            return int(connection.default_channel.client.llen(settings().queue))
    except (OperationalError, *app.connection_for_write().connection_errors) as error:
        log.warning("bell.unreachable", error=str(error))
        return 0
