"""Predictions in function space against neural-tangents and the floor: `python -m benchmarks.predictions [--quick]`.

N = 2048 inputs and 512 test points of 32 dimensions, ReLU, L = 4, one output. Every case runs in a process of its own,
ours and the peer's one after the other, on the same random inputs; the peer is left out where NTKD_PEER_PYTHON names no
Python that has it (see peers/nt_predict.py). The floor is what such a prediction cannot do without: LAPACK's
decomposition, or N³/3 flops of a factor at t = ∞ alone, both when it is cold; 2 n N (N + n) flops of a covariance at a
time; and B, n×N, read for a mean. Writes its table into docs/performance.md, between its marks.
"""

import argparse
import json
import math
import os
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from benchmarks.infinite import best_of, fill_rate, gemm_rate, run
from benchmarks.machine import facts, put
from ntk_engine import function_space, infinite
from ntk_engine.architecture import Architecture, mlp
from ntk_engine.function_space import Blocks

HERE = Path(__file__).parent
N, TEST, INPUTS, DEPTH, MANY = 2048, 512, 32, 4, 20_000
# Seconds after which a case is not repeated, but for the first three times, and how often at most.
ENOUGH, MOST = 6.0, 20


@dataclass(frozen=True)
class Case:
    """A prediction."""

    kind: str
    """mean: from kernels; ensemble: from inputs, with the covariance."""
    mode: str
    """cold, or warm: what is prepared is asked again."""
    times: str
    """A list, or inf."""
    cores: int

    @property
    def asked(self) -> list[float]:
        return [math.inf] if self.times == "inf" else [float(t) for t in json.loads(self.times)]


def cases(cores: int) -> list[Case]:
    """What is timed."""
    times = ("[1]", "inf", "[1, 10, 1000]")
    return [Case(kind, mode, t, cores) for kind in ("mean", "ensemble") for mode in ("cold", "warm") for t in times]


def inputs(count: int, other: int) -> tuple[Tensor, Tensor, Tensor]:
    """Inputs, targets and test points."""
    rng = np.random.default_rng(0)
    x, test = (torch.from_numpy(rng.standard_normal((n, INPUTS))) for n in (count, other))
    return x, torch.sin(x.sum(dim=1, keepdim=True)), test


def network() -> Architecture:
    return mlp(DEPTH, "relu", 0.1, 2**0.5)


def ours(case: Case) -> dict[str, float]:
    """The case in this process."""
    torch.set_num_threads(case.cores)
    x, y, test = inputs(N, TEST)
    arch = network()
    infinite.prepare(arch)

    def kernels() -> tuple[Blocks, Blocks]:
        made = [infinite.kernel(arch, *pair, threads=case.cores).arrays for pair in ((x,), (test, x), (test,))]
        ntk, nngp = (Blocks(*(arrays[name] for arrays in made)) for name in ("ntk", "nngp"))
        return ntk, nngp

    def prepared(ntk: Blocks, nngp: Blocks) -> function_space.Gaussian:
        if case.kind == "mean":
            return function_space.gaussian(ntk, None, y, case.asked, start="zero", covariance="none")
        return function_space.gaussian(ntk, nngp, y, case.asked)

    def ended(ntk: Blocks, nngp: Blocks) -> object:
        if case.kind == "mean":
            return function_space.final(ntk, None, y, start="zero", covariance="none")
        return function_space.final(ntk, nngp, y)

    there = kernels() if case.kind == "mean" or case.mode == "warm" else None
    if case.mode == "warm":
        assert there is not None
        again = prepared(*there)
        return timed(lambda: [again.test_at(t) for t in case.asked])
    if case.times == "inf":
        return timed(lambda: ended(*(there or kernels())))
    return timed(lambda: [prepared(*(there or kernels())).test])


def timed(call: Callable[[], object]) -> dict[str, float]:
    """The best of several calls after the first."""
    taken: list[tuple[float, float]] = []
    while len(taken) < 4 or (len(taken) < MOST and sum(wall for wall, _ in taken) < ENOUGH):
        began, used = time.perf_counter(), time.process_time()
        call()
        taken.append((time.perf_counter() - began, time.process_time() - used))
    best = min(taken[1:])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"seconds": best[0], "core_seconds": best[1], "peak": peak}


