"""Real workers: the command lines of deploy/commands.py, against the run's PostgreSQL and Valkey."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pytest
import torch
from celery import Celery
from sqlalchemy import text

from contracts.bell import TASK, celery_config
from contracts.jobs import Job, State
from contracts.kernels import KernelSpec
from contracts.kinds import Spec
from contracts.settings import Settings
from deploy.commands import WORKER_ENV, arguments
from ntk_engine.architecture import mlp
from storage.database import Database
from storage.datasets import Description, Rows, store
from storage.jobs import queries
from storage.jobs.submission import submit
from worker.context import Context

ROOT = Path(__file__).parents[2]


def unheard(parts: int) -> None:
    """The bell where nobody listens."""


@contextmanager
def context_on(database_url: str, piece_bytes: int = 0, **settings: Any) -> Iterator[Context]:
    """What parts are computed with in this process, on a database without jobs; pieces are as small as can be."""
    database = Database(database_url)
    with database.begin() as write:
        write.execute(text("TRUNCATE dataset, job CASCADE"))
    yield Context(Settings(**settings), database, torch.device("cpu"), "test", piece_bytes, unheard)
    database.dispose()


class System:
    """A database, a broker, and the processes that a test starts and kills."""

    def __init__(self, settings: Settings, log: Path) -> None:
        self.settings, self.log = settings, log
        self.database = Database(settings.require_database_url())
        self.broker = Celery("test")
        self.broker.conf.update(celery_config(settings))
        self.processes: list[subprocess.Popen[bytes]] = []

    def start(self, name: str, **variables: str) -> subprocess.Popen[bytes]:
        """`name` of the table of commands, in a process group of its own."""
        number = len(self.processes)
        line = [sys.executable, *arguments("127.0.0.1", 0)[name]]
        if name == "worker":
            line += ["--hostname", f"w{number}@%h"]
        values = {
            "NTKD_DATABASE_URL": self.settings.require_database_url(),
            "NTKD_REDIS_URL": self.settings.require_redis_url(),
            "NTKD_QUEUE": self.settings.queue,
            "NTKD_LEASE_SECONDS": str(self.settings.lease_seconds),
            "NTKD_SWEEP_SECONDS": str(self.settings.sweep_seconds),
            # What a killed process leaves goes with the test's folder.
            "TMPDIR": str(self.log),
        }
        with (self.log / f"{name}-{number}.log").open("wb") as output:
            process = subprocess.Popen(
                line,
                cwd=ROOT,
                env=os.environ | WORKER_ENV | values | variables,
                stdout=output,
                stderr=output,
                process_group=0,
            )
        self.processes.append(process)
        return process

    def stop(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self.processes.clear()

    def dataset(self, x: np.ndarray, identity: str) -> str:
        with self.database.begin() as write:
            content = [Rows("x", x.shape, "float64", [x])]
            return store(write, Description(None, {"type": "inline"}, "made here"), content, lambda: identity)

    def submit(self, spec: Spec, *, ring: int = 1) -> UUID:
        with self.database.begin() as write:
            job, _ = submit(write, spec, self.settings, "test")
        for _ in range(ring):
            self.broker.send_task(TASK)
        return job

    def kernel(self, dataset: str, *, depth: int = 3, ring: int = 1, **fields: object) -> UUID:
        return self.submit(KernelSpec(dataset=dataset, architecture=mlp(depth=depth), **fields), ring=ring)

    def job(self, id_: UUID) -> Job:
        with self.database.read() as read:
            found = queries.get(read, id_)
        assert found is not None
        return found

    def wait(self, id_: UUID, seconds: float = 60.0, until: Callable[[Job], bool] | None = None) -> Job:
        """The job once it has finished, or once `until` holds."""
        end = time.monotonic() + seconds
        holds = until or (lambda job: job.state.finished)
        while not holds(job := self.job(id_)):
            assert time.monotonic() < end, f"{job}\n{self.logs()}"
            time.sleep(0.02)
        return job

    def logs(self) -> str:
        return "\n".join(f"== {path.name}\n{path.read_text()[-3000:]}" for path in sorted(self.log.glob("*.log")))

    def clear(self) -> None:
        """No row and no ring left of the test before."""
        with self.database.begin() as write:
            write.execute(text("TRUNCATE dataset, job, idempotency_key CASCADE"))
        self.broker.control.purge()


@pytest.fixture(scope="module")
def module_system(database_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    settings = Settings(database_url=database_url, redis_url=redis_url, lease_seconds=4.0, sweep_seconds=0.2)
    made = System(settings, tmp_path_factory.mktemp("log"))
    yield made
    made.stop()
    made.broker.close()
    made.database.dispose()


@pytest.fixture
def system(module_system: System) -> Iterator[System]:
    """The system without jobs and without processes."""
    module_system.clear()
    yield module_system
    module_system.stop()


__all__ = ["State", "System"]
