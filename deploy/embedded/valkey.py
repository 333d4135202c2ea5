"""Valkey: its configuration, its command line, and how it says that it is ready."""

import os
import signal
import socket
from pathlib import Path

from deploy.embedded import binaries
from deploy.embedded.home import Home
from deploy.embedded.record import Record
from deploy.processes import Command

SETTINGS = {
    "bind": "127.0.0.1",
    "protected-mode": "yes",
    "daemonize": "no",
    "databases": "64",
    "save": '""',
    "appendonly": "yes",
    "appendfsync": "everysec",
    "maxmemory-policy": "noeviction",  # an evicted bell would be a lost one
}
ENV = {"LC_ALL": "C", "PATH": "/usr/local/bin:/usr/bin:/bin"}


def command(home: Home, record: Record, lock: int) -> Command:
    """The server's command; the password stands in the configuration file only."""
    folder = home.private_folder("valkey")
    return Command(
        "valkey",
        (str(binaries.valkey_server(home)), str(_configure(home, folder, record))),
        ENV,
        death_signal=signal.SIGTERM,
        cwd=folder,
        log=home.log_file("valkey"),
        account=home.account,
        keep_fds=(lock,),
    )


def ready(record: Record) -> bool:
    """Whether the server takes the password and answers a PING; it does not while it loads its data."""
    try:
        with socket.create_connection(("127.0.0.1", record.valkey_port), timeout=1.0) as connection:
            connection.sendall(f"AUTH {record.valkey_password}\r\nPING\r\n".encode())
            return _answer(connection) == b"+OK\r\n+PONG\r\n"
    except OSError:
        return False


def _answer(connection: socket.socket) -> bytes:
    answer = b""
    while answer.count(b"\r\n") < 2 and (more := connection.recv(256)):
        answer += more
    return answer


def _configure(home: Home, folder: Path, record: Record) -> Path:
    path = folder / "valkey.conf"
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    settings = SETTINGS | {"port": str(record.valkey_port), "requirepass": record.valkey_password, "dir": f'"{folder}"'}
    path.write_text("".join(f"{name} {value}\n" for name, value in settings.items()))
    if home.account is not None:
        os.chown(path, home.account.uid, home.account.gid)
    return path
