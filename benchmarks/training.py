"""Gradient descent against PyTorch, JAX and the floor: `python -m benchmarks.training [--large] [--cores 1]`.

Networks of three hidden layers (2, n, n, n, 1), ReLU, β = 0.1, learning rate 1, least squares on f*(x) = x_1 x_2 at N
points of the circle. Every case runs in a process of its own, ours and the peers' one after another, with two cores
each unless said; JAX is left out where NTKD_PEER_PYTHON names no Python that has it (see peers/jax_training.py). The
floor is what a step cannot do without: each weight read twice and written once at the rate at which a core changes
memory of that size in place, or 6 flops for each weight and input at the rate of its BLAS, whichever is longer, shared
by all cores. Writes its table into docs/performance.md, between its marks.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

import torch

from benchmarks.infinite import best_of, gemm_rate, run
from benchmarks.machine import facts, put
from ntk_engine import finite
from ntk_engine.architecture import mlp
from ntk_engine.costs import LeastSquares

HERE = Path(__file__).parent
# Seconds of a timed run, about.
ONCE = 0.5


@dataclass(frozen=True)
class Case:
    """Networks to train."""

    width: int
    inputs: int
    dtype: str
    seeds: int = 1
    cores: int = 2

    @property
    def weights(self) -> int:
        """Of one network."""
        return 3 * self.width + 2 * self.width * (self.width + 1) + self.width + 1

    @property
    def arguments(self) -> list[str]:
        return [*map(str, (self.width, self.inputs)), self.dtype, *map(str, (self.seeds, self.cores))]


def cases(large: bool, cores: int) -> list[Case]:
    """What is timed."""
    widths = (50, 500, 1000, 10000) if large else (50, 500, 1000)
    dtypes = ("float32", "float64")
    single = [Case(width, inputs, dtype, 1, cores) for inputs in (4, 512) for width in widths for dtype in dtypes]
    return single + [Case(width, 4, dtype, 10, cores) for width in (50, 1000) for dtype in dtypes]


def data(inputs: int, dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
    """Points of the circle, and x_1 x_2."""
    angle = torch.rand(inputs, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * (2.0 * torch.pi)
    x = torch.stack([angle.cos(), angle.sin()], dim=1).to(dtype)
    return x, x[:, :1] * x[:, 1:]


def ours(case: Case) -> float:
    """Seconds of a step."""
    torch.set_num_threads(case.cores)
    dtype, arch = getattr(torch, case.dtype), mlp(depth=4)
    weights = finite.weights(arch, 2, 1, range(case.seeds), width=case.width, dtype=dtype)
    rule, seeds = finite.Rule(learning_rate=1.0), range(case.seeds)
    descent = finite.Descent(arch, weights, *data(case.inputs, dtype), LeastSquares(), rule, seeds)
    return timed(lambda steps: finite.follow(descent, descent.step + steps))


def timed(call: Callable[[int], object]) -> float:
    """Seconds of a step, the least of five runs of as many steps as take about `ONCE`."""
    call(1)
    began = time.perf_counter()
    call(2)
    steps = max(2, min(20000, int(ONCE / (time.perf_counter() - began) * 2)))
    taken = []
    for _ in range(5):
        began = time.perf_counter()
        call(steps)
        taken.append((time.perf_counter() - began) / steps)
    return min(taken)


def seconds(command: list[str]) -> float | None:
    """Of a step, by a process of its own; None where it does not end well."""
    found = run(command, os.environ.get("XDG_CACHE_HOME", str(Path.home() / ".cache")))
    return found["seconds"] if found else None


def floor(case: Case) -> float:
    """Seconds of a step of all networks."""
    moved = 3 * case.weights * (8 if case.dtype == "float64" else 4)
    flops = 6 * case.weights * case.inputs
    longest = max(moved / memory_rate(case.weights, case.dtype), flops / gemm_rate(case.dtype))
    return case.seeds * longest / case.cores


@cache
def memory_rate(numbers: int, dtype: str) -> float:
    """Bytes a second that one core reads and writes in place, in so much memory; no less than a mebibyte."""
    torch.set_num_threads(1)
    x = torch.ones(max(numbers, 2**18), dtype=getattr(torch, dtype))
    return 2 * x.nbytes / best_of(lambda: x.mul_(1.0), 10)


def row(case: Case, jax: str | None) -> str:
    """The case's line of the table."""
    mine = seconds([sys.executable, "-m", "benchmarks.training", "--case", json.dumps(asdict(case))])
    assert mine is not None
    stock = [sys.executable, str(HERE / "peers/torch_training.py"), *case.arguments]
    peers = [
        seconds([*stock, "loop"]),
        seconds([*stock, "vmap"]) if case.seeds > 1 else None,
        seconds([jax, str(HERE / "peers/jax_training.py"), *case.arguments]) if jax else None,
    ]
    cells = [*map(str, (case.width, case.inputs)), case.dtype, str(case.seeds), f"{1e3 * mine:.4g}"]
    cells += [f"{mine / floor(case):.2f}", *("–" if peer is None else f"{1e3 * peer:.4g}" for peer in peers)]
    cells += ["–" if peer is None else f"**{peer / mine:.1f}**" for peer in peers]
    line = "| " + " | ".join(cells) + " |"
    print(line, flush=True)
    return line


def main() -> None:
    """Time every case, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--large", action="store_true", help="width 10,000 too")
    parser.add_argument("--cores", type=int, default=2, help="that each may use")
    parser.add_argument("--case", help="one case, as JSON, in this process")
    parser.add_argument("--only", help="WIDTH,INPUTS,DTYPE,SEEDS of one case; nothing is written")
    asked = parser.parse_args()
    if asked.case:
        print(json.dumps({"seconds": ours(Case(**json.loads(asked.case)))}))
        return
    jax = os.environ.get("NTKD_PEER_PYTHON")
    if asked.only:
        width, inputs, dtype, seeds = asked.only.split(",")
        row(Case(int(width), int(inputs), dtype, int(seeds), asked.cores), jax)
        return
    lines = [row(case, jax) for case in cases(asked.large, asked.cores)]
    head = ["n", "N", "dtype", "seeds", "ms", "ms / floor", "PyTorch ms", "vmap ms", "JAX ms"]
    head += [f"× {peer}" for peer in ("PyTorch", "vmap", "JAX")]
    table = [f"| {' | '.join(head)} |", "|" + "---|" * len(head), *lines]
    put("training", "\n".join([f"{facts()}, of which {asked.cores} used.", "", *table]))


if __name__ == "__main__":
    main()
