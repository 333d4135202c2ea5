"""State directories, processes of other accounts, and waiting for what another process does."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deploy import embedded

ROOT = Path(__file__).parents[2]
PATIENCE = 30.0


@pytest.fixture
def state_dir() -> Iterator[Path]:
    """A state directory that an unprivileged account can reach; pytest's own folders are closed to it."""
    parent = Path(tempfile.mkdtemp(prefix="ntkd-state-"))
    parent.chmod(0o711)
    yield parent / ".ntkd"
    embedded.erase(parent / ".ntkd")
    shutil.rmtree(parent)


@pytest.fixture
def eventually() -> Callable[[Callable[[], object]], None]:
    """Wait until a condition on another process holds, and fail when it does not in time."""

    def wait(condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < deadline, "it did not happen in time"
            time.sleep(0.02)

    return wait


@pytest.fixture
def python() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start Python code in a process of its own: it is killed when the test ends."""
    started = []

    def start(code: str, *arguments: object, **options: object) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", code, *map(str, arguments)]
        options = {"cwd": ROOT, "stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True} | options
        process = subprocess.Popen(command, **options)  # type: ignore[call-overload]
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def alive(pid: int) -> bool:
    """Whether there is a process of this number that has not ended; one that has may wait for its parent's reading."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/stat")
    return not status.exists() or status.read_text().rpartition(")")[2].split()[0] != "Z"
