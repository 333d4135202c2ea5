"""The process that runs both servers for as long as anyone uses them: `python -m deploy.embedded.guardian STATE_DIR`.

Users hold a shared lock. When the guardian can have it for itself there are none left, even if they were killed, and
it stops the servers. When the guardian is killed, the servers' death signals stop them.
"""

import logging
import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import NoReturn

from deploy.embedded import locks, postgres, valkey
from deploy.embedded import record as records
from deploy.embedded.home import EmbeddedError, Home, open_home
from deploy.embedded.record import Record
from deploy.processes import Child, Supervisor

ATTEMPTS = 3
STARTING_POLL, POLL = 0.01, 0.1
STOP_TIMEOUT = 60.0


def run(home: Home, lock: int) -> None:
    """Start both servers, say so on the standard output, and keep them until nobody uses them."""
    record = (records.load(home) or Record()).with_free_ports()
    records.save(home, record)  # before initdb: the passwords of data must never be lost
    supervisor = Supervisor([postgres.command(home, record, lock), valkey.command(home, record, lock)])
    try:
        _until_ready(home, record, supervisor)
        _say(records.READY)
        _while_used(home, supervisor)
    finally:
        supervisor.stop()


def _while_used(home: Home, supervisor: Supervisor) -> None:
    while True:
        supervisor.poll()
        with suppress(TimeoutError):
            locks.acquire(home.users_lock, locks.EXCLUSIVE, POLL)
            return  # the lock stays ours until this process ends: newcomers wait, and start the servers anew


def _until_ready(home: Home, record: Record, supervisor: Supervisor) -> None:
    while True:
        supervisor.poll()
        _give_up_on_failures(supervisor)
        if postgres.ready(home, supervisor.children[0].pid) and valkey.ready(record):
            return
        time.sleep(STARTING_POLL)


def _give_up_on_failures(supervisor: Supervisor) -> None:
    for child in supervisor.children:
        if child.failures >= ATTEMPTS:
            raise EmbeddedError(f"{child.command.name} does not start: {_last_words(child)}")


def _last_words(child: Child) -> str:
    path = child.command.log
    return "" if path is None else "\n".join(path.read_text(errors="replace").splitlines()[-8:])


def _say(text: str) -> None:
    """To whoever started this process, if it is still there; then no more."""
    os.write(sys.stdout.fileno(), text.encode())
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    os.close(null)


def _exit(_number: int, _frame: FrameType | None) -> NoReturn:
    sys.exit(0)


def main(state_dir: str) -> None:
    """The guardian's whole life; what stops it from starting goes to the standard output."""
    signal.signal(signal.SIGTERM, _exit)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    try:
        home = open_home(Path(state_dir))
        logging.basicConfig(format="%(asctime)s %(message)s")
        lock = locks.acquire(home.servers_lock, locks.EXCLUSIVE, STOP_TIMEOUT)
        run(home, lock)
    except (EmbeddedError, OSError) as error:
        logging.getLogger("ntkd.deploy").exception("the guardian gives up")
        _say(str(error))
        sys.exit(1)


if __name__ == "__main__":
    main(*sys.argv[1:])
