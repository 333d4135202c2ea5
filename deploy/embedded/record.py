"""The ports and passwords of the embedded servers, kept in a file that only its owner can read."""

import json
import os
import random
import secrets
import socket
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from deploy.embedded.home import Home

READY = "ready"  # the guardian's word, once both servers answer
PORTS = range(20000, 32000)  # below the ports that the kernel hands to outgoing connections


def _password() -> str:
    return secrets.token_urlsafe(24)


def _free_port() -> int:
    while not _bindable(port := random.SystemRandom().choice(PORTS)):
        pass
    return port


def _bindable(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


@dataclass(frozen=True)
class Record:
    """What a client needs to connect."""

    postgres_port: int = field(default_factory=_free_port)
    postgres_password: str = field(default_factory=_password, repr=False)
    valkey_port: int = field(default_factory=_free_port)
    valkey_password: str = field(default_factory=_password, repr=False)

    @property
    def database_url(self) -> str:
        """URL of the database `ntkd`, as its superuser."""
        return f"postgresql://ntkd:{self.postgres_password}@127.0.0.1:{self.postgres_port}/ntkd"

    @property
    def redis_url(self) -> str:
        """URL of database 0."""
        return f"redis://:{self.valkey_password}@127.0.0.1:{self.valkey_port}/0"

    def with_free_ports(self) -> "Record":
        """The same, but for a port that somebody else has taken meanwhile."""
        postgres = self.postgres_port if _bindable(self.postgres_port) else _free_port()
        valkey = self.valkey_port if _bindable(self.valkey_port) else _free_port()
        return replace(self, postgres_port=postgres, valkey_port=valkey)


def load(home: Home) -> Record | None:
    """The record, if the servers have ever been started."""
    path = _path(home)
    return Record(**json.loads(path.read_text())) if path.exists() else None


def save(home: Home, record: Record) -> None:
    """Write the record, all of it or nothing."""
    part = _path(home).with_suffix(".new")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(home.owned(part), os.O_WRONLY), "w") as file:
        json.dump(asdict(record), file)
        file.flush()
        os.fsync(file.fileno())
    part.rename(_path(home))


def _path(home: Home) -> Path:
    return home.path / "servers.json"
