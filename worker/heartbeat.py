"""A thread that keeps a part's lease alive while the part is computed."""

from collections.abc import Callable
from threading import Event, Thread
from types import TracebackType

import structlog

from storage.database import Database, DatabaseError
from storage.jobs import transitions
from storage.jobs.transitions import Lease

log = structlog.get_logger()


class Heartbeat:
    """Renews `lease` four times within its span; `lost` says that it has gone to somebody else."""

    def __init__(self, database: Database, lease: Lease, seconds: float, alive: Callable[[], None]) -> None:
        self._database, self._lease, self._seconds, self._alive = database, lease, seconds, alive
        self._lost, self._done = Event(), Event()
        self._thread = Thread(target=self._beat, name="heartbeat", daemon=True)

    @property
    def lost(self) -> bool:
        return self._lost.is_set()

    def _beat(self) -> None:
        while not self._done.wait(self._seconds / 4):
            self._alive()
            try:
                with self._database.begin() as write:
                    held = transitions.renew(write, self._lease, self._seconds)
            except DatabaseError as error:
                # The lease may run out meanwhile; the fence then keeps us from committing.
                log.warning("lease.unrenewed", job=str(self._lease.job), part=self._lease.index, error=str(error))
                continue
            if not held:
                self._lost.set()
                return

    def __enter__(self) -> "Heartbeat":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join()
