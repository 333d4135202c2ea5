"""Where the embedded servers live and which account they run as."""

import logging
import os
import pwd
import shutil
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path

from deploy.embedded import locks
from deploy.processes import Account

log = logging.getLogger("ntkd.deploy")

SYSTEM_PLACES = (Path("/var/lib"), Path("/var/tmp"))  # noqa: S108 - made by mkdtemp
UNPRIVILEGED = ("postgres", "nobody")


class EmbeddedError(RuntimeError):
    """The embedded servers cannot run here; the message says why and what to do."""


@dataclass(frozen=True)
class Home:
    """A folder for data, logs, locks and secrets; `account` is who the servers run as, None: who asks."""

    path: Path
    account: Account | None

    @property
    def users_lock(self) -> Path:
        """Held shared by everyone who uses the servers."""
        return self.path / "users.lock"

    @property
    def servers_lock(self) -> Path:
        """Held by the guardian and inherited by every server process: free means that none of them runs."""
        return self.path / "servers.lock"

    @property
    def start_lock(self) -> Path:
        """Held while one user looks for, starts or leaves the servers."""
        return self.path / "start.lock"

    def private_folder(self, name: str) -> Path:
        """A folder that only the servers' account (and root) can enter, made where it is missing."""
        folder = self.path / name
        folder.mkdir(mode=0o700, exist_ok=True)
        if self.account is not None:
            os.chown(folder, self.account.uid, self.account.gid)
        return folder

    def log_file(self, name: str) -> Path:
        """An existing log file that belongs to the owner of the folder."""
        return self.owned(self.path / f"{name}.log")

    def owned(self, file: Path) -> Path:
        """The file, made private where it is missing, and owned as the folder is: root may act on a user's folder."""
        file.touch(mode=0o600)
        owner = self.path.stat()
        if os.geteuid() == 0:
            os.chown(file, owner.st_uid, owner.st_gid)
        return file


def open_home(state_dir: Path) -> Home:
    """The home that belongs to a state directory; both are made where they are missing.

    As root the servers drop to an unprivileged account. A state directory that this account cannot reach keeps only
    the path of a folder in a system place: the modes of the directories above are the user's, and stay.
    Raises EmbeddedError where no such place can be had.
    """
    state_dir = state_dir.absolute()
    _make_state_dir(state_dir)
    if os.geteuid() != 0:
        return Home(state_dir, None)
    with locks.held(state_dir / "home.lock"):
        path = _moved_to(state_dir)
        account = _account(path or state_dir)
        if path is None:
            path = state_dir if reachable(state_dir, account) else _system_folder(state_dir, account)
    return Home(path, account)


def erase(state_dir: Path) -> None:
    """Delete the servers' data and everything else in a state directory.

    Raises EmbeddedError where somebody uses the servers; waits for those that are stopping.
    """
    if not state_dir.exists():
        return
    home = open_home(state_dir)
    try:
        os.close(locks.acquire(home.servers_lock, locks.EXCLUSIVE, timeout=10.0))
    except TimeoutError:
        raise EmbeddedError(f"the servers in {home.path} are in use") from None
    shutil.rmtree(home.path)
    shutil.rmtree(state_dir, ignore_errors=True)


def reachable(path: Path, account: Account | None) -> bool:
    """Whether the account may enter or run `path` and every directory above it, by their modes."""
    if account is None:
        return True
    path = path.resolve()
    return all(_may_pass(each.stat(), account) for each in (path, *path.parents))


def _may_pass(status: os.stat_result, account: Account) -> bool:
    if status.st_uid == account.uid:
        return bool(status.st_mode & stat.S_IXUSR)
    if status.st_gid == account.gid:
        return bool(status.st_mode & stat.S_IXGRP)
    return bool(status.st_mode & stat.S_IXOTH)


def _make_state_dir(state_dir: Path) -> None:
    mode = 0o711 if os.geteuid() == 0 else 0o700
    try:
        state_dir.parent.mkdir(parents=True, exist_ok=True)
        state_dir.mkdir(exist_ok=True, mode=mode)
    except OSError as error:
        raise EmbeddedError(f"the state directory {state_dir} cannot be made: {error}") from error
    if not os.access(state_dir, os.W_OK | os.X_OK):
        raise EmbeddedError(f"the state directory {state_dir} belongs to another user; set NTKD_STATE_DIR to your own")


def _moved_to(state_dir: Path) -> Path | None:
    pointer = state_dir / "home"
    if not pointer.exists():
        return None
    path = Path(pointer.read_text().strip())
    if not path.is_dir():
        raise EmbeddedError(f"{pointer} points at {path}, which is gone; delete {pointer} to start with empty data")
    return path


def _account(path: Path) -> Account:
    """The owner of existing data, else of the folder, else an account that most systems have."""
    for owned in (path / "postgres", path):
        owner = owned.stat().st_uid if owned.exists() else 0
        if owner != 0:
            return _by_uid(owner)
    for name in UNPRIVILEGED:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(name, entry.pw_uid, entry.pw_gid)
    raise EmbeddedError("PostgreSQL does not run as root, and there is no account `postgres` or `nobody` to drop to")


def _by_uid(uid: int) -> Account:
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:
        raise EmbeddedError(f"the data belongs to user id {uid}, which has no entry in /etc/passwd") from None
    return Account(entry.pw_name, uid, entry.pw_gid)


def _system_folder(state_dir: Path, account: Account) -> Path:
    for place in SYSTEM_PLACES:
        if not (place.is_dir() and reachable(place, account) and os.access(place, os.W_OK)):
            continue
        path = Path(tempfile.mkdtemp(prefix="ntkd-", dir=place))
        path.chmod(0o711)
        (state_dir / "home").write_text(f"{path}\n")
        log.warning("account %s cannot reach %s: the servers' data is in %s", account.name, state_dir, path)
        return path
    places = ", ".join(map(str, SYSTEM_PLACES))
    raise EmbeddedError(f"account {account.name} can reach none of {state_dir}, {places}")
