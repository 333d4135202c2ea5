"""The demo as a user runs it, twice."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.demo import PAPER, SPREAD


def run_demo(environment: dict[str, str]) -> str:
    command = [sys.executable, "-m", "deploy.demo"]
    done = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_the_demo_comes_to_the_papers_eigenvalues(database_url: str, redis_url: str, tmp_path: Path) -> None:
    environment = {
        "NTKD_DATABASE_URL": database_url,
        "NTKD_REDIS_URL": redis_url,
        "NTKD_QUEUE": "demo",
        "NTKD_STATE_DIR": str(tmp_path),
        "NTKD_WORKERS": "1",
    }
    first = run_demo(environment)
    found = [float(value) for value in re.findall(r"│ λ\d +│ ([\d.]+)", first)]
    assert len(found) == 3
    for value, paper, (_, deviation) in zip(found, PAPER, SPREAD, strict=True):
        # Two batches of 512 differ by √2 standard deviations of one; three of those, and half of the last digit.
        assert abs(value - paper) < 3 * 2**0.5 * deviation + 5e-6
    assert first.count("computed in") == 2
    second = run_demo(environment)
    assert second.count("already computed") == 2
    assert re.findall("/v1/.*", second) == re.findall("/v1/.*", first)
