"""What a timing was taken on."""

import os
import platform
from datetime import UTC, datetime
from pathlib import Path

import torch

DOCS = Path(__file__).parent.parent / "docs/performance.md"


def put(name: str, said: str) -> None:
    """Put text into the documentation, between the marks of that name."""
    begin, end = f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->\n"
    before, rest = DOCS.read_text().split(begin)
    _, after = rest.split(end)
    DOCS.write_text(before + begin + said + "\n" + end + after)


def facts() -> str:
    """One sentence: when, which processor and cores, which versions, and how busy the machine was."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    model = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.processor())
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores of {model}, Python {platform.python_version()}, torch"
        f" {torch.__version__}, load {os.getloadavg()[0]:.1f} at the end"
    )
