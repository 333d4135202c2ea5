"""The whole system as a user starts it, with servers of its own; these tests talk to it over HTTP."""

import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import psutil
import pytest

from ntkd import Client

ROOT = Path(__file__).parents[2]
READY = re.compile(r"ntkd is ready: (http://\S+)")


class Running:
    """`python -m deploy.up` with a state directory of its own."""

    def __init__(self, state: Path, **settings: str) -> None:
        variables = {f"NTKD_{name.upper()}": value for name, value in settings.items()}
        environment = os.environ | {"NTKD_STATE_DIR": str(state), "NTKD_PORT": "0"} | variables
        for name in ("NTKD_DATABASE_URL", "NTKD_REDIS_URL"):
            environment.pop(name, None)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "deploy.up"],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.lines: list[str] = []
        self.url = self._read_until_ready()
        self._reader = threading.Thread(target=self._read_on)
        self._reader.start()

    def _read_until_ready(self) -> str:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line)
            if found := READY.search(line):
                return found.group(1)
        raise AssertionError("".join(self.lines))

    def _read_on(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as output:
            self.lines.extend(output)

    def find(self, word: str) -> list[psutil.Process]:
        """Processes below this one that have `word` on their command line."""
        return [p for p in psutil.Process(self.process.pid).children(recursive=True) if word in " ".join(_line(p))]

    def stop(self) -> None:
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        finally:
            self._reader.join(10)


def _line(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


@contextmanager
def running(**settings: str) -> Iterator[Running]:
    """A running system in a fresh state directory."""
    with tempfile.TemporaryDirectory(prefix="ntkd-e2e-") as state:
        Path(state).chmod(0o711)  # as root, the servers' account has to get in
        made = Running(Path(state), **settings)
        try:
            yield made
        finally:
            made.stop()


@pytest.fixture(scope="module")
def system() -> Iterator[Running]:
    with running() as made:
        yield made


@pytest.fixture
def client(system: Running) -> Iterator[Client]:
    with Client(system.url, timeout=120) as made:
        yield made


@pytest.fixture(scope="session")
def reference() -> Path:
    folder = Path(os.environ.get("NTKD_REFERENCE_DATA", ROOT / "../shared/data"))
    if not folder.is_dir():
        pytest.skip(f"there is no reference data at {folder}; NTKD_REFERENCE_DATA names its folder")
    return folder


@pytest.fixture(scope="session")
def train(reference: Path) -> np.ndarray:
    """10,000 training digits in their original order, pixels/255."""
    return np.load(reference / "mnist_train10k.npz")["x"].reshape(10_000, -1) / 255


@pytest.fixture(scope="session")
def test_digits(reference: Path) -> np.ndarray:
    return np.load(reference / "mnist_test10k.npz")["x"].reshape(10_000, -1) / 255
