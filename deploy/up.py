"""The whole system in the foreground: `python -m deploy.up`."""

import http.client
import logging
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import NoReturn

from contracts.settings import Settings
from deploy import embedded
from deploy.commands import commands
from deploy.processes import Supervisor
from storage.schema import upgrade

READY_TIMEOUT = 120.0
FAILURES = 3
PAUSE = 0.05
WILDCARDS = ("0.0.0.0", "::", "")  # noqa: S104


class StartError(RuntimeError):
    """The system did not become ready; the message says why."""


@contextmanager
def system(settings: Settings, *, quiet: bool = False) -> Iterator[str]:
    """API, workers and sweeper, on the services that the settings name or the embedded ones; yields the base URL.

    `quiet` writes the processes' output to files in `<state_dir>/log`. Raises StartError or EmbeddedError.
    """
    with ExitStack() as stack:
        settings, ensure = _with_services(settings, stack)
        settings = settings.model_copy(update={"port": _port(settings.host, settings.port)})
        settings.state_dir.mkdir(parents=True, exist_ok=True)
        upgrade(settings.require_database_url())
        log_dir = _log_dir(settings) if quiet else None
        supervisor = Supervisor(commands(settings, log_dir), also=ensure)
        stack.enter_context(supervisor.running())
        _wait_until_ready(settings, supervisor, log_dir)
        yield base_url(settings)


def base_url(settings: Settings) -> str:
    """Where a client on this machine reaches the API."""
    host = _reachable_host(settings.host)
    return f"http://[{host}]:{settings.port}" if ":" in host else f"http://{host}:{settings.port}"


def _with_services(settings: Settings, stack: ExitStack) -> tuple[Settings, Callable[[], object]]:
    """The settings with both URLs; where one is missing the embedded pair runs, and the given one still wins."""
    if settings.database_url is not None and settings.redis_url is not None:
        return settings, lambda: None
    pair = stack.enter_context(embedded.servers(settings.state_dir))
    urls = {
        "database_url": settings.database_url or pair.database_url,
        "redis_url": settings.redis_url or pair.redis_url,
    }
    return settings.model_copy(update=urls), pair.ensure


def _port(host: str, port: int) -> int:
    """The port, or any free one for 0; refused here, because a child that cannot bind would be restarted for ever."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise StartError(f"cannot listen on {host} port {port} ({error.strerror}); set NTKD_PORT") from error
        return int(probe.getsockname()[1])


def _log_dir(settings: Settings) -> Path:
    path = settings.state_dir.absolute() / "log"
    path.mkdir(parents=True, exist_ok=True)
    return path


def _wait_until_ready(settings: Settings, supervisor: Supervisor, log_dir: Path | None) -> None:
    deadline = time.monotonic() + READY_TIMEOUT
    while not _ready(settings):
        failing = [child.command.name for child in supervisor.children if child.failures >= FAILURES]
        if failing or time.monotonic() > deadline:
            where = "above" if log_dir is None else f"in {log_dir}"
            raise StartError(
                f"the system is not ready; {' and '.join(failing) or 'the api'} failed: see the log {where}"
            )
        time.sleep(PAUSE)


def _ready(settings: Settings) -> bool:
    connection = http.client.HTTPConnection(_reachable_host(settings.host), settings.port, timeout=5.0)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _reachable_host(host: str) -> str:
    return "127.0.0.1" if host in WILDCARDS else host


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    """The first signal starts the stop, which ends by itself; further ones must not tear it."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def main() -> None:
    """Run until Ctrl-C or SIGTERM."""
    logging.basicConfig(format="%(name)s: %(message)s")
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    try:
        with system(Settings()) as url:
            # In one piece, as `print` is not when its output is unbuffered: the children write to the same place.
            sys.stdout.write(f"ntkd is ready: {url} (documentation: {url}/docs). Ctrl-C stops it.\n")
            sys.stdout.flush()
            threading.Event().wait()
    except KeyboardInterrupt:
        print("ntkd has stopped.", flush=True)
    except (StartError, embedded.EmbeddedError) as error:
        sys.exit(f"ntkd: {error}")


if __name__ == "__main__":
    main()
