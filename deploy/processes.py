"""Runs a few commands for as long as it lives: starts them, restarts what dies, stops all of them in the end."""

import logging
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

log = logging.getLogger("ntkd.deploy")

LAUNCH = Path(__file__).with_name("launch.py")
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 5.0
SETTLED = 10.0
POLL = 0.1


@dataclass(frozen=True)
class Account:
    """A system account that a command runs as."""

    name: str
    uid: int
    gid: int


@dataclass(frozen=True)
class Command:
    """What to run: `env` is its whole environment, `grace` the seconds it has between `stop_signal` and SIGKILL.

    `death_signal` is what it gets when this process is killed and cannot ask, wait and insist.
    """

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    stop_signal: signal.Signals = signal.SIGTERM
    death_signal: signal.Signals = signal.SIGKILL
    grace: float = 30.0
    cwd: Path | None = None
    log: Path | None = None
    account: Account | None = None
    keep_fds: tuple[int, ...] = ()

    def launcher(self) -> list[str]:
        """The command line of the process that becomes this command."""
        uid, gid = ("-", "-") if self.account is None else (str(self.account.uid), str(self.account.gid))
        head = [sys.executable, "-I", "-S", str(LAUNCH), str(int(self.death_signal)), str(os.getpid()), uid, gid]
        return [*head, shutil.which(self.argv[0]) or self.argv[0], *self.argv[1:]]


class Child:
    """One command and the process it runs in, a leader of its own process group."""

    def __init__(self, command: Command) -> None:
        self.command = command
        self.failures = 0
        self.process: subprocess.Popen[bytes] | None = None
        self._began = self._due = 0.0

    @property
    def pid(self) -> int | None:
        """The process id while there is a process."""
        return None if self.process is None else self.process.pid

    def poll(self) -> None:
        """Start the command where it does not run and its pause is over."""
        if self.process is not None and self.process.poll() is not None:
            self._bury(self.process)
        if self.process is None and time.monotonic() >= self._due:
            self._start()

    def ask_to_stop(self) -> None:
        """Send the stop signal to the command alone: it knows how to end its own children."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(self.command.stop_signal)

    def end(self, deadline: float) -> None:
        """Wait until `deadline` (monotonic seconds) for the process to end, then kill its whole group."""
        if self.process is None:
            return
        try:
            self.process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            log.warning("%s did not stop in %.0f s and is killed", self.command.name, self.command.grace)
        _kill_group(self.process)
        self.process.wait()
        self.process = None

    def _start(self) -> None:
        command = self.command
        with _output(command.log) as output:
            self.process = subprocess.Popen(
                command.launcher(),
                env=dict(command.env),
                cwd=command.cwd,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=command.keep_fds,
                process_group=0,
            )
        self._began = time.monotonic()

    def _bury(self, process: subprocess.Popen[bytes]) -> None:
        _kill_group(process)
        lived = time.monotonic() - self._began
        self.failures = 1 if lived > SETTLED else self.failures + 1
        pause = min(FIRST_PAUSE * 2 ** (self.failures - 1), LONGEST_PAUSE)
        self._due = time.monotonic() + pause
        self.process = None
        log.warning("%s ended with %s; again in %.1f s", self.command.name, process.returncode, pause)


class Supervisor:
    """Keeps commands running, by calls of `poll` or, inside `with supervisor.running():`, by a thread of its own."""

    def __init__(self, commands: Sequence[Command], also: Callable[[], object] = lambda: None) -> None:
        self.children = [Child(command) for command in commands]
        self._also = also
        self._stopping = threading.Event()

    def poll(self) -> None:
        """One round: start what does not run. Call it from one thread only, the one whose end ends the children."""
        for child in self.children:
            child.poll()

    def stop(self) -> None:
        """Ask all commands to stop at once, and kill those that do not in their grace."""
        asked = time.monotonic()
        for child in self.children:
            child.ask_to_stop()
        for child in self.children:
            child.end(asked + child.command.grace)

    @contextmanager
    def running(self) -> Iterator["Supervisor"]:
        """Supervise in the background for the length of the block; stops everything at its end."""
        thread = threading.Thread(target=self._run, name="supervisor")
        thread.start()
        try:
            yield self
        finally:
            self._stopping.set()
            thread.join()

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                self._round()
                self._stopping.wait(POLL)
        finally:
            self.stop()

    def _round(self) -> None:
        try:
            self.poll()
            self._also()
        except Exception:
            log.exception("a round of supervision failed; the next one tries again")


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError, PermissionError):  # macOS says EPERM of a group of zombies
        os.killpg(process.pid, signal.SIGKILL)


@contextmanager
def _output(path: Path | None) -> Iterator[IO[bytes] | None]:
    if path is None:
        yield None
        return
    with path.open("ab") as output:
        yield output
