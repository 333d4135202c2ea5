"""Real servers for the tests: one embedded pair for the whole run, a database of its own for each module."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import psycopg
import pytest
import redis
from sqlalchemy import text

from contracts.settings import Settings
from deploy import commands, embedded
from deploy.embedded import locks
from storage.database import Database

STATE = "NTKD_TEST_STATE_DIR"
TEMPLATE = "ntkd_template"


def pytest_configure(config: pytest.Config) -> None:
    """One state directory a run: xdist's workers inherit its name, and join the servers that the first one starts."""
    if not hasattr(config, "workerinput"):
        path = Path(tempfile.mkdtemp(prefix="ntkd-tests-"))
        path.chmod(0o711)  # as root, the servers' account has to get in; pytest's own folders are closed to it
        os.environ[STATE] = str(path)


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        shutil.rmtree(os.environ.pop(STATE), ignore_errors=True)


@pytest.fixture(scope="session")
def servers() -> Iterator[embedded.Servers]:
    """The run's PostgreSQL and Valkey, started by the first test that asks."""
    with embedded.servers(Path(os.environ[STATE])) as pair:
        yield pair


@pytest.fixture(scope="session")
def template(servers: embedded.Servers) -> str:
    """The name of a database that the migrations have made, once a run."""
    with locks.held(Path(os.environ[STATE]) / "template.lock"), _admin(servers) as admin:
        if admin.execute("SELECT 1 FROM pg_database WHERE datname = %s", (TEMPLATE,)).fetchone() is None:
            admin.execute("CREATE DATABASE template_unfinished")
            _migrate(_named(servers.database_url, "template_unfinished"))
            admin.execute(f"ALTER DATABASE template_unfinished RENAME TO {TEMPLATE}")
    return TEMPLATE


@pytest.fixture(scope="module")
def database_url(servers: embedded.Servers, template: str) -> Iterator[str]:
    """A migrated, empty database for one test module."""
    with fresh_database(servers, template) as url:
        yield url


@pytest.fixture(scope="module")
def database(database_url: str) -> Iterator[Database]:
    """The same as a pool of connections."""
    made = Database(database_url)
    yield made
    made.dispose()


@pytest.fixture
def empty(database: Database) -> Database:
    """The database without any row."""
    with database.begin() as write:
        write.execute(text("TRUNCATE dataset, job, idempotency_key, piece CASCADE"))
    return database


@pytest.fixture(scope="session")
def redis_database(servers: embedded.Servers, worker_number: int) -> str:
    return servers.redis_url.removesuffix("/0") + f"/{worker_number}"


@pytest.fixture(scope="module")
def redis_url(redis_database: str) -> str:
    """An empty Redis database for one test module; each process of the run has its own."""
    with redis.Redis.from_url(redis_database) as client:
        client.flushdb()
    return redis_database


@pytest.fixture(scope="session")
def worker_number() -> int:
    """0 without xdist, else 1, 2, …"""
    name = os.environ.get("PYTEST_XDIST_WORKER")
    return 0 if name is None else int(name.removeprefix("gw")) + 1


def _migrate(url: str) -> None:
    """By the command that a deployment runs."""
    settings = Settings(database_url=url)
    command = [sys.executable, *commands.arguments(settings.host, settings.port)["migrate"]]
    environment = commands.environment(settings)
    done = subprocess.run(command, cwd=commands.ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@contextmanager
def fresh_database(servers: embedded.Servers, template: str) -> Iterator[str]:
    name = f"test_{uuid4().hex}"
    with _admin(servers) as admin:
        admin.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    yield _named(servers.database_url, name)
    with _admin(servers) as admin:
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


def _admin(servers: embedded.Servers) -> psycopg.Connection:
    return psycopg.connect(servers.database_url, autocommit=True)


def _named(url: str, database: str) -> str:
    return urlsplit(url)._replace(path=f"/{database}").geturl()
