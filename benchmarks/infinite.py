"""Analytic kernels against neural-tangents and against the floor: `python -m benchmarks.infinite [--quick]`.

Every case runs in a process of its own, ours and the peer's one after the other, on the same random inputs, with two
cores each. The peer is left out where NTKD_PEER_PYTHON names no Python that has it (see peers/nt_infinite.py). The
floor is one triangle's matrix product at the measured rate of the BLAS, one pass for every layer at the measured rate
of a ReLU layer by the vector maths library, and writing both matrices at the measured rate of filling memory. Writes
its table into docs/performance.md, between its marks.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from ctypes import CDLL, c_long, c_void_p
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import psutil
import torch

from benchmarks.machine import facts, put
from ntk_engine import infinite
from ntk_engine.architecture import mlp

HERE = Path(__file__).parent
CORES = 2
# Seconds that a case may take, and after which it is not repeated a third time.
LONGEST, ENOUGH = 120.0, 60.0


@dataclass(frozen=True)
class Case:
    """A Gram matrix to compute, NNGP and NTK."""

    activation: str
    hidden: int
    points: int
    dimension: int
    dtype: str = "float64"
    sphere: bool = False

    @property
    def arguments(self) -> list[str]:
        sizes = [str(size) for size in (self.hidden, self.points, self.dimension)]
        return [self.activation, *sizes, self.dtype, *(["sphere"] if self.sphere else [])]


def cases(quick: bool) -> list[Case]:
    """What is timed."""
    sizes = (1024, 4096) if quick else (1024, 4096, 16384)
    every = [Case("relu", hidden, n, d) for hidden in (1, 3, 9) for n in sizes for d in (32, 784)]
    every += [Case("relu", 100, 4096, d) for d in (32, 784)]
    every += [Case(name, 3, n, d) for name in ("erf", "gelu", "tanh") for n in sizes for d in (32, 784)]
    every += [Case("relu", hidden, 4096, 784, "float32") for hidden in (3, 9)]
    return every + [Case("relu", hidden, 4096, 784, sphere=True) for hidden in (9, 90)]


def ours(case: Case) -> dict[str, float]:
    """The case in this process."""
    torch.set_num_threads(1)
    x = np.random.default_rng(0).standard_normal((case.points, case.dimension))
    if case.sphere:
        x /= np.linalg.norm(x, axis=1, keepdims=True)
    inputs = torch.from_numpy(x.astype(case.dtype, copy=False))
    arch = mlp(case.hidden + 1, case.activation, 0.1, 2**0.5 if case.activation == "relu" else 1.5)
    taken = []
    for _ in range(4):
        began, used = time.perf_counter(), time.process_time()
        infinite.kernel(arch, inputs, threads=CORES)
        taken.append((time.perf_counter() - began, time.process_time() - used))
        infinite.prepare(arch)  # the first call did not wait for the compiler
        if len(taken) > 1 and sum(wall for wall, _ in taken) > ENOUGH:
            break
    best = min(taken[1:])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"first": taken[0][0], "seconds": best[0], "core_seconds": best[1], "peak": peak}


def run(command: list[str], cache_home: str, longest: float = LONGEST) -> dict[str, float] | None:
    """A case in a process of its own, which finds nothing compiled in `cache_home`; None where it does not end well."""
    environment = os.environ | {"XDG_CACHE_HOME": cache_home}
    try:
        done = subprocess.run(
            command, stdout=subprocess.PIPE, env=environment, cwd=HERE.parent, timeout=longest, check=True
        )
    except subprocess.SubprocessError as error:
        print(error, file=sys.stderr)
        return None
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


def floor(case: Case) -> float:
    """Core-seconds of one triangle, and of writing both matrices."""
    entries, item = case.points * (case.points + 1) / 2, 8 if case.dtype == "float64" else 4
    computed = 2 * case.dimension / gemm_rate(case.dtype) + case.hidden * layer_seconds(case.dtype)
    return entries * computed + 2 * case.points**2 * item / fill_rate()


@cache
def gemm_rate(dtype: str) -> float:
    """Flops a second of one core's matrix product, on tiles as the engine takes them."""
    torch.set_num_threads(1)
    x = torch.randn(512, 784, dtype=getattr(torch, dtype))
    return 2 * 512 * 512 * 784 / best_of(lambda: torch.mm(x, x.mT))


