"""PostgreSQL: its data directory, its command line, and how it says that it is ready."""

import os
import pwd
import shutil
import signal
import subprocess
from pathlib import Path

from deploy.embedded import binaries
from deploy.embedded.home import EmbeddedError, Home
from deploy.embedded.record import Record
from deploy.processes import Command

SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",  # the length of a socket's path is bounded, that of a state directory is not
    "max_connections": "100",
    "shared_buffers": "256MB",
    "huge_pages": "off",  # where a container's quota of them is zero, a touched page is SIGBUS
    # Little log, used again and again: new segments are written twice, in memory that is new to the system as well.
    # Tiles go to fresh pages, of which a checkpoint has no images to log.
    "min_wal_size": "512MB",
    "max_wal_size": "512MB",
    "fsync": "on",
    "password_encryption": "scram-sha-256",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
}
ENV = {"LC_ALL": "C", "PATH": "/usr/local/bin:/usr/bin:/bin"}
STATUS_LINE = 7  # of postmaster.pid, counted from 0


def command(home: Home, record: Record, lock: int) -> Command:
    """The server's command; makes the data directory first where there is none.

    `lock` is the descriptor of the servers' lock: who holds it knows that no process runs on this directory, so a
    postmaster.pid in it is left over, and its number may by now be some other process's.
    """
    data = home.path / "postgres"
    folder = binaries.postgres_bin(home, _major(data))
    if not data.exists():
        _initialise(home, folder, record.postgres_password)
    (data / "postmaster.pid").unlink(missing_ok=True)
    options = [text for name, value in SETTINGS.items() for text in ("-c", f"{name}={value}")]
    return Command(
        "postgres",
        (str(folder / "postgres"), "-D", str(data), "-p", str(record.postgres_port), *options),
        ENV,
        stop_signal=signal.SIGINT,  # fast shutdown: sessions are ended, a checkpoint is written
        death_signal=signal.SIGINT,
        cwd=data,
        log=home.log_file("postgres"),
        account=home.account,
        keep_fds=(lock,),
    )


def ready(home: Home, pid: int | None) -> bool:
    """Whether the process `pid` accepts connections, as it says in the line of postmaster.pid that pg_ctl reads."""
    try:
        lines = (home.path / "postgres" / "postmaster.pid").read_text().splitlines()
    except FileNotFoundError:
        return False
    return len(lines) > STATUS_LINE and lines[0] == str(pid) and lines[STATUS_LINE].strip() == "ready"


def _major(data: Path) -> int | None:
    return int((data / "PG_VERSION").read_text()) if data.exists() else None


def _initialise(home: Home, folder: Path, password: str) -> None:
    """initdb under another name, renamed when it is whole: killed half-way it leaves nothing that looks like data."""
    _require_passwd_entry()
    shutil.rmtree(home.path / "postgres.new", ignore_errors=True)
    data = home.private_folder("postgres.new")
    secret = home.private_folder("secret") / "password"
    secret.touch(mode=0o600)
    secret.write_text(password)
    if home.account is not None:
        os.chown(secret, home.account.uid, home.account.gid)
    locale = ("--encoding=UTF8", "--locale=C", "--data-checksums", "--no-instructions")
    access = ("--username=ntkd", "--auth=scram-sha-256", f"--pwfile={secret}")
    try:
        _run(home, data, (str(folder / "initdb"), "-D", str(data), *locale, *access))
    finally:
        shutil.rmtree(secret.parent)
    _run(home, data, (str(folder / "postgres"), "--single", "-D", str(data), "template1"), b"CREATE DATABASE ntkd\n")
    data.rename(home.path / "postgres")


def _require_passwd_entry() -> None:
    try:
        pwd.getpwuid(os.geteuid())
    except KeyError:
        raise EmbeddedError(
            f"initdb refuses to run for user id {os.geteuid()}, which has no entry in /etc/passwd; "
            "add one, use another account, or set NTKD_DATABASE_URL"
        ) from None


def _run(home: Home, cwd: Path, argv: tuple[str, ...], stdin: bytes = b"") -> None:
    launcher = Command(argv[0], argv, ENV, account=home.account).launcher()
    done = subprocess.run(launcher, env=ENV, cwd=cwd, input=stdin, capture_output=True, check=False)
    if done.returncode != 0:
        raise EmbeddedError(f"{Path(argv[0]).name} failed: {done.stderr.decode(errors='replace').strip()}")
