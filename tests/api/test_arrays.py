"""Arrays over HTTP: blocks against numpy, entity tags, what is there before the job has finished."""

import io
import socket
from contextlib import ExitStack
from urllib.parse import urlsplit
from uuid import UUID

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray
from sqlalchemy import text

from api.services import MOST_DOWNLOADS
from storage import arrays
from storage.jobs import transitions
from tests.api.conftest import Hand, kernel_spec, points, submit

# Tiles have 512 rows: of 1,100 the last ones have 76.
N, M = 1100, 700


def symmetric(rng: np.random.Generator, size: int = N) -> NDArray[np.float64]:
    half = rng.standard_normal((size, size))
    return half + half.T


def loaded(answer: httpx.Response) -> NDArray[np.float64]:
    assert answer.status_code == 200, answer.text
    assert int(answer.headers["Content-Length"]) == len(answer.content)
    array: NDArray[np.float64] = np.load(io.BytesIO(answer.content), allow_pickle=False)
    return array


@pytest.fixture
def gram(client: httpx.Client, hand: Hand) -> tuple[str, NDArray[np.float64]]:
    """A finished job whose symmetric array `ntk` is known."""
    job = submit(client, N, kernels=["ntk"])
    values = symmetric(np.random.default_rng(1))
    hand.work(job, {"ntk": values})
    return f"/v1/jobs/{job}/arrays/ntk", values


def test_a_symmetric_array_comes_whole(client: httpx.Client, gram: tuple[str, NDArray[np.float64]]) -> None:
    path, values = gram
    answer = client.get(path)
    assert answer.headers["Content-Type"] == "application/x-npy"
    np.testing.assert_array_equal(loaded(answer), values)


@pytest.mark.parametrize(
    ("rows", "cols"),
    [
        ("0:1", None),
        ("1099:1100", None),
        (":", ":"),
        ("511:513", "511:513"),
        ("600:1100", "0:600"),
        ("100:", ":37"),
        ("1024:1030", "0:1100"),
        (None, "1099:"),
        ("3:1001", "510:1025"),
    ],
)
def test_blocks_are_numpy_slices(
    client: httpx.Client, gram: tuple[str, NDArray[np.float64]], rows: str | None, cols: str | None
) -> None:
    path, values = gram
    asked = {name: text for name, text in (("rows", rows), ("cols", cols)) if text is not None}
    cut = [
        slice(*(int(end) if end else None for end in text.split(":"))) if text else slice(None) for text in (rows, cols)
    ]
    np.testing.assert_array_equal(loaded(client.get(path, params=asked)), values[cut[0], cut[1]])


def test_a_cross_matrix_in_single_precision(client: httpx.Client, hand: Hand) -> None:
    against = points(client, M)
    job = submit(client, N, against=against, kernels=["nngp"], dtype="float32")
    values = np.random.default_rng(2).standard_normal((N, M)).astype(np.float32)
    hand.work(job, {"nngp": values})
    got = loaded(client.get(f"/v1/jobs/{job}/arrays/nngp", params={"rows": "500:900", "cols": "400:700"}))
    assert got.dtype == np.float32
    np.testing.assert_array_equal(got, values[500:900, 400:700])


def test_an_array_of_more_axes_keeps_its_shape(client: httpx.Client) -> None:
    images = np.random.default_rng(3).standard_normal((5, 4, 3, 2))
    file = io.BytesIO()
    np.save(file, images)
    dataset = client.post("/v1/datasets", files={"file": ("x.npy", file.getvalue())}).json()["id"]
    path = f"/v1/datasets/{dataset}/arrays/x"
    np.testing.assert_array_equal(loaded(client.get(path)), images)
    np.testing.assert_array_equal(loaded(client.get(path, params={"rows": "1:4"})), images[1:4])
    np.testing.assert_array_equal(loaded(client.get(path, params={"rows": "1:4", "cols": "2:4"})), images[1:4, 2:4])
    described = client.get(path, params={"cols": "3:4"}, headers={"Accept": "application/json"}).json()
    assert (described["shape"], described["cols"]) == ([5, 1, 3, 2], [3, 4])
    assert client.get(path, params={"cols": "0:5"}).status_code == 416


