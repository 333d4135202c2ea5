"""Reading an upload takes a few blocks of memory, whatever its size, and leaves no file behind."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from contracts.problems import ProblemError
from datasets.uploads.upload import read_upload

ROOT = Path(__file__).parents[2]
MIB = 2**20
N, D = 33_000, 800  # 201 MiB as float64

READ = """
import json, sys
from datasets.uploads.upload import read_upload
path, limit = sys.argv[1], int(sys.argv[2])
def peak():
    return int(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1])
open("/proc/self/clear_refs", "w").write("5")  # the peak so far, imports included, is forgotten
before = peak()
with open(path, "rb") as file, read_upload(file, path, limit=limit) as content:
    rows = sum(len(block) for block in content.x)
print(json.dumps({"rows": rows, "kib": peak() - before}))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The same 33,000×800 array in several forms, written piece by piece."""
    folder = tmp_path_factory.mktemp("large")
    rows = np.random.default_rng(0).standard_normal((1000, D))
    for name, fortran in (("c.npy", False), ("f.npy", True)):
        with (folder / name).open("wb") as file:
            shape = {"descr": "<f8", "fortran_order": fortran, "shape": (N, D)}
            np.lib.format.write_array_header_1_0(file, shape)
            for _ in range(N // 1000):
                file.write(rows.data)
    np.savez(folder / "stored.npz", x=np.memmap(folder / "c.npy", np.float64, "r", 128, (N, D)))
    line = ",".join(["0"] * D).encode() + b"\n"
    (folder / "zeros.csv").write_bytes(line * (N // 4))  # a quarter: text takes longest
    return folder


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="the peak is measured by Linux's /proc")
@pytest.mark.parametrize("name", ["c.npy", "f.npy", "stored.npz", "zeros.csv"])
def test_the_peak_of_reading_200_mib(folder, name):
    command = [sys.executable, "-c", READ, str(folder / name), str(256 * MIB)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    measured = json.loads(run.stdout)
    assert measured["rows"] == (N // 4 if name == "zeros.csv" else N)
    # There are at once: raw bytes, the converted block, what checks it, a block read back or transposed; each 4 MiB.
    assert measured["kib"] < 32 * 1024


def test_nothing_is_left_behind(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    source = tmp_path / "source"
    source.mkdir()
    bad = np.zeros((3000, 400), order="F")
    bad[2999, 399] = np.nan
    np.savez_compressed(source / "bad.npz", x=np.zeros((3000, 400)), y=bad)
    open_before = len(list(Path("/proc/self/fd").iterdir()))
    with (source / "bad.npz").open("rb") as file, pytest.raises(ProblemError):
        read_upload(file, "bad.npz", limit=64 * MIB)
    assert len(list(Path("/proc/self/fd").iterdir())) == open_before
    assert [entry.name for entry in tmp_path.iterdir()] == ["source"]
