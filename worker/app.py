"""The Celery application: one task, the bell. `celery -A worker.app worker -P prefork -c 1` is a worker.

Torch is loaded in the child that computes, never in the parent that listens.
"""

import os
import signal
from functools import partial
from threading import Thread
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any

import structlog
from celery import Celery, signals

from contracts.bell import TASK, celery_config
from contracts.log import configure_log
from contracts.settings import settings
from worker.process import die_with_parent
from worker.progress import idle_seconds, progress_file, show_progress
from worker.rings import ring, ring_for, waiting_rings

if TYPE_CHECKING:
    from worker.context import Context

log = structlog.get_logger()
configure_log(settings().log_level)
app = Celery("ntkd")
app.conf.update(celery_config(settings()))
# A worker that has done nothing for so many leases while bells wait for it is broken, whatever its processes say.
STUCK_LEASES = 3
# On a busy machine its child takes long to load torch, and shows no progress before.
LOADING_SECONDS = 120.0

_context: "Context | None" = None


@signals.worker_process_init.connect
def _prepare(**_: Any) -> None:
    """Load torch and connect before the first bell, which would otherwise wait seconds for it."""
    global _context  # noqa: PLW0603
    die_with_parent()
    try:
        from worker import runner  # noqa: F401
        from worker.context import make_context

        _context = make_context(settings(), partial(ring_for, app))
        show_progress()
    except (Exception, SystemExit):
        # Celery would go on with a child that hears every ring and computes nothing, or start one after the other.
        log.exception("worker.unusable")
        os.kill(os.getppid(), signal.SIGTERM)


@app.task(name=TASK)
def bell() -> None:
    """Look at the table and do what is there to do."""
    from worker.runner import serve

    assert _context is not None
    show_progress()
    if serve(_context):
        ring(app, 1)


@signals.worker_init.connect
def _name_progress_file(**_: Any) -> None:
    progress_file()
    show_progress()


@signals.worker_shutdown.connect
def _forget_progress(**_: Any) -> None:
    progress_file().unlink(missing_ok=True)


@signals.worker_ready.connect
def _watch(**_: Any) -> None:
    Thread(target=_exit_when_stuck, name="watchdog", daemon=True).start()


def _exit_when_stuck() -> None:
    """End the process when it is deaf; whoever supervises it starts a new one, and leases bring the parts back."""
    patience, started = STUCK_LEASES * settings().lease_seconds, monotonic()
    suspected = False
    while True:
        sleep(patience / 4)
        idle = idle_seconds()
        loading = idle > monotonic() - started
        stuck = idle > (max(patience, LOADING_SECONDS) if loading else patience) and bool(waiting_rings(app))
        # A ring that came this moment waits too: it does so twice in a row only where nobody hears.
        if stuck and suspected:
            log.error("worker.stuck", idle_seconds=idle_seconds())
            os._exit(70)
        suspected = stuck
