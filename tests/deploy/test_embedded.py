"""The embedded servers: they keep data, are shared, and neither crash nor kill leaves them behind or unusable."""

import os
import signal
import subprocess
from pathlib import Path

import psycopg
import pytest
import redis

from deploy import embedded
from deploy.embedded import locks
from deploy.embedded.home import open_home
from deploy.processes import Command

HOLD = """
import sys
from pathlib import Path
from deploy import embedded
with embedded.servers(Path(sys.argv[1])) as pair:
    print(pair.database_url, flush=True)
    sys.stdin.read()
"""


def query(url: str, sql: str):
    with psycopg.connect(url, connect_timeout=5) as connection:
        cursor = connection.execute(sql)
        return cursor.fetchone()[0] if cursor.description else None


def answers(url: str) -> bool:
    try:
        return query(url, "SELECT 1") == 1
    except psycopg.OperationalError:
        return False


def started_at(url: str):
    return query(url, "SELECT pg_postmaster_start_time()")


def postmaster(state_dir: Path) -> int:
    return int((open_home(state_dir).path / "postgres" / "postmaster.pid").read_text().split()[0])


def valkey_info(url: str, section: str) -> dict[str, object]:
    with redis.Redis.from_url(url) as client:
        return client.info(section)


def pings(url: str) -> bool:
    try:
        with redis.Redis.from_url(url) as client:
            return client.ping()
    except redis.ConnectionError:
        return False


def everything_stopped(state_dir: Path) -> bool:
    return locks.available(open_home(state_dir).servers_lock)


def test_data_survives_a_restart_at_the_same_addresses(state_dir):
    with embedded.servers(state_dir) as pair:
        urls = pair.database_url, pair.redis_url
        query(urls[0], "CREATE TABLE kept AS SELECT 1905 AS year")
        with redis.Redis.from_url(urls[1]) as client:
            client.set("kept", "1915")
    assert everything_stopped(state_dir)
    assert not answers(urls[0])
    assert not pings(urls[1])
    with embedded.servers(state_dir) as pair:
        assert (pair.database_url, pair.redis_url) == urls
        assert query(urls[0], "SELECT year FROM kept") == 1905
        with redis.Redis.from_url(urls[1]) as client:
            assert client.get("kept") == b"1915"


def test_the_settings_that_work_depends_on(state_dir):
    with embedded.servers(state_dir) as pair:
        shown = {
            name: query(pair.database_url, f"SHOW {name}")
            for name in ("fsync", "data_checksums", "server_encoding", "listen_addresses", "password_encryption")
        }
        with redis.Redis.from_url(pair.redis_url) as client:
            kept = client.config_get("appendonly", "maxmemory-policy", "bind")
    assert shown == {
        "fsync": "on",
        "data_checksums": "on",
        "server_encoding": "UTF8",
        "listen_addresses": "127.0.0.1",
        "password_encryption": "scram-sha-256",
    }
    assert kept == {"appendonly": "yes", "maxmemory-policy": "noeviction", "bind": "127.0.0.1"}


def test_passwords_are_required_and_seen_by_nobody(state_dir):
    with embedded.servers(state_dir) as pair:
        passwords = [url.split("@")[0].rsplit(":", 1)[1] for url in (pair.database_url, pair.redis_url)]
        assert not answers(pair.database_url.replace(passwords[0], "guess"))
        intruder = redis.Redis.from_url(pair.redis_url.replace(passwords[1], "guess"))
        with intruder, pytest.raises(redis.AuthenticationError):
            intruder.ping()
        listed = subprocess.run(["ps", "axww", "-o", "args"], capture_output=True, text=True, check=True).stdout
        assert str(state_dir) in listed
        assert not any(password in listed for password in passwords)
        for holder in ("servers.json", "valkey/valkey.conf"):
            assert (open_home(state_dir).path / holder).stat().st_mode & 0o777 == 0o600


def test_a_second_process_joins_and_may_outlive_the_first(state_dir, python):
    with embedded.servers(state_dir) as pair:
        before = started_at(pair.database_url)
        second = python(HOLD, state_dir)
        assert second.stdout.readline().strip() == pair.database_url
    assert started_at(pair.database_url) == before
    second.communicate()
    assert second.returncode == 0
    assert everything_stopped(state_dir)


def test_two_first_starts_at_once_start_one_pair(state_dir, python):
    both = [python(HOLD, state_dir) for _ in range(2)]
    urls = {process.stdout.readline().strip() for process in both}
    assert len(urls) == 1
    assert answers(urls.pop())


def test_killed_servers_come_back_with_all_that_was_acknowledged(state_dir, eventually):
    with embedded.servers(state_dir) as pair:
        query(pair.database_url, "CREATE TABLE kept AS SELECT generate_series(1, 1000)")
        with redis.Redis.from_url(pair.redis_url) as client:
            client.set("kept", "all")
        before = started_at(pair.database_url)
        os.kill(postmaster(state_dir), signal.SIGKILL)
        os.kill(valkey_info(pair.redis_url, "server")["process_id"], signal.SIGKILL)
        eventually(lambda: pings(pair.redis_url))
        eventually(lambda: answers(pair.database_url))
        assert started_at(pair.database_url) > before
        assert query(pair.database_url, "SELECT count(*) FROM kept") == 1000
        with redis.Redis.from_url(pair.redis_url) as client:
            assert client.get("kept") == b"all"


def test_a_killed_user_takes_the_servers_down(state_dir, python, eventually):
    user = python(HOLD, state_dir)
    url = user.stdout.readline().strip()
    assert answers(url)
    user.kill()
    eventually(lambda: everything_stopped(state_dir))
    assert not answers(url)


def test_a_killed_guardian_takes_the_servers_down_and_ensure_brings_them_back(state_dir, eventually):
    with embedded.servers(state_dir) as pair:
        url = pair.database_url
        query(url, "CREATE TABLE kept AS SELECT 7 AS n")
        status = Path(f"/proc/{postmaster(state_dir)}/status").read_text()
        guardian = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("PPid"))
        os.kill(guardian, signal.SIGKILL)
        eventually(lambda: everything_stopped(state_dir))
        log = (open_home(state_dir).path / "postgres.log").read_text()
        assert "database system is shut down" in log  # cleanly: no recovery next time
        pair.ensure()
        assert pair.database_url == url
        assert query(url, "SELECT n FROM kept") == 7


def test_a_left_over_pid_file_that_names_a_living_process_does_not_matter(state_dir):
    with embedded.servers(state_dir) as pair:
        pid_file = open_home(state_dir).path / "postgres" / "postmaster.pid"
        lines = pid_file.read_text().splitlines()
    home = open_home(state_dir)
    bystander = subprocess.Popen(Command("sleep", ("sleep", "60"), dict(os.environ), account=home.account).launcher())
    pid_file.write_text("\n".join([str(bystander.pid), *lines[1:]]) + "\n")
    with embedded.servers(state_dir) as pair:
        assert answers(pair.database_url)
    assert bystander.poll() is None
    bystander.kill()
    bystander.wait()


def test_what_cannot_start_says_why(state_dir):
    with embedded.servers(state_dir):
        pass
    (open_home(state_dir).path / "postgres" / "PG_VERSION").write_text("9\n")
    with pytest.raises(embedded.EmbeddedError, match="PostgreSQL 9; found only"), embedded.servers(state_dir):
        pass