def many() -> dict[str, float]:
    """The end of training on more points than a decomposition is made of, in this process."""
    x, y, test = inputs(MANY, TEST)
    infinite.prepare(network())
    began, used = time.perf_counter(), time.process_time()
    found = function_space.ended(network(), x, y)
    at = found.at(test)
    wall, core = time.perf_counter() - began, time.process_time() - used
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"seconds": wall, "core_seconds": core, "peak": peak, "bound": at.error_bound}


def floor(case: Case) -> float:
    """Core-seconds."""
    rate, count = gemm_rate("float64"), len(case.asked)
    found = count * 8 * TEST * N / fill_rate()
    if case.kind == "ensemble":
        found += count * 2 * TEST * N * (N + TEST) / rate
    if case.mode == "warm":
        return found
    return found + (N**3 / 3 / rate if case.times == "inf" else decomposition())


@cache
def decomposition() -> float:
    """Seconds of LAPACK's, on one core."""
    torch.set_num_threads(1)
    k = infinite.kernel(network(), inputs(N, 1)[0]).arrays["ntk"]
    return best_of(lambda: torch.linalg.eigh(k), 3)


def row(case: Case, python: str | None) -> str:
    """The case's line of the table."""
    home = os.environ.get("XDG_CACHE_HOME", str(Path.home() / ".cache"))
    mine = run([sys.executable, "-m", "benchmarks.predictions", "--case", json.dumps(asdict(case))], home)
    assert mine is not None
    asked = [case.kind, case.mode, case.times, str(case.cores)]
    theirs = run([python, str(HERE / "peers/nt_predict.py"), *asked], home) if python else None
    cells = [f"{case.kind}, {case.mode}", case.times.strip("[]"), *numbers(mine)]
    cells.append(f"{mine['core_seconds'] / floor(case):.2f}")
    if theirs is None:
        return line([*cells, *["–"] * 5])
    quotients = [f"**{theirs['seconds'] / mine['seconds']:.1f}**", f"{mine['peak'] / theirs['peak']:.2f}"]
    return line([*cells, *numbers(theirs), *quotients])


def numbers(found: dict[str, float]) -> list[str]:
    return [f"{found['seconds']:.3g}", f"{found['core_seconds']:.3g}", f"{found['peak'] / 2**20:.0f}"]


def line(cells: list[str]) -> str:
    found = f"| {' | '.join(cells)} |"
    print(found, flush=True)
    return found


def main() -> None:
    """Time every case, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="leave out 20,000 inputs")
    parser.add_argument("--cores", type=int, default=2, help="that each may use")
    parser.add_argument("--case", help="one case, as JSON, in this process; many: that of 20,000 inputs")
    parser.add_argument("--only", default="", help="cases whose kind begins so; nothing is written")
    asked = parser.parse_args()
    if asked.case:
        torch.set_num_threads(asked.cores)
        print(json.dumps(many() if asked.case == "many" else ours(Case(**json.loads(asked.case)))))
        return
    python = os.environ.get("NTKD_PEER_PYTHON")
    lines = [row(case, python) for case in cases(asked.cores) if case.kind.startswith(asked.only)]
    if asked.only:
        return
    if not asked.quick:
        command = [sys.executable, "-m", "benchmarks.predictions", "--case", "many", "--cores", str(asked.cores)]
        found = run(command, os.environ.get("XDG_CACHE_HOME", str(Path.home() / ".cache")), longest=600.0)
        if found:
            lines.append(line([f"mean, cold, N = {MANY}", "inf", *numbers(found), *["–"] * 6]))
    head = [
        "case",
        "t",
        "s",
        "core-s",
        "MiB",
        "core-s / floor",
        "peer s",
        "peer core-s",
        "peer MiB",
        "faster",
        "memory",
    ]
    table = [f"| {' | '.join(head)} |", "|" + "---|" * len(head), *lines]
    put("predictions", "\n".join([f"{facts()}, of which {asked.cores} used.", "", *table]))


if __name__ == "__main__":
    main()
