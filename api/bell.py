"""Ringing the bell from a thread of its own: a broker that is dead or hangs delays no request."""

from queue import Empty, Full, Queue
from threading import Thread

import structlog
from celery import Celery
from kombu.exceptions import OperationalError
from prometheus_client import Counter

from contracts.bell import MOST_RINGS, TASK, celery_config
from contracts.settings import Settings

# Beyond this many the broker is not answering; what is dropped, the sweeper rings again.
MOST_WAITING = 1000
log = structlog.get_logger()


class Bell:
    """Rings without waiting or failing: a ring that is lost is logged, counted, and made good by the sweeper."""

    def __init__(self, settings: Settings, failures: Counter) -> None:
        self._failures = failures
        self._celery = Celery("ntkd", set_as_current=False)
        config = celery_config(settings)
        # One attempt: by default kombu tries to connect for ever.
        config["broker_transport_options"] = config["broker_transport_options"] | {"max_retries": 0}
        self._celery.conf.update(config)
        self._queue: Queue[int | None] = Queue(MOST_WAITING)
        self._thread = Thread(target=self._run, name="bell", daemon=True)
        self._thread.start()

    def ring(self, parts: int) -> None:
        """Wake one worker a part, as far as the bell goes."""
        try:
            self._queue.put_nowait(min(parts, MOST_RINGS))
        except Full:
            self._failures.inc()

    def close(self) -> None:
        """Ring what waits, give up on a broker that hangs."""
        try:
            self._queue.put_nowait(None)
        except Full:
            return
        self._thread.join(timeout=2.0)
        if not self._thread.is_alive():
            self._celery.close()

    def _run(self) -> None:
        while (rings := self._queue.get()) is not None:
            try:
                for _ in range(rings):
                    self._celery.send_task(TASK, retry=False, ignore_result=True)
            # kombu wraps what the broker's client raises, but for the time of a socket.
            except (OperationalError, OSError) as error:
                self._failures.inc()
                log.warning("bell.lost", error=str(error))
                self._forget()

    def _forget(self) -> None:
        """Drop the rings that wait behind a failed one, up to the end of the queue: the sweeper will ring."""
        stop = False
        while True:
            try:
                stop = self._queue.get_nowait() is None or stop
            except Empty:
                break
        if stop:
            self._queue.put_nowait(None)
