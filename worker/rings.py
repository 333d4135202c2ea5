"""Ringing the bell from the worker's side, and counting the rings that nobody has heard yet."""

from typing import Any

import structlog
from celery import Celery
from kombu.exceptions import OperationalError

from contracts.bell import MOST_RINGS, TASK

log = structlog.get_logger()


def ring(app: Celery, times: int) -> None:
    """Wake up to `times` workers; a broker that cannot be reached is only logged, since the sweeper rings again."""
    try:
        with _broker(app) as connection:
            for _ in range(times):
                app.send_task(TASK, connection=connection, retry=False)
    # kombu wraps what the broker's client raises, but for the time of a socket.
    except (OperationalError, OSError) as error:
        log.warning("bell.unheard", error=str(error))


def ring_for(app: Celery, parts: int) -> None:
    """Ring for so many open parts, as far as the bell goes, less the rings that nobody has heard yet."""
    if parts > 0 and (rings := waiting_rings(app)) is not None:
        ring(app, min(parts, MOST_RINGS) - rings)


def waiting_rings(app: Celery) -> int | None:
    """Rings in the queue; None where the broker cannot say, for then nobody hears any."""
    connection = _broker(app)
    try:
        with connection:
            return int(connection.default_channel.client.llen(app.conf.task_default_queue))
    except (OperationalError, *connection.connection_errors, *connection.channel_errors) as error:
        log.warning("bell.unreachable", error=str(error))
        return None


def _broker(app: Celery) -> Any:
    """Tried once: by itself kombu tries for seconds, while parts wait."""
    return app.connection_for_write(transport_options={"max_retries": 0})
