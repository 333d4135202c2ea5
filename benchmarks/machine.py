"""What a timing was taken on."""

import os
import platform
from datetime import UTC, datetime
from pathlib import Path

import torch


def facts() -> str:
    """One sentence: when, which processor and cores, which versions, and how busy the machine was."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    model = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.processor())
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores of {model}, Python {platform.python_version()}, torch"
        f" {torch.__version__}, load {os.getloadavg()[0]:.1f} at the end"
    )
