"""Ranges of bytes: each is the same slice of the whole file."""

import httpx
import numpy as np
import pytest

from api.byte_ranges import byte_range
from tests.api.conftest import Hand, points, submit

N = 600


@pytest.fixture(params=["application/x-npy", "application/vnd.safetensors"])
def file(request: pytest.FixtureRequest, client: httpx.Client, hand: Hand) -> tuple[str, str, bytes, str]:
    """A symmetric array: its path, a media type, the whole file of that type, and its entity tag."""
    job = submit(client, N, kernels=["ntk"])
    values = np.random.default_rng(7).standard_normal((N, N))
    hand.work(job, {"ntk": values + values.T})
    path = f"/v1/jobs/{job}/arrays/ntk"
    answer = client.get(path, headers={"Accept": request.param})
    assert answer.headers["Accept-Ranges"] == "bytes"
    return path, request.param, answer.content, answer.headers["ETag"]


def test_every_range_is_a_slice_of_the_file(client: httpx.Client, file: tuple[str, str, bytes, str]) -> None:
    path, accept, whole, _ = file
    size, row = len(whole), 8 * N
    spans = [
        (0, 1),
        (0, 128),
        (100, 140),
        (size - 1, size),
        (0, size),
        (size - N * row, size - N * row + 1),
        (size - 88 * row - 3, size - 87 * row + 5),
        (131, 131 + 3 * row),
        (7, size - 7),
    ]
    rng = np.random.default_rng(8)
    spans += [(int(start), int(start) + 1 + int(rng.integers(5000))) for start in rng.integers(0, size - 5000, 12)]
    for start, stop in spans:
        answer = client.get(path, headers={"Accept": accept, "Range": f"bytes={start}-{stop - 1}"})
        assert answer.status_code == 206
        assert answer.headers["Content-Range"] == f"bytes {start}-{stop - 1}/{size}"
        assert answer.content == whole[start:stop]


def test_open_ends(client: httpx.Client, file: tuple[str, str, bytes, str]) -> None:
    path, accept, whole, _ = file
    for asked, expected in (("-100", whole[-100:]), ("1000-", whole[1000:]), (f"5-{10**17}", whole[5:])):
        answer = client.get(path, headers={"Accept": accept, "Range": f"bytes={asked}"})
        assert (answer.status_code, answer.content) == (206, expected)


def test_a_range_of_a_block(client: httpx.Client, file: tuple[str, str, bytes, str]) -> None:
    path, accept, _, _ = file
    block = {"rows": "500:520", "cols": "3:590"}
    whole = client.get(path, params=block, headers={"Accept": accept}).content
    answer = client.get(path, params=block, headers={"Accept": accept, "Range": "bytes=200-60000"})
    assert answer.content == whole[200:60001]


def test_if_range(client: httpx.Client, file: tuple[str, str, bytes, str]) -> None:
    path, accept, whole, tag = file
    for condition, status, expected in (
        (tag, 206, whole[:10]),
        ('"other"', 200, whole),
        ("Tue, 24 Nov 2026 09:00:00 GMT", 200, whole),
        (f"W/{tag}", 200, whole),
    ):
        headers = {"Accept": accept, "Range": "bytes=0-9", "If-Range": condition}
        answer = client.get(path, headers=headers)
        assert (answer.status_code, answer.content) == (status, expected)


def test_ranges_beyond_the_end(client: httpx.Client, file: tuple[str, str, bytes, str]) -> None:
    path, accept, whole, _ = file
    for asked in (f"{len(whole)}-", f"{len(whole)}-{len(whole) + 5}", "-0"):
        answer = client.get(path, headers={"Accept": accept, "Range": f"bytes={asked}"})
        assert (answer.status_code, answer.json()["type"]) == (416, "/problems/range-not-satisfiable")
        assert answer.headers["Content-Range"] == f"bytes */{len(whole)}"


def test_head_of_a_range(client: httpx.Client, file: tuple[str, str, bytes, str]) -> None:
    path, accept, whole, _ = file
    answer = client.head(path, headers={"Accept": accept, "Range": "bytes=0-9"})
    assert (answer.status_code, answer.headers["Content-Length"]) == (206, "10")
    assert answer.headers["Content-Range"] == f"bytes 0-9/{len(whole)}"


def test_a_resumed_download_is_the_file(client: httpx.Client, file: tuple[str, str, bytes, str]) -> None:
    path, accept, whole, tag = file
    got = b""
    while len(got) < len(whole):
        headers = {"Accept": accept, "Range": f"bytes={len(got)}-", "If-Range": tag}
        with client.stream("GET", path, headers=headers) as answer:
            assert answer.status_code == 206
            got += next(answer.iter_raw(700_000))
    assert got == whole


def test_formats_without_ranges_send_all(client: httpx.Client) -> None:
    path = f"/v1/datasets/{points(client)}/arrays/x"
    for accept in ("application/json", "text/csv", "application/vnd.apache.arrow.stream"):
        answer = client.get(path, headers={"Accept": accept, "Range": "bytes=0-3"})
        assert (answer.status_code, answer.headers["Accept-Ranges"]) == (200, "none")


NOT_UNDERSTOOD = ["bytes=", "bytes=-", "bytes=5-4", "bytes=0-1,3-4", "rows=0-1", "bytes=a-b", "x", None]


@pytest.mark.parametrize("header", NOT_UNDERSTOOD)
def test_what_is_not_understood_means_all(header: str | None) -> None:
    assert byte_range(header, None, '"tag"', 100) is None
