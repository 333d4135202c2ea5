"""A tile's memory is a few arrays of its own size, whatever the inputs."""

import subprocess
import sys

import pytest
import torch

from ntk_engine import infinite
from ntk_engine.architecture import Architecture, mlp, parse

MEASURE = """
import resource, sys, torch
from ntk_engine import infinite
from ntk_engine.architecture import mlp
torch.set_num_threads(1)
x = torch.randn(1024, 784, dtype=torch.float64)
near = x[:1] + 1e-3 * x
infinite.kernel(mlp(3, sys.argv[1]), x[:64])
rows = infinite.rows(near if sys.argv[2] == "near" else x)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
infinite.tile(mlp(3, sys.argv[1]), rows, rows, infinite.Block(slice(0, 512), slice(512, 1024)))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the peak of a process is in KiB on Linux only")
@pytest.mark.parametrize("activation", ["relu", "erf"])
@pytest.mark.parametrize("kind", ["random", "near"])
def test_a_tile_takes_a_few_times_its_own_size(activation: str, kind: str) -> None:
    """Near-duplicates gather 512² pairs of rows of 784 columns: 3 GiB, if they were all gathered at once."""
    command = [sys.executable, "-c", MEASURE, activation, kind]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    arrays = int(done.stdout) / (512 * 512 * 8 / 1024)
    # About 20 arrays live at once in erf's step, ten more in finding near pairs, and the kernels of the matrix product.
    assert arrays < 48


@pytest.mark.parametrize("limit", [0, 2**14])
@pytest.mark.parametrize(
    "network",
    [
        mlp(6),
        mlp(4, "sigmoid"),
        parse(
            [
                "dense",
                {"type": "parallel", "branches": [["relu", "dense"], ["erf", "dense", "relu", "dense"]]},
                "relu",
                "dense",
            ]
        ),
    ],
    ids=["closed", "series", "branches"],
)
def test_what_rows_may_not_keep_is_computed_for_each_tile(
    network: Architecture, limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    x = torch.randn(90, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    kept = infinite.kernel(network, x, block=16)
    monkeypatch.setattr(sys.modules["ntk_engine.infinite.rows"], "_KEPT_BYTES", limit)
    found = infinite.kernel(network, x, block=16)
    scale = kept.ntk.diagonal().sqrt().outer(kept.ntk.diagonal().sqrt())
    # Coefficients of a series depend on the range of roots, by roundings in each of three layers.
    assert bool(((found.ntk - kept.ntk).abs() <= 1e-14 * scale).all())