@pytest.mark.parametrize("asked", ["5:5", "6:5", "0:1101", "1100:1101", "1100:", "0:99999999999"])
@pytest.mark.parametrize("name", ["rows", "cols"])
def test_blocks_outside_the_array(
    client: httpx.Client, gram: tuple[str, NDArray[np.float64]], name: str, asked: str
) -> None:
    answer = client.get(gram[0], params={name: asked})
    assert (answer.status_code, answer.json()["type"]) == (416, "/problems/range-not-satisfiable")
    assert answer.json()["errors"][0]["pointer"] == name


@pytest.mark.parametrize("asked", ["5", "a:b", "-3:5", "0:5:2", "", "٣:٤", "1.5:2", "0x1:3"])
def test_blocks_that_are_none(client: httpx.Client, gram: tuple[str, NDArray[np.float64]], asked: str) -> None:
    answer = client.get(gram[0], params={"rows": asked})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "rows")


def test_a_block_is_there_as_soon_as_its_tiles_are(client: httpx.Client, hand: Hand) -> None:
    job = submit(client, N, kernels=["ntk"])
    values = symmetric(np.random.default_rng(4))
    path = f"/v1/jobs/{job}/arrays/ntk"
    none = client.get(path, params={"rows": "0:10", "cols": "0:10"})
    assert (none.status_code, none.json()["type"]) == (409, "/problems/conflict")
    assert int(none.headers["Retry-After"]) >= 1
    store_tile(hand, job, values, 0, 1)
    above = client.get(path, params={"rows": "0:512", "cols": "512:1024"})
    below = client.get(path, params={"rows": "600:700", "cols": "5:9"})
    np.testing.assert_array_equal(loaded(above), values[:512, 512:1024])
    np.testing.assert_array_equal(loaded(below), values[600:700, 5:9])
    assert above.headers["Cache-Control"] == "no-cache"
    for beyond in ({"rows": "0:512", "cols": "511:1024"}, {"rows": "0:513", "cols": "512:1024"}, {}):
        assert client.get(path, params=beyond).status_code == 409


def store_tile(hand: Hand, job: str, values: NDArray[np.float64], row: int, col: int) -> None:
    with hand.database.begin() as write:
        stored = arrays.of_job(write, UUID(job))
        rows, cols = slice(512 * row, 512 * (row + 1)), slice(512 * col, 512 * (col + 1))
        arrays.write_tiles(write, stored, [arrays.TileData("ntk", row, col, values[rows, cols])])


def test_a_job_that_did_not_succeed_has_no_array(client: httpx.Client, hand: Hand) -> None:
    job = submit(client)
    with hand.database.begin() as write:
        transitions.cancel(write, UUID(job))
    answer = client.get(f"/v1/jobs/{job}/arrays/ntk")
    assert answer.status_code == 409
    assert "cancelled" in answer.json()["detail"]
    assert "Retry-After" not in answer.headers


def test_an_unknown_array_names_those_there_are(client: httpx.Client, hand: Hand) -> None:
    job = submit(client)
    answer = client.get(f"/v1/jobs/{job}/arrays/eigenvalues")
    assert answer.status_code == 404
    assert "ntk, nngp" in answer.json()["detail"]
    assert client.get(f"/v1/datasets/{points(client)}/arrays/%00").status_code == 404
    assert client.get("/v1/datasets/nonsense/arrays/x").status_code == 404
    assert client.get(f"/v1/datasets/{'0' * 32}/arrays/x").status_code == 404


