"""Any process may be killed at any moment: every job succeeds, every tile is stored once, no bit differs."""

import random
import time
from collections.abc import Iterator
from contextlib import suppress

import numpy as np
import psutil
import pytest

from ntkd import Client, JobHandle, Unreachable
from tests.e2e.conftest import Running, running

JOBS, KILLS, PAUSE = 20, 12, 1.5
X = np.random.default_rng(11).normal(size=(1100, 16))
SETTINGS = {"workers": "2", "lease_seconds": "3", "sweep_seconds": "0.5", "max_attempts": "20", "port": "0"}
# Words on the command lines of what may be killed.
VICTIMS = ("worker.app", "spawn_main", "api.app", "worker.sweeper", "valkey", "postgres")


@pytest.fixture(scope="module")
def battered() -> Iterator[Running]:
    with running(**SETTINGS) as made:
        yield made


@pytest.fixture(scope="module")
def undisturbed() -> Iterator[Running]:
    with running(workers="1", port="0") as made:
        yield made


def submit(client: Client, depths: range) -> list[JobHandle]:
    dataset = client.dataset(X)
    return [client.submit_kernel(dataset, depth=depth, kernels=["ntk"]) for depth in depths]


def kill_something(system: Running, rng: random.Random) -> str:
    word = rng.choice(VICTIMS)
    processes = system.find(word)
    if processes:
        with suppress(psutil.NoSuchProcess):
            rng.choice(processes).kill()
    return f"{word}{'' if processes else ' (not there)'}"


def wait_for(job: JobHandle, seconds: float) -> str:
    """The job's final state, however often the API goes away meanwhile."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with suppress(Unreachable):
            job.wait(timeout=max(end - time.monotonic(), 0.1))
            break
    return job.refresh().state


def test_killing_costs_nothing(battered: Running, undisturbed: Running) -> None:
    rng, depths, killed = random.Random(5), range(20, 20 + JOBS), []
    with Client(battered.url, timeout=60, patience=60) as client:
        jobs = submit(client, depths)
        for _ in range(KILLS):
            time.sleep(PAUSE)
            killed.append(kill_something(battered, rng))
        states = [wait_for(job, 180) for job in jobs]
        assert states == ["succeeded"] * JOBS, (killed, battered.lines[-50:])
        found = [job.array("ntk") for job in jobs]
    with Client(undisturbed.url, timeout=60) as client:
        for matrix, job in zip(found, submit(client, depths), strict=True):
            job.wait()
            np.testing.assert_array_equal(matrix, job.array("ntk"))
