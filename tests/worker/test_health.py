"""The container's health check, as it is run: healthy while the worker moves or nothing waits, else deaf."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from contracts.bell import TASK
from tests.worker.conftest import ROOT, System

COMMAND = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]["worker"]["healthcheck"]["test"]


@pytest.mark.parametrize(
    ("age", "rings", "status", "said"), [(0, 1, 0, "healthy"), (3600, 0, 0, "healthy"), (3600, 1, 1, "deaf")]
)
def test_the_health_check(system: System, tmp_path: Path, age: int, rings: int, status: int, said: str) -> None:
    progress = tmp_path / "progress"
    progress.touch()
    os.utime(progress, (progress.stat().st_mtime - age,) * 2)
    for _ in range(rings):
        system.broker.send_task(TASK)
    environment = os.environ | {
        "NTKD_REDIS_URL": system.settings.require_redis_url(),
        "NTKD_QUEUE": system.settings.queue,
        "NTKD_PROGRESS_FILE": str(progress),
    }
    assert COMMAND[:2] == ["CMD", "python"]
    line = [sys.executable, *COMMAND[2:]]
    done = subprocess.run(line, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == status, done.stderr
    assert said in done.stdout
