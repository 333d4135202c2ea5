"""The main job on real digits, from nothing to the paper's eigenvalues: `python -m deploy.demo`."""

import signal
import sys
import time
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from client import Client, Dataset, JobHandle, NtkdError
from client.cli.progress import JobProgress
from client.cli.words import shape_text
from contracts.jobs import Job
from contracts.settings import Settings
from deploy import embedded
from deploy.up import StartError, system

POINTS = 512
SOURCE = {"type": "mnist", "sample": POINTS, "seed": 0, "scale": "unit"}
# Jacot, Gabriel, Hongler (2018), Section 6.3: the leading eigenvalues of Θ/N for a batch of 512 digits.
PAPER = (0.0457, 0.00108, 0.00078)
# Mean and standard deviation of the same three over the samples of seeds 0 to 23, computed by this engine.
SPREAD = ((0.04573, 0.00029), (0.001149, 0.000070), (0.000841, 0.000034))

out = Console(highlight=False, soft_wrap=True)


def main() -> None:
    """Start the system, compute, show, and stop what was started."""
    signal.signal(signal.SIGTERM, _stop)
    settings = Settings()
    # Any free port: `ntkd up` may be running beside this. One worker: the job has one part.
    settings = settings.model_copy(update={"port": 0, "workers": settings.workers or 1})
    try:
        _demo(settings)
    except (StartError, embedded.EmbeddedError, NtkdError) as error:
        sys.exit(f"ntkd: {error}")
    except KeyboardInterrupt:
        sys.exit("ntkd: stopped; what was computed is kept, and the demo goes on from there the next time")


def _demo(settings: Settings) -> None:
    began = time.monotonic()
    out.print("Starting PostgreSQL, Valkey, the API, workers and the sweeper …")
    with system(settings, quiet=True) as url, Client(url) as client:
        out.print(f"Ready at {url} after {time.monotonic() - began:.1f} s.")
        digits = client.dataset_from(SOURCE, labels="one_hot", name="the demo's digits")
        out.print(f"Dataset {digits.id}: {POINTS} digits, pixels/255, out of {digits.info.provenance}.")
        network = client.submit_kernel(digits, depth=5, activation="relu", beta=0.1, kernels=["ntk"])
        kernel = _compute("NTK Θ of a ReLU network, L = 5, β = 0.1", network)
        spectrum = _compute("Spectrum of Θ/N", client.submit_spectrum(kernel))
        _show_eigenvalues(spectrum.array("eigenvalues"))
        _show_places(digits, kernel.job, spectrum.job)
        out.print("Stopping what was started …")
    out.print(f"Done in {time.monotonic() - began:.1f} s.")


def _compute(title: str, handle: JobHandle) -> JobHandle:
    """Wait for the job, and say what it took or that it was there."""
    already = handle.state.finished
    with JobProgress() as progress:
        job = handle.wait(progress=progress)
    assert job.started_at is not None
    assert job.finished_at is not None
    took = f"{(job.finished_at - job.started_at).total_seconds():.1f} s on {job.device}"
    out.print(f"{title}: {'already computed, then in' if already else 'computed in'} {took}.")
    return handle


def _show_eigenvalues(found: NDArray[np.float64]) -> None:
    table = Table("", "these digits", "the paper's batch", "24 batches of 512", title="Leading eigenvalues of Θ/N")
    for i, (paper, (mean, deviation)) in enumerate(zip(PAPER, SPREAD, strict=True)):
        table.add_row(f"λ{i + 1}", f"{found[i]:.5f}", f"{paper:g}", f"{mean:.5f} ± {deviation:.5f}")
    table.add_row("λ1/λ2", f"{found[0] / found[1]:.1f}", f"{PAPER[0] / PAPER[1]:.1f}", "39.9 ± 2.5")
    out.print(table)
    out.print("The paper's batch is another random one; the last column says how far batches lie apart.")


def _show_places(digits: Dataset, *jobs: Job) -> None:
    out.print("Kept in the state directory; `make up` serves the same:")
    out.print(f"  GET /v1/datasets/{digits.id}")
    for job in jobs:
        out.print(f"  GET /v1/jobs/{job.id}")
        for array in job.arrays:
            out.print(f"  GET {array.href}  {shape_text(array)}")


def _stop(_number: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
