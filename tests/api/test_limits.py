"""Bodies that are too large are refused before they are read, and nothing of them is kept."""

import json
import socket
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from storage.database import Database
from tests.api.conftest import MAX_BODY, MAX_UPLOAD, rows_of

GIB = 2**30


def answer_to(address: str, head: str, chunks: int = 0, chunk: bytes = b"") -> tuple[int, dict[str, object], int]:
    """Send a head, then up to `chunks` pieces until the server answers; status, problem, and bytes sent."""
    parts = urlsplit(address)
    with socket.create_connection((parts.hostname, parts.port), timeout=20) as connection:
        connection.sendall(head.replace("\n", "\r\n").encode() + b"\r\n")
        connection.setblocking(False)
        sent, received = 0, b""
        for _ in range(chunks):
            try:
                received += connection.recv(65536)
                break
            except BlockingIOError:
                connection.setblocking(True)
                connection.sendall(f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n")
                connection.setblocking(False)
                sent += len(chunk)
        connection.settimeout(20)
        while b"\r\n\r\n" not in received or not received.rstrip().endswith(b"}"):
            received += connection.recv(65536)
    header, _, body = received.partition(b"\r\n\r\n")
    assert b"application/problem+json" in header
    return int(header.split()[1]), json.loads(body), sent


def head(path: str, media_type: str, framing: str) -> str:
    return f"POST {path} HTTP/1.1\nHost: x\nContent-Type: {media_type}\n{framing}\n"


MULTIPART = "multipart/form-data; boundary=b"


@pytest.mark.parametrize(
    ("path", "media_type"),
    [
        ("/v1/kernels", "application/json"),
        ("/v1/spectra", "application/json"),
        ("/v1/datasets", "application/json"),
        ("/v1/datasets", "application/x-npy"),
        ("/v1/datasets", MULTIPART),
    ],
)
def test_a_declared_length_is_refused_before_a_byte_of_it_comes(
    address: str, empty: Database, path: str, media_type: str
) -> None:
    status, problem, _ = answer_to(address, head(path, media_type, f"Content-Length: {2 * GIB}"))
    assert (status, problem["type"]) == (413, "/problems/payload-too-large")
    assert set(rows_of(empty).values()) == {0}


@pytest.mark.parametrize(
    ("path", "media_type", "limit"),
    [
        ("/v1/kernels", "application/json", MAX_BODY),
        ("/v1/datasets", "application/json", MAX_BODY),
        ("/v1/datasets", "text/csv", MAX_UPLOAD),
        ("/v1/datasets", MULTIPART, MAX_UPLOAD),
    ],
)
def test_a_body_without_a_length_is_refused_when_it_has_grown_too_large(
    address: str,
    empty: Database,
    path: str,
    media_type: str,
    limit: int,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """2 GiB are on their way, of which the server takes little more than its limit and what lies in socket buffers."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    chunk = b"1" * 2**18
    if media_type == MULTIPART:
        chunk = b'--b\r\nContent-Disposition: form-data; name="file"; filename="x.csv"\r\n\r\n' + chunk
    framing = "Transfer-Encoding: chunked"
    status, problem, sent = answer_to(address, head(path, media_type, framing), 2 * GIB // 2**18, chunk)
    assert (status, problem["type"]) == (413, "/problems/payload-too-large")
    # The multipart framing allows another MiB; sockets hold a few.
    assert sent < limit + 32 * 2**20
    assert set(rows_of(empty).values()) == {0}
    assert list(tmp_path.iterdir()) == []
