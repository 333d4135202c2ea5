"""Kernels of finite networks against others and the matrix product: `python -m benchmarks.finite [--wide]`.

ReLU, L = 4, n_0 = 784, all k×k entries of a Gram matrix. Every case runs in a process of its own, ours and the peers'
one after the other, one core each; core-seconds are the best of several runs. NTKD_PEER_PYTHON names a Python that has
neural-tangents (see peers/nt_finite.py) and NTKD_NNGEOMETRY_PYTHON one that has nngeometry; without, they are left out.
Writes its table into docs/performance.md, between its marks.
"""

import argparse
import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path

import torch

from benchmarks.infinite import gemm_rate, run
from benchmarks.machine import facts, put
from ntk_engine import finite
from ntk_engine.architecture import mlp

PEERS = Path(__file__).parent / "peers"
INPUTS, HIDDEN = 784, 3
# Core-seconds after which a case is not repeated, and how often it is at most.
ENOUGH, MOST = 3.0, 40


@dataclass(frozen=True)
class Case:
    """A kernel to compute."""

    width: int
    points: int
    outputs: int
    dtype: str

    @property
    def arguments(self) -> list[str]:
        return [str(self.width), str(self.points), str(self.outputs), self.dtype]

    @property
    def flops(self) -> float:
        """Of the matrix products alone: there, back for every output, and both Gram matrices of a layer by half."""
        n, wide, rows = self.width, (HIDDEN - 1) * self.width**2, self.points * self.outputs
        passes = self.points * (INPUTS * n + wide + n * self.outputs) + rows * wide
        deltas = rows * (rows + 1) // 2 * HIDDEN * n
        alphas = self.points * (self.points + 1) // 2 * (INPUTS + HIDDEN * n)
        return 2.0 * (passes + deltas + alphas)


def cases(*, wide: bool) -> Iterator[Case]:
    """What is timed."""
    for dtype in ("float32", "float64"):
        for width in (512, 2048, 8192) if wide else (512, 2048):
            for points in (128, 512):
                yield from (Case(width, points, k, dtype) for k in (1, 10) if width < 8192 or k == 1)


def ours(case: Case) -> dict[str, float]:
    """The case in this process."""
    torch.set_num_threads(1)
    dtype, sizes = getattr(torch, case.dtype), [INPUTS, *[case.width] * HIDDEN, case.outputs]
    params = tuple(
        finite.Weights(torch.randn(after, before, dtype=dtype), torch.randn(after, dtype=dtype))
        for before, after in pairwise(sizes)
    )
    x, arch = torch.randn(case.points, INPUTS, dtype=dtype), mlp(HIDDEN + 1, sigma_w=2**0.5, width=case.width)
    before = _peak()
    taken: list[float] = []
    while len(taken) < 2 or (len(taken) < MOST and sum(taken) < ENOUGH):
        used = time.process_time()
        finite.kernel(arch, params, x, kernels=["ntk"])
        taken.append(time.process_time() - used)
    return {"core_seconds": min(taken), "peak": _peak() - before}


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def row(case: Case) -> str:
    """The case's line of the table."""
    commands = {"": [sys.executable, "-m", "benchmarks.finite", "--case", json.dumps(asdict(case))]}
    for variable, script in (("NTKD_PEER_PYTHON", "nt"), ("NTKD_NNGEOMETRY_PYTHON", "nngeometry")):
        if variable in os.environ:
            commands[script] = [os.environ[variable], str(PEERS / f"{script}_finite.py"), *case.arguments]
    with tempfile.TemporaryDirectory() as empty:
        found = {name: run(command, empty) for name, command in commands.items()}
    mine = found[""]
    assert mine is not None
    share = case.flops / gemm_rate(case.dtype) / mine["core_seconds"]
    cells = [*case.arguments, f"{mine['core_seconds'] * 1e3:.1f}", f"{share:.0%}", f"{mine['peak'] / 2**20:.0f}"]
    for name in ("nt", "nngeometry"):
        peer = found.get(name)
        cells += ["–"] * 3 if peer is None else _compared(peer, mine)
    line = "| " + " | ".join(cells) + " |"
    print(line, flush=True)
    return line


def _compared(peer: dict[str, float], mine: dict[str, float]) -> list[str]:
    faster = peer["core_seconds"] / mine["core_seconds"]
    return [f"{peer['core_seconds'] * 1e3:.1f}", f"{peer['peak'] / 2**20:.0f}", f"**{faster:.1f}**"]


def main() -> None:
    """Time every case, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--wide", action="store_true", help="width 8192 too")
    parser.add_argument("--case", help="one case, as JSON, in this process")
    parser.add_argument("--only", default="", help="cases whose WIDTH N K DTYPE begins so; nothing is written")
    asked = parser.parse_args()
    if asked.case:
        print(json.dumps(ours(Case(**json.loads(asked.case)))))
        return
    lines = [row(case) for case in cases(wide=asked.wide) if " ".join(case.arguments).startswith(asked.only)]
    if not asked.only:
        head = ["width", "N", "k", "dtype", "core-ms", "of the product's rate", "MiB"]
        head += ["neural-tangents core-ms", "MiB", "faster", "nngeometry core-ms", "MiB", "faster"]
        rates = f"{gemm_rate('float64') / 1e9:.0f} Gflop/s (float64), {gemm_rate('float32') / 1e9:.0f} (float32)"
        said = f"{facts()}. One core's matrix product: {rates}."
        put("finite", "\n".join([said, "", f"| {' | '.join(head)} |", "|" + "---|" * len(head), *lines]))


if __name__ == "__main__":
    main()
