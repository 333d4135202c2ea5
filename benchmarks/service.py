"""What the service costs beside its engine: `python -m benchmarks.service [POINTS]`, on a system of its own.

Small-job latency, one worker against two, download rate, and the peak memory of every process. The floor of a large
job is the engine on the same tiles in this process, one thread, in the same run.
"""

import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np
import psutil
import torch

from contracts.settings import MIB, Settings
from deploy.up import system
from ntk_engine import infinite
from ntk_engine.architecture import mlp
from ntkd import Client

DIMENSION, DEPTH, SMALL, REPEATS, TILE = 784, 5, 64, 100, 512
# Words on the command lines of the processes whose memory is watched.
PROCESSES = {"worker": "spawn_main", "celery": "worker.app", "api": "api.app", "sweeper": "worker.sweeper"}


@contextmanager
def watched_memory() -> Iterator[dict[str, int]]:
    """Peak resident bytes of the largest process of each sort below this one, filled in while the block runs."""
    peak, stop = dict.fromkeys(PROCESSES, 0), threading.Event()

    def watch() -> None:
        while not stop.wait(0.1):
            for child in psutil.Process().children(recursive=True):
                try:
                    line, size = " ".join(child.cmdline()), child.memory_info().rss
                except psutil.Error:
                    continue
                for name, word in PROCESSES.items():
                    if word in line:
                        peak[name] = max(peak[name], size)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield peak
    finally:
        stop.set()
        thread.join()


@contextmanager
def running(workers: int) -> Iterator[str]:
    """A warm system with an empty state directory."""
    with tempfile.TemporaryDirectory(prefix="ntkd-bench-") as state:
        Path(state).chmod(0o711)
        settings = Settings(state_dir=Path(state), port=0, workers=workers)
        with system(settings, quiet=True) as url:
            with Client(url) as client:
                for seed in range(4):
                    client.kernel(np.random.default_rng(seed).normal(size=(SMALL, 10)))
            yield url


def latency(url: str) -> tuple[float, float]:
    """Median and 90th percentile of POST /v1/kernels with Prefer: wait, new points each time, in seconds."""
    taken = []
    with Client(url) as client, httpx.Client(base_url=url, timeout=60) as plain:
        for seed in range(REPEATS):
            dataset = client.dataset(np.random.default_rng(1000 + seed).normal(size=(SMALL, 10)))
            body = {"dataset": dataset.id, "architecture": {"type": "mlp", "depth": 3}}
            began = time.perf_counter()
            answer = plain.post("/v1/kernels", json=body, headers={"Prefer": "wait=20"})
            taken.append(time.perf_counter() - began)
            assert answer.json()["state"] == "succeeded", answer.text
    return statistics.median(taken), statistics.quantiles(taken, n=10)[-1]


def large_job(url: str, points: int) -> tuple[float, float]:
    """Seconds from submission to success of a Gram matrix, and the rate of its download in bytes a second."""
    with Client(url, timeout=600) as client:
        dataset = client.dataset_from({"type": "gaussian", "points": points, "dimension": DIMENSION, "seed": 0})
        began = time.perf_counter()
        job = client.submit_kernel(dataset, depth=DEPTH, kernels=("ntk",))
        job.wait()
        computed = time.perf_counter() - began
        began = time.perf_counter()
        with httpx.stream("GET", url + job.job.arrays[0].href, timeout=600) as answer:
            size = sum(len(piece) for piece in answer.iter_raw())
        return computed, size / (time.perf_counter() - began)


def engine_alone(points: int) -> float:
    """Core-seconds of the same tiles without the service."""
    torch.set_num_threads(1)
    x = torch.from_numpy(np.random.default_rng(0).normal(size=(points, DIMENSION)))
    arch = mlp(DEPTH)
    infinite.prepare(arch)
    began = time.perf_counter()
    rows, work = infinite.rows(x), infinite.Workspace()
    for block in infinite.blocks(points, points, TILE, gram=True):
        infinite.tile(arch, rows, rows, block, work, kernels=("ntk",))
    return time.perf_counter() - began


def main() -> None:
    """Print the table."""
    points = int(sys.argv[1]) if len(sys.argv) > 1 else 8192
    alone = engine_alone(points)
    print(
        f"engine alone, one thread: {alone:.2f} core-seconds (N = {points}, d = {DIMENSION}, L = {DEPTH}, NTK, float64)"
    )
    for workers in (1, 2):
        with watched_memory() as peak, running(workers) as url:
            median, slow = latency(url)
            seconds, rate = large_job(url, points)
        memory = ", ".join(f"{name} {size / MIB:.0f}" for name, size in peak.items())
        print(
            f"{workers} worker(s): N = {SMALL} median {1e3 * median:.0f} ms, 90 % {1e3 * slow:.0f} ms; "
            f"N = {points} {seconds:.2f} s, {seconds * workers / alone:.2f}x the engine's core-seconds; "
            f"download {rate / MIB:.0f} MiB/s; peak MiB: {memory}",
            flush=True,
        )


if __name__ == "__main__":
    main()
