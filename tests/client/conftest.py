"""The whole system, running as processes of its own, and a proxy that cuts connections to it."""

import socket
import socketserver
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import psycopg
import pytest

import ntkd
from contracts.settings import Settings
from deploy import embedded
from deploy.up import system


@pytest.fixture(scope="session")
def service_url(
    servers: embedded.Servers, template: str, redis_database: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The address of a running system with a database of its own."""
    name = f"client_{uuid4().hex}"
    with psycopg.connect(servers.database_url, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        settings = Settings(
            database_url=urlsplit(servers.database_url)._replace(path=f"/{name}").geturl(),
            redis_url=redis_database,
            queue=name,
            state_dir=tmp_path_factory.mktemp("system"),
            port=0,
            workers=1,
            device="cpu",
        )
        with system(settings, quiet=True) as url:
            yield url
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def client(service_url: str) -> Iterator[ntkd.Client]:
    with ntkd.Client(service_url) as client:
        yield client


class Proxy(socketserver.ThreadingTCPServer):
    """Passes connections on to the service, and fails as it is told to."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, url: str) -> None:
        super().__init__(("127.0.0.1", 0), _Connection)
        self.target = (urlsplit(url).hostname, urlsplit(url).port)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.heads: list[str] = []
        """heads of the requests that came, oldest first"""
        self.cuts: deque[int] = deque()
        """each one cuts a connection that answers, after so many bytes of the answer"""
        self.answers: deque[bytes] = deque()
        """each one answers a request, which then does not reach the service"""


class _Connection(socketserver.BaseRequestHandler):
    server: Proxy

    def handle(self) -> None:
        with socket.create_connection(self.server.target) as upstream, suppress(OSError):
            back = threading.Thread(target=self._pass_answers, args=(upstream,), daemon=True)
            back.start()
            while (data := self.request.recv(65536)) and self._ask(data, upstream):
                pass
            upstream.shutdown(socket.SHUT_RDWR)
            back.join()

    def _ask(self, data: bytes, upstream: socket.socket) -> bool:
        if data.split(b" ", 1)[0] in (b"GET", b"POST", b"DELETE"):
            self.server.heads.append(data.partition(b"\r\n\r\n")[0].decode())
        if self.server.answers:
            self.request.sendall(self.server.answers.popleft())
            return False
        upstream.sendall(data)
        return True

    def _pass_answers(self, upstream: socket.socket) -> None:
        budget = None
        with suppress(OSError):
            while data := upstream.recv(65536):
                if budget is None and self.server.cuts:
                    budget = self.server.cuts.popleft()
                if budget is not None:
                    data, budget = data[:budget], budget - len(data)
                self.request.sendall(data)
                if budget is not None and budget <= 0:
                    break
        with suppress(OSError):
            self.request.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def proxy(service_url: str) -> Iterator[Proxy]:
    with Proxy(service_url) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def ntkd_command(
    service_url: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Run:
    """Runs `ntkd` in an empty folder: exit code, standard output, standard error."""
    from client.cli import main

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NTKD_URL", service_url)

    def run(*arguments: str) -> tuple[int, str, str]:
        code = 0
        try:
            main(list(arguments))
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
        said = capfd.readouterr()
        return code, said.out, said.err

    return run