@cache
def layer_seconds(dtype: str) -> float:
    """Seconds of one core for one entry of one ReLU layer."""
    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder, "floor.so")
        flags = ["-O3", "-march=native", "-ffast-math", "-shared", "-fPIC"]
        subprocess.run(["g++", *flags, "-o", library, HERE / "floor.cpp", "-lmvec"], check=True)
        function = CDLL(str(library))["layer_double" if dtype == "float64" else "layer_float"]
    rho, tau = (torch.rand(2**14, dtype=getattr(torch, dtype)) for _ in range(2))
    pointers = c_void_p(rho.data_ptr()), c_void_p(tau.data_ptr()), c_long(len(rho))
    return best_of(lambda: function(*pointers)) / len(rho)


@cache
def fill_rate() -> float:
    """Bytes a second that one core writes into memory that is there."""
    torch.set_num_threads(1)
    matrix = torch.zeros(2**24, dtype=torch.float64)
    return 8 * len(matrix) / best_of(lambda: matrix.fill_(1.0), 10)


def best_of(call: Callable[[], object], times: int = 30) -> float:
    """The shortest of many runs, in seconds."""
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        call()
        taken.append(time.perf_counter() - began)
    return min(taken)


# What the peer took, by case; None where it came to no end.
_peer: dict[Case, dict[str, float] | None] = {}


def peers(case: Case, python: str | None, cache_home: str) -> dict[str, float] | None:
    """What the peer takes, unless a quarter of the points, with a sixteenth of the entries, shows that it cannot."""
    smaller = replace(case, points=case.points // 4)
    if python is None or (smaller in _peer and not _can_grow(_peer[smaller])):
        return None
    _peer[case] = run([python, str(HERE / "peers/nt_infinite.py"), *case.arguments], cache_home)
    return _peer[case]


def _can_grow(found: dict[str, float] | None) -> bool:
    """Whether sixteen times the entries take less than the time and the memory there are."""
    if found is None:
        return False
    return 32 * found["seconds"] < LONGEST and 16 * found["peak"] < psutil.virtual_memory().available


def row(case: Case, peer: str | None) -> str:
    """The case's line of the table."""
    with tempfile.TemporaryDirectory() as empty:
        mine = run([sys.executable, "-m", "benchmarks.infinite", "--case", json.dumps(asdict(case))], empty)
        theirs = peers(case, peer, empty)
    assert mine is not None
    least = floor(case)
    name = f"{case.activation} {case.hidden}{', sphere' if case.sphere else ''}"
    cells = [name, str(case.points), str(case.dimension), case.dtype, f"{mine['seconds']:.3f}", f"{mine['first']:.1f}"]
    cells += [f"{mine['core_seconds'] / least:.2f}", f"{mine['peak'] / 2**20:.0f}"]
    if theirs:
        cells += [f"{theirs['seconds']:.2f}", f"{theirs['first']:.1f}", f"{theirs['peak'] / 2**20:.0f}"]
        cells += [f"**{theirs['seconds'] / mine['seconds']:.1f}**", f"{mine['peak'] / theirs['peak']:.2f}"]
    else:
        cells += ["–"] * 5
    line = "| " + " | ".join(cells) + " |"
    print(line, flush=True)
    return line


def main() -> None:
    """Time every case, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="leave out N = 16384")
    parser.add_argument("--case", help="one case, as JSON, in this process")
    parser.add_argument("--only", default="", help="cases whose activation begins so; nothing is written")
    asked = parser.parse_args()
    if asked.case:
        print(json.dumps(ours(Case(**json.loads(asked.case)))))
        return
    peer = os.environ.get("NTKD_PEER_PYTHON")
    lines = [row(case, peer) for case in cases(asked.quick) if case.activation.startswith(asked.only)]
    if not asked.only:
        write(lines)


def write(lines: list[str]) -> None:
    """Put the table into the documentation."""
    head = ["case, hidden layers", "N", "d", "dtype", "s", "first, s", "core-s / floor", "MiB"]
    head += ["peer s", "peer first, s", "peer MiB", "faster", "memory"]
    table = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head), *lines]
    rates = f"{gemm_rate('float64') / 1e9:.0f} Gflop/s (float64), {gemm_rate('float32') / 1e9:.0f} (float32)"
    passes = f"{layer_seconds('float64') * 1e9:.2f} ns and {layer_seconds('float32') * 1e9:.2f} ns an entry"
    said = f"{facts()}. One core's matrix product: {rates}; a ReLU layer by the vector maths library: {passes}.\n"
    put("infinite", said + "\n" + "\n".join(table))


if __name__ == "__main__":
    main()
