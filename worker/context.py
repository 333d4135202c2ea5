"""What a part is computed with: this process's device, memory, database and name."""

import os
import socket
from dataclasses import dataclass

import torch

from contracts.settings import Settings
from storage.database import Database


@dataclass(frozen=True)
class Context:
    """Made once in every process that computes."""

    settings: Settings
    database: Database
    device: torch.device
    name: str

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


def make_context(settings: Settings) -> Context:
    """The context of this process."""
    database = Database(settings.require_database_url(), pool_size=3)
    return Context(settings, database, find_device(settings.device), f"{socket.gethostname()}:{os.getpid()}")
