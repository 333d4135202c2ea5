"""A sign of life that outlives nothing: the time at which this worker last did something, as a file's age.

A worker is healthy when it has made progress lately or when no bell waits for it; that its process is up says little.
"""

import os
import time
from pathlib import Path
from tempfile import gettempdir

# Set by the main process for its children, so that they all touch one file.
VARIABLE = "NTKD_PROGRESS_FILE"


def progress_file() -> Path:
    """The file of this worker, the same in its main process and its children."""
    name = os.environ.setdefault(VARIABLE, str(Path(gettempdir()) / f"ntkd-worker-{os.getpid()}.progress"))
    return Path(name)


def show_progress() -> None:
    """This worker has just done something."""
    progress_file().touch()


def idle_seconds() -> float:
    """Seconds since this worker last did something."""
    try:
        return time.time() - progress_file().stat().st_mtime
    except FileNotFoundError:
        return float("inf")