def test_the_entity_tag_is_the_contents(client: httpx.Client, gram: tuple[str, NDArray[np.float64]]) -> None:
    path, _ = gram
    tag = client.head(path).headers["ETag"]
    assert tag.startswith('"')
    assert client.head(path).headers["ETag"] == tag
    for header in (tag, f"W/{tag}", f'"x", {tag}', "*"):
        unchanged = client.get(path, headers={"If-None-Match": header})
        assert (unchanged.status_code, unchanged.content, unchanged.headers["ETag"]) == (304, b"", tag)
    assert client.head(path, headers={"If-None-Match": '"other"'}).status_code == 200
    others = {
        client.head(path, params={"rows": "0:5"}).headers["ETag"],
        client.head(path, params={"cols": "0:5"}).headers["ETag"],
        client.head(path, headers={"Accept": "application/vnd.safetensors"}).headers["ETag"],
    }
    assert len(others | {tag}) == 4


def test_head_says_what_get_would(client: httpx.Client, gram: tuple[str, NDArray[np.float64]]) -> None:
    path, _ = gram
    for accept in ("application/x-npy", "application/vnd.apache.arrow.stream", "application/vnd.safetensors"):
        head, get = (client.request(method, path, headers={"Accept": accept}) for method in ("HEAD", "GET"))
        assert head.content == b""
        for name in ("Content-Length", "Content-Type", "ETag", "Accept-Ranges", "Cache-Control", "Vary"):
            assert head.headers[name] == get.headers[name]


def test_more_downloads_than_slots_all_come(
    client: httpx.Client, address: str, gram: tuple[str, NDArray[np.float64]]
) -> None:
    from concurrent.futures import ThreadPoolExecutor

    path, values = gram
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda _: httpx.get(address + path, timeout=60), range(12)))
    assert all(answer.content == answers[0].content for answer in answers)
    np.testing.assert_array_equal(loaded(answers[0]), values)


def test_downloads_that_are_broken_off_free_their_slots(
    client: httpx.Client, gram: tuple[str, NDArray[np.float64]]
) -> None:
    path, values = gram
    for _ in range(20):
        with client.stream("GET", path) as answer:
            next(answer.iter_raw(1000))
    np.testing.assert_array_equal(loaded(client.get(path)), values)


def stalled(address: str, path: str) -> socket.socket:
    """A client that asks for the array and takes next to nothing of it."""
    parts = urlsplit(address)
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.connect((parts.hostname, parts.port))
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    assert connection.recv(12) == b"HTTP/1.1 200"
    return connection


def test_clients_that_stall_lose_their_slots(
    client: httpx.Client, address: str, gram: tuple[str, NDArray[np.float64]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.streaming.STALLED_SECONDS", 0.3)
    path, values = gram
    with ExitStack() as connections:
        for _ in range(MOST_DOWNLOADS):
            connections.enter_context(stalled(address, path))
        np.testing.assert_array_equal(loaded(client.get(path)), values)


@pytest.mark.parametrize("accept", ["application/x-npy", "application/vnd.apache.arrow.stream", "application/json"])
def test_an_array_that_is_deleted_while_it_is_read(
    client: httpx.Client, hand: Hand, gram: tuple[str, NDArray[np.float64]], accept: str
) -> None:
    with hand.database.begin() as write:
        write.execute(text("DELETE FROM tile"))
    answer = client.get(gram[0], params={"rows": "0:9"}, headers={"Accept": accept})
    assert (answer.status_code, answer.json()["type"]) == (404, "/problems/not-found")


def test_cross_requests_in_a_job_list_carry_working_links(client: httpx.Client, hand: Hand) -> None:
    job = submit(client, 6)
    hand.work(job, {"ntk": np.eye(6)})
    for array in client.get(f"/v1/jobs/{job}").json()["arrays"]:
        assert loaded(client.get(array["href"])).shape == (6, 6)
    spec = kernel_spec(points(client, 6))
    assert client.post("/v1/kernels", json=spec).json()["id"] == job
