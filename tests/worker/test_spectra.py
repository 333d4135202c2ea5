"""The top of a spectrum, spread over real workers."""

import os
import signal
from uuid import UUID

import numpy as np
import pytest
import torch
from sqlalchemy import text

from contracts import spectrum_plan, spectrum_spread
from contracts.jobs import State
from contracts.settings import MIB
from contracts.spectra import SpectrumSpec
from ntk_engine import infinite
from ntk_engine.architecture import mlp
from tests.worker.conftest import System
from tests.worker.test_jobs import stored

POINTS, TOP = 1400, 5
X = np.random.default_rng(8).normal(size=(POINTS, 20))
NETWORK = {"type": "mlp", "depth": 3}


@pytest.fixture(autouse=True)
def every_band_pays(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bands are for matrices of passes of a minute; here there are four of them, of milliseconds."""
    monkeypatch.setattr(spectrum_spread, "BAND_SECONDS", 1e-9)
    monkeypatch.setattr(spectrum_spread, "MOST_BANDS", 4)
    monkeypatch.setattr(spectrum_spread, "EXCHANGE_SHARE", np.inf)
    monkeypatch.setattr(spectrum_plan, "TILES_BYTES", MIB)


def spread(system: System, *, of_job: bool, centred: bool = False) -> UUID:
    """A spectrum whose matrix is read, or computed, anew in every pass: the worker has no room for it."""
    dataset = system.dataset(X, "f" * 32)
    components = {"count": 3}
    if of_job:
        kernel = system.kernel(dataset)
        system.wait(kernel)
        asked = {"kernel": str(kernel)}
    else:
        asked = {"dataset": dataset, "architecture": NETWORK}
    usual = system.settings
    system.settings = usual.model_copy(update={"memory_bytes": (120 if of_job else 25) * MIB})
    try:
        wanted = {"top": TOP, "vectors": True, "components": components, "centred": centred}
        return system.submit(SpectrumSpec.model_validate(asked | wanted), ring=2)
    finally:
        system.settings = usual


def check(system: System, job: UUID, *, centred: bool = False) -> None:
    """Against the whole matrix, and nothing is left of what parts handed on."""
    done = system.job(job)
    assert done.state is State.SUCCEEDED, done.error
    k = infinite.kernel(mlp(3), torch.from_numpy(X)).ntk.numpy() / POINTS
    if centred:
        k = k - k.mean(axis=0) - k.mean(axis=1)[:, None] + k.mean()
    values, vectors = (part[..., ::-1] for part in np.linalg.eigh(k))
    bounds = {array.name: array.error_bound for array in done.arrays}
    assert not {name for name in bounds if name.startswith("iteration")}
    assert bounds["eigenvalues"] is not None
    assert bounds["eigenvalues"] < 2e-12 * values[0]
    apart = np.abs(stored(system, job, "eigenvalues")[:, 0] - values[:TOP])
    assert (apart <= bounds["eigenvalues"] + POINTS * np.finfo(float).eps * values[0]).all()
    unstated = {"clusters", "eigenvectors_bound", "components_bound"}
    assert {name for name, bound in bounds.items() if bound is None} == unstated
    found, off = stored(system, job, "eigenvectors"), stored(system, job, "eigenvectors_bound")[:, 0]
    np.testing.assert_array_equal(stored(system, job, "components_bound")[:, 0], off[:3])
    # numpy's own errors are of N eps λ_1 over the gap.
    gaps = -np.diff(values[: TOP + 1])
    own = POINTS * np.finfo(float).eps * values[0] / np.minimum(gaps, np.append(np.inf, gaps[:-1]))
    for i in range(TOP):
        v = vectors[:, i] * np.sign(vectors[:, i] @ found[:, i])
        assert np.linalg.norm(found[:, i] - v) <= off[i] + own[i]
    # Residuals of 1e-12 λ_1 over the gap, all of which the probe of what is beneath lets one see.
    assert (off <= 1e-11 * values[0] / np.minimum(gaps, np.append(np.inf, gaps[:-1]))).all()
    np.testing.assert_allclose(stored(system, job, "components"), found[:, :3] * POINTS**0.5, rtol=1e-12)
    assert done.progress.done == done.progress.total
    with system.database.read() as read:
        # Of this test's arrays: tests before it are cleared away without their pieces.
        left = """SELECT count(*) FROM piece WHERE array_id NOT IN (SELECT id FROM stored_array)
            AND array_id > (SELECT min(id) FROM stored_array)"""
        assert read.execute(text(left)).scalar_one() == 0


@pytest.mark.parametrize(("of_job", "centred"), [(True, False), (False, False), (True, True)])
def test_bands_of_workers_make_the_spectrum(system: System, of_job: bool, centred: bool) -> None:
    system.start("worker")
    system.start("worker")
    job = spread(system, of_job=of_job, centred=centred)
    assert system.wait(job).parts > 4 * 4
    check(system, job, centred=centred)


def test_a_worker_that_dies_on_the_way_costs_nothing(system: System) -> None:
    first = system.start("worker")
    system.start("worker")
    system.start("sweeper")
    job = spread(system, of_job=False)
    system.wait(job, until=lambda job: job.progress.done >= 5)
    os.killpg(first.pid, signal.SIGKILL)
    system.wait(job)
    check(system, job)
