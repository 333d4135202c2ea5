"""The whole system, as `ntkd up` and `ntkd demo` start it."""

import http.client
import os
import re
import signal
import socket
import sys
import threading
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest

from contracts.settings import Settings
from deploy.embedded import locks
from deploy.embedded.home import open_home
from deploy.up import StartError, base_url, system
from tests.deploy.conftest import alive

UP = "from deploy.up import main; main()"
PATIENCE = 120.0
READY = re.compile(r"ntkd is ready: (http://\S+)")


@pytest.fixture
def up(state_dir, python):  # in this order: the processes end before their directory is deleted
    """Start `ntkd up` on a state directory of its own; gives the process and its address once it is ready."""

    def start():
        settings = {"NTKD_STATE_DIR": str(state_dir), "NTKD_PORT": "0", "NTKD_WORKERS": "1", "NTKD_DEVICE": "cpu"}
        outside = {name: value for name, value in os.environ.items() if not name.startswith("NTKD_")}
        process = python(UP, env=outside | settings)
        # Searched and not only at a line's start: all processes write to this pipe, and may do so within a line.
        seen = []
        too_late = threading.Timer(PATIENCE, process.kill)
        too_late.start()
        url = None
        while url is None and (line := process.stdout.readline()):
            seen.append(line)
            found = READY.search(line)
            url = found and found[1]
        too_late.cancel()
        assert url is not None, "".join(seen)
        return process, url

    return start


def status(url: str, path: str = "/readyz") -> int | None:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except OSError:
        return None
    finally:
        connection.close()


def family(pid: int) -> dict[str, int]:
    """The direct children that the supervisor keeps, by what they run."""
    parts = {"uvicorn": "api", "celery": "worker", "worker.sweeper": "sweeper"}
    found = {}
    for child in psutil.Process(pid).children():
        with suppress(psutil.NoSuchProcess):  # it has ended, or waits to be reaped
            line = child.cmdline()
            if len(line) > 2 and line[2] in parts:
                found[parts[line[2]]] = child.pid
    return found


def test_up_restarts_what_dies_and_ctrl_c_ends_everything(up, state_dir, eventually):
    process, url = up()
    assert status(url) == 200
    first = family(process.pid)
    assert sorted(first) == ["api", "sweeper", "worker"]
    for pid in first.values():
        os.kill(pid, signal.SIGKILL)
    eventually(lambda: len(now := family(process.pid)) == 3 and not set(now.values()) & set(first.values()))
    eventually(lambda: status(url) == 200)
    everyone = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 0
    assert process.stdout.read().splitlines()[-1] == "ntkd has stopped."
    assert not [child for child in everyone if alive(child.pid)]
    assert locks.available(open_home(state_dir).servers_lock)


@pytest.mark.skipif(sys.platform != "linux", reason="death signals are Linux's")
def test_a_killed_up_leaves_nobody_behind(up, state_dir, eventually):
    process, url = up()
    everyone = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    eventually(lambda: not [child for child in everyone if alive(child.pid)])
    assert status(url) is None
    assert locks.available(open_home(state_dir).servers_lock)


def test_services_of_others_are_used_where_the_settings_name_them(database_url, redis_url, tmp_path):
    settings = Settings(database_url=database_url, redis_url=redis_url, state_dir=tmp_path / "state", port=0, workers=0)
    with system(settings, quiet=True) as url:
        assert status(url) == 200
    assert [path.name for path in (tmp_path / "state").iterdir()] == ["log"]
    assert sorted(path.name for path in (tmp_path / "state" / "log").iterdir()) == ["api.log", "sweeper.log"]


def test_a_port_in_use_is_refused_before_anything_starts(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        settings = Settings(
            port=port, state_dir=tmp_path / "state", database_url="postgresql://x/x", redis_url="redis://x"
        )
        with pytest.raises(StartError, match=f"port {port}.*NTKD_PORT"), system(settings):
            pass
    assert not Path(tmp_path / "state").exists()


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:80"),
        ("0.0.0.0", "http://127.0.0.1:80"),
        ("::1", "http://[::1]:80"),
        ("ntkd.example", "http://ntkd.example:80"),
    ],
)
def test_the_address_is_one_that_a_client_here_can_use(host, url):
    assert base_url(Settings(host=host, port=80)) == url
