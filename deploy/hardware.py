"""What this machine has for workers, found without importing torch."""

import importlib.metadata
import os
import shutil
import subprocess
from pathlib import Path

from contracts.settings import Settings

CPU_QUOTA = Path("/sys/fs/cgroup/cpu.max")


def worker_devices(settings: Settings) -> list[str]:
    """The device of each worker to start: one a GPU, else one worker a core, unless the settings say otherwise."""
    cuda = gpus() if settings.device in ("auto", "cuda") else 0
    count = settings.workers
    if cuda == 0:
        natural = 1 if settings.device.startswith("cuda") else cores()
        return [settings.device] * (natural if count is None else count)
    return [f"cuda:{i % cuda}" for i in range(cuda if count is None else count)]


def gpus() -> int:
    """The number of NVIDIA GPUs that this process's torch may use."""
    if _torch_is_for_cpus():
        return 0
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return len([name for name in visible.split(",") if name.strip() not in ("", "-1")])
    if path := shutil.which("nvidia-smi"):
        listed = subprocess.run([path, "-L"], capture_output=True, text=True, timeout=30, check=False)
        return sum(line.startswith("GPU ") for line in listed.stdout.splitlines())
    return len(list(Path("/dev").glob("nvidia[0-9]*")))


def cores() -> int:
    """The CPU cores that this process may use: its affinity, bounded by a container's quota."""
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(affinity, _quota(affinity)))


def _quota(otherwise: int) -> int:
    try:
        quota, period = CPU_QUOTA.read_text().split()
    except (OSError, ValueError):
        return otherwise
    return otherwise if quota == "max" else int(quota) // int(period)


def _torch_is_for_cpus() -> bool:
    try:
        return importlib.metadata.version("torch").endswith("+cpu")
    except importlib.metadata.PackageNotFoundError:
        return True
