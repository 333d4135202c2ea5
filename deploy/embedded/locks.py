"""File locks (flock): the kernel frees them with the last process that holds them, however it dies."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

EXCLUSIVE, SHARED = fcntl.LOCK_EX, fcntl.LOCK_SH
PAUSE = 0.02


def acquire(path: Path, mode: int, timeout: float) -> int:
    """A file descriptor that holds the lock until it is closed, here and in every process that inherits it.

    Raises TimeoutError when somebody else holds the lock for longer than `timeout` seconds.
    """
    fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    if os.geteuid() == 0:  # root may act on a user's folder, and must not lock the user out
        owner = path.parent.stat()
        os.fchown(fd, owner.st_uid, owner.st_gid)
    deadline = time.monotonic() + timeout
    while not _try(fd, mode):
        if time.monotonic() > deadline:
            os.close(fd)
            raise TimeoutError(f"{path} stayed locked for {timeout:.0f} s")
        time.sleep(PAUSE)
    return fd


@contextmanager
def held(path: Path, mode: int = EXCLUSIVE, timeout: float = 300.0) -> Iterator[None]:
    """Hold the lock for the length of the block; raises TimeoutError like `acquire`."""
    fd = acquire(path, mode, timeout)
    try:
        yield
    finally:
        os.close(fd)


def available(path: Path, mode: int = EXCLUSIVE) -> bool:
    """Whether the lock could be had at this moment."""
    try:
        os.close(acquire(path, mode, timeout=-1.0))
    except TimeoutError:
        return False
    return True


def _try(fd: int, mode: int) -> bool:
    try:
        fcntl.flock(fd, mode | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
