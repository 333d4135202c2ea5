"""Whole jobs on real workers, and what killing any of them does: nothing."""

import os
import signal
import subprocess

import numpy as np
import psutil
import pytest
import torch

from contracts.jobs import State
from contracts.spectra import SpectrumSpec
from contracts.tiling import LARGEST_TILE
from ntk_engine import infinite
from ntk_engine.architecture import mlp
from storage import arrays
from tests.worker.conftest import System

POINTS = 1400  # enough for the top of a spectrum to be streamed
X = np.random.default_rng(7).normal(size=(POINTS, 20))


def stored(system: System, job: object, name: str) -> np.ndarray:
    with system.database.read() as read:
        array = arrays.of_job(read, job)[name]
    return arrays.block(system.database, array, slice(0, array.plan.rows))


def expected(depth: int) -> infinite.Kernel:
    """Block by block as workers cut it: products of other shapes sum in another order."""
    torch.set_num_threads(1)
    rows = infinite.rows(torch.from_numpy(X))
    whole = infinite.Kernel({name: torch.empty(POINTS, POINTS, dtype=torch.float64) for name in infinite.KERNELS})
    for at in infinite.blocks(POINTS, POINTS, LARGEST_TILE, gram=True):
        part = infinite.tile(mlp(depth=depth), rows, rows, at)
        for name, array in part.arrays.items():
            whole.arrays[name][at.rows, at.columns] = array
            whole.arrays[name][at.columns, at.rows] = array.mT
    return whole


def test_a_kernel_and_its_spectrum(system: System) -> None:
    system.start("worker")
    kernel = system.kernel(system.dataset(X, "d" * 32))
    spectrum = system.submit(SpectrumSpec(kernel=kernel, vectors=True))
    top = system.submit(SpectrumSpec(kernel=kernel, top=3))
    done = system.wait(kernel)
    assert (done.state, done.device, done.progress.done) == (State.SUCCEEDED, "cpu", done.progress.total)
    twin = expected(3)
    np.testing.assert_array_equal(stored(system, kernel, "ntk"), twin.ntk.numpy())
    np.testing.assert_array_equal(stored(system, kernel, "nngp"), twin.nngp.numpy())
    assert system.wait(spectrum).state is State.SUCCEEDED
    values = stored(system, spectrum, "eigenvalues")[:, 0]
    vectors = stored(system, spectrum, "eigenvectors")
    exact = np.linalg.eigvalsh(twin.ntk.numpy() / POINTS)[::-1]
    # Backward error of a symmetric eigensolver: a small multiple of N ulp of the largest eigenvalue.
    bound = POINTS * np.finfo(float).eps * exact[0]
    np.testing.assert_allclose(values, exact, rtol=0, atol=bound)
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(POINTS), atol=POINTS * np.finfo(float).eps)
    assert stored(system, spectrum, "residuals").max() < bound
    system.wait(top)
    # An eigenvalue errs by no more than its residual, which the iteration brings to 1e-12 of the largest.
    np.testing.assert_allclose(
        stored(system, top, "eigenvalues")[:, 0], exact[:3], rtol=0, atol=bound + 1e-12 * exact[0]
    )


def test_a_fault_of_the_question_fails_the_job_once(system: System) -> None:
    system.start("worker")
    huge = system.kernel(system.dataset(np.full((3, 2), 1e30), "e" * 32), dtype="float32")
    failed = system.wait(huge)
    assert (failed.state, failed.attempts) == (State.FAILED, 1)
    assert failed.error is not None
    assert failed.error.type == "/problems/computation-failed"


def children(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    return psutil.Process(process.pid).children(recursive=True)


@pytest.mark.parametrize("victim", ["worker", "child", "everything of the worker"])
def test_killing_in_the_middle_costs_nothing(system: System, victim: str) -> None:
    first, second = system.start("worker"), system.start("worker")
    system.start("sweeper")
    kernel = system.kernel(system.dataset(X, "d" * 32), depth=60, ring=2)
    system.wait(kernel, until=lambda job: job.progress.done > 0)
    if victim == "worker":
        first.kill()
    elif victim == "child":
        for child in children(first):
            child.kill()
    else:
        os.killpg(first.pid, signal.SIGKILL)
    done = system.wait(kernel)
    assert done.state is State.SUCCEEDED
    np.testing.assert_array_equal(stored(system, kernel, "ntk"), expected(60).ntk.numpy())
    assert second.poll() is None


def test_a_lost_ring_is_rung_again(system: System) -> None:
    system.start("worker")
    system.start("sweeper")
    kernel = system.kernel(system.dataset(X, "d" * 32), ring=0)
    assert system.wait(kernel).state is State.SUCCEEDED


def test_a_stopped_worker_gives_its_part_back(system: System) -> None:
    worker = system.start("worker")
    kernel = system.kernel(system.dataset(X, "d" * 32), depth=4000)
    system.wait(kernel, until=lambda job: job.state is State.RUNNING)
    worker.terminate()
    assert worker.wait(timeout=30) == 0
    left = system.job(kernel)
    assert left.state is State.QUEUED
    assert left.error is None


@pytest.mark.skipif(torch.cuda.is_available(), reason="the device would be there")
def test_a_worker_whose_device_is_not_there_ends_and_eats_no_rings(system: System) -> None:
    worker = system.start("worker", NTKD_DEVICE="cuda:0")
    worker.wait(timeout=60)
    assert "worker.unusable" in system.logs()


def test_a_cancelled_job_stops(system: System) -> None:
    from storage.jobs import transitions

    system.start("worker")
    kernel = system.kernel(system.dataset(X, "d" * 32), depth=4000)
    system.wait(kernel, until=lambda job: job.state is State.RUNNING)
    with system.database.begin() as write:
        transitions.cancel(write, kernel)
    following = system.kernel(system.dataset(X, "d" * 32), depth=1)
    assert system.wait(following).state is State.SUCCEEDED
    assert system.job(kernel).progress.done < system.job(kernel).progress.total


def test_several_workers_share_a_job(system: System) -> None:
    """However long one of them takes to load: the job is there until both have had a part of it."""
    from sqlalchemy import text

    from storage.jobs import transitions

    system.start("worker")
    system.start("worker")
    system.start("sweeper")
    kernel = system.kernel(system.dataset(X, "d" * 32), depth=4000, ring=2)

    def workers(_: object) -> bool:
        with system.database.read() as read:
            found = read.execute(text("SELECT count(DISTINCT worker) FROM part WHERE job_id = :j"), {"j": kernel})
            return bool(found.scalar_one() == 2)

    system.wait(kernel, until=workers)
    with system.database.begin() as write:
        transitions.cancel(write, kernel)
