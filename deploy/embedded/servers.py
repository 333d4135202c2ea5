"""The one call that others make: the embedded servers for the length of a block."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from deploy.embedded import locks, valkey
from deploy.embedded import record as records
from deploy.embedded.home import EmbeddedError, Home, open_home
from deploy.embedded.record import Record

START_TIMEOUT = 300.0  # recovery after a crash replays up to `max_wal_size` of log
STOP_TIMEOUT = 60.0
PAUSE = 0.05

ROOT = Path(__file__).parents[2]  # where `-m` finds this package, and not one of the same name at the user's

_guardians: dict[Path, subprocess.Popen[bytes]] = {}  # by home; they may outlive the block that started them


class Servers:
    """Both servers, running; the URLs hold passwords."""

    def __init__(self, state_dir: Path, home: Home, record: Record) -> None:
        self._state_dir = state_dir
        self._home = home
        self._record = record

    @property
    def database_url(self) -> str:
        """`postgresql://…` of the database `ntkd`."""
        return self._record.database_url

    @property
    def redis_url(self) -> str:
        """`redis://…` of database 0."""
        return self._record.redis_url

    def ensure(self) -> None:
        """Start the servers again, at the same addresses, should their guardian have been killed."""
        if locks.available(self._home.servers_lock):
            with locks.held(self._home.start_lock):
                self._record = _running(self._state_dir, self._home)


@contextmanager
def servers(state_dir: Path) -> Iterator[Servers]:
    """A real PostgreSQL and a real Valkey with their data under `state_dir`, started or, if they run, joined.

    They stop when the last of all blocks, in whatever process, ends. Raises EmbeddedError, which says what is missing.
    """
    state_dir = state_dir.absolute()
    home = open_home(state_dir)
    use, record = _enter(state_dir, home)
    try:
        yield Servers(state_dir, home, record)
    finally:
        _leave(home, use)


def _enter(state_dir: Path, home: Home) -> tuple[int, Record]:
    with locks.held(home.start_lock):
        use = locks.acquire(home.users_lock, locks.SHARED, STOP_TIMEOUT)
        try:
            return use, _running(state_dir, home)
        except BaseException:
            os.close(use)
            raise


def _running(state_dir: Path, home: Home) -> Record:
    """The record of servers that answer; the caller holds the start lock."""
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline:
        if locks.available(home.servers_lock):
            _start_guardian(state_dir, home)
        record = records.load(home)
        if record is not None and _answers(record):
            return record
        time.sleep(PAUSE)  # the guardian restarts a server, or the servers of a killed guardian are stopping
    raise EmbeddedError(f"the servers in {home.path} neither answer nor stop; their logs are there")


def _answers(record: Record) -> bool:
    try:
        with psycopg.connect(record.database_url, connect_timeout=5) as connection:
            connection.execute("SELECT 1")
    except psycopg.OperationalError:
        return False
    return valkey.ready(record)


def _start_guardian(state_dir: Path, home: Home) -> None:
    _reap(home)
    with home.log_file("guardian").open("ab") as errors:
        process = _guardians[home.path] = subprocess.Popen(
            [sys.executable, "-m", "deploy.embedded.guardian", str(state_dir)],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            start_new_session=True,  # Ctrl-C is for its users
        )
    assert process.stdout is not None
    with process.stdout as output:
        words = output.read().decode()
    if words != records.READY:
        _reap(home)
        raise EmbeddedError(words or f"the guardian died before the servers were ready; see {home.path}/guardian.log")


def _leave(home: Home, use: int) -> None:
    """Give up the shared lock; the last user waits until the servers have stopped."""
    with locks.held(home.start_lock):
        os.close(use)
        nobody = locks.available(home.users_lock)
        stopping = not nobody and not locks.available(home.users_lock, locks.SHARED)
        if nobody or stopping:
            os.close(locks.acquire(home.servers_lock, locks.EXCLUSIVE, STOP_TIMEOUT))
            _reap(home)


def _reap(home: Home) -> None:
    """Take the exit status of a guardian of ours that has ended."""
    if process := _guardians.pop(home.path, None):
        process.wait()
