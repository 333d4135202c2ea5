"""What a part is computed with: this process's device, memory, database and name."""

import os
import socket
from collections.abc import Callable
from dataclasses import dataclass, field

import torch

from contracts.settings import MIB, Settings
from storage.database import Database
from worker.prepared import PreparedRows

# 512×512 entries with what the recursion holds of each.
CPU_PIECE_BYTES = 32 * MIB


@dataclass(frozen=True)
class Context:
    """Made once in every process that computes."""

    settings: Settings
    database: Database
    device: torch.device
    name: str
    piece_bytes: int
    """Memory for what is computed at once, at least a tile."""
    ring: Callable[[int], None]
    """Tell other workers of so many parts that have just opened."""
    prepared: PreparedRows = field(default_factory=PreparedRows)
    """Inputs of recent parts, in up to a quarter of the memory."""

    @property
    def device_name(self) -> str:
        """The device as a job names it: `cpu`, or a GPU with its model."""
        if self.device.type == "cpu":
            return "cpu"
        return f"{self.device} ({torch.cuda.get_device_name(self.device)})"


def find_device(asked: str) -> torch.device:
    """`auto` is the GPU where there is one, and the CPU elsewhere; anything else is meant literally."""
    if asked != "auto":
        return torch.device(asked)
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def find_piece_bytes(device: torch.device) -> int:
    """Half of a GPU's free memory: a large piece keeps it busy. A CPU is fastest with what its caches hold."""
    return CPU_PIECE_BYTES if device.type == "cpu" else torch.cuda.mem_get_info(device)[0] // 2


def make_context(settings: Settings, ring: Callable[[int], None]) -> Context:
    """The context of this process."""
    database = Database(settings.require_database_url(), pool_size=3)
    device = find_device(settings.device)
    name = f"{socket.gethostname()}:{os.getpid()}"
    return Context(settings, database, device, name, find_piece_bytes(device), ring)
