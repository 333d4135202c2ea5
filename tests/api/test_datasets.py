"""Datasets over HTTP: made, uploaded in every way, refused without a trace."""

import gzip
import io
import json
import struct
import threading
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from storage.database import Database
from tests.api.conftest import MAX_UPLOAD, rows_of

X = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.5]])
LABELS = np.array([0.0, 2.0, 1.0])


def npy(array: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def npz(**arrays: Any) -> bytes:
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()


def idx(array: np.ndarray[Any, np.dtype[np.uint8]]) -> bytes:
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


def array_of(client: httpx.Client, dataset: str, name: str) -> np.ndarray[Any, Any]:
    answer = client.get(f"/v1/datasets/{dataset}/arrays/{name}")
    assert answer.status_code == 200, answer.text
    loaded: np.ndarray[Any, Any] = np.load(io.BytesIO(answer.content), allow_pickle=False)
    return loaded


def test_a_generator(client: httpx.Client, empty: Database) -> None:
    body = {"source": {"type": "circle", "points": 8}, "targets": {"type": "x1*x2"}, "name": "a circle"}
    made = client.post("/v1/datasets", json=body)
    again = client.post("/v1/datasets", json=body | {"name": "again"})
    assert (made.status_code, again.status_code) == (201, 200)
    said = made.json()
    assert again.json() == said
    assert made.headers["Location"] == f"/v1/datasets/{said['id']}"
    assert client.get(made.headers["Location"]).json() == said
    assert said["name"] == "a circle"
    assert said["source"].items() >= {"type": "circle", "points": 8, "targets": {"type": "x1*x2"}}.items()
    x, y = array_of(client, said["id"], "x"), array_of(client, said["id"], "y")
    np.testing.assert_array_equal(y[:, 0], x[:, 0] * x[:, 1])


UPLOADS: dict[str, tuple[bytes, str]] = {
    "npy": (npy(X), "application/x-npy"),
    "npz": (npz(x=X), "application/zip"),
    "csv": (b"1,2\n3,4\n5,6.5\n", "text/csv"),
}


@pytest.mark.parametrize("suffix", UPLOADS)
def test_a_file_in_a_form_and_as_the_body_is_one_dataset(client: httpx.Client, empty: Database, suffix: str) -> None:
    content, media_type = UPLOADS[suffix]
    form = client.post("/v1/datasets", files={"file": (f"points.{suffix}", content)}, data={"name": "points"})
    body = client.post("/v1/datasets", content=content, headers={"Content-Type": media_type})
    assert (form.status_code, body.status_code) == (201, 200), (form.text, body.text)
    assert form.json()["id"] == body.json()["id"]
    assert form.json()["name"] == "points"
    assert "points" in form.json()["provenance"]
    np.testing.assert_array_equal(array_of(client, form.json()["id"], "x"), X)


def test_images_as_idx(client: httpx.Client, empty: Database) -> None:
    images = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    content = gzip.compress(idx(images))
    by_type = client.post("/v1/datasets", content=content, headers={"Content-Type": "application/gzip"})
    by_bytes = client.post("/v1/datasets", content=content, headers={"Content-Type": "application/octet-stream"})
    assert (by_type.status_code, by_bytes.status_code) == (201, 200)
    assert array_of(client, by_type.json()["id"], "x").reshape(2, 4, 3).tolist() == images.tolist()


@pytest.mark.parametrize("labels", ["one_hot", '{"type": "one_hot"}'])
def test_labels_of_an_upload_are_encoded(client: httpx.Client, empty: Database, labels: str) -> None:
    content = npz(x=X, y=LABELS)
    form = client.post("/v1/datasets", files={"file": ("d.npz", content)}, data={"labels": labels})
    query = client.post(
        "/v1/datasets", params={"labels": labels}, content=content, headers={"Content-Type": "application/zip"}
    )
    assert (form.status_code, query.status_code) == (201, 200), (form.text, query.text)
    np.testing.assert_array_equal(array_of(client, form.json()["id"], "y"), np.eye(3)[[0, 2, 1]])


def bomb() -> bytes:
    """A zip of some kilobytes that holds 64 MiB of zeros."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", npy(np.zeros((2**20, 8))))
    return file.getvalue()


BAD_UPLOADS: dict[str, tuple[str, Callable[[], bytes], int, str, str]] = {
    "nan": ("x.npy", lambda: npy(np.array([[1.0, np.nan]])), 422, "unreadable-upload", "/file"),
    "infinity": ("x.csv", lambda: b"1,inf\n", 422, "unreadable-upload", "/file"),
    "ragged csv": ("x.csv", lambda: b"1,2\n3\n", 422, "unreadable-upload", "/file"),
    "words": ("x.csv", lambda: b"1,two\n", 422, "unreadable-upload", "/file"),
    "objects": ("d.npz", lambda: npz(x=np.array([{}, []], dtype=object)), 422, "unreadable-upload", "/file/x"),
    "object array": ("x.npy", lambda: npy(np.array([None], dtype=object)), 422, "unreadable-upload", "/file"),
    "zip bomb": ("d.npz", bomb, 413, "payload-too-large", "/file/x"),
    "rows that do not pair": ("d.npz", lambda: npz(x=X, y=LABELS[:2]), 422, "unreadable-upload", "/file/y"),
    "cut off": ("x.npy", lambda: npy(X)[:-1], 422, "unreadable-upload", "/file"),
    "empty": ("x.npy", lambda: b"", 422, "unreadable-upload", "/file"),
    "something else": ("x.npy", lambda: b"%PDF-1.7", 422, "unreadable-upload", "/file"),
}


@pytest.mark.parametrize("case", BAD_UPLOADS)
def test_a_bad_file_is_refused_and_nothing_is_left(
    client: httpx.Client, empty: Database, case: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    name, content, status, kind, pointer = BAD_UPLOADS[case]
    answer = client.post("/v1/datasets", files={"file": (name, content())}, headers={"Idempotency-Key": "k"})
    assert (answer.status_code, answer.json()["type"]) == (status, f"/problems/{kind}"), answer.text
    assert [fault["pointer"] for fault in answer.json()["errors"]] == [pointer]
    assert set(rows_of(empty).values()) == {0}
    assert list(tmp_path.iterdir()) == []


BAD_BODIES: list[tuple[dict[str, Any], list[str]]] = [
    ({}, ["/source"]),
    ({"source": {"type": "torus"}}, ["/source/type"]),
    ({"source": {"type": "circle", "points": 0}}, ["/source/points"]),
    ({"source": {"type": "circle", "points": 10**15}}, ["/source/points"]),
    ({"source": {"type": "inline", "x": [[1.0], [1.0, 2.0]]}}, ["/source/x"]),
    ({"source": {"type": "inline", "x": [["a"]]}}, ["/source/x/0/0"]),
    ({"source": {"type": "circle", "points": 3}, "labels": "one_hot"}, ["/labels"]),
    ({"source": {"type": "circle", "points": 3}, "targets": {"type": "x9"}}, ["/targets/type"]),
    ({"source": {"type": "circle", "points": 3}, "name": ""}, ["/name"]),
    ({"source": {"type": "circle", "points": 3}, "name": "a\0b"}, ["/name"]),
    ({"source": {"type": "circle", "points": 3}, "name": "\ud800"}, ["/name"]),
    ({"source": {"type": "circle", "points": 3, "colour": 1}, "nme": "x"}, ["/source/colour", "/nme"]),
]


@pytest.mark.parametrize(("body", "pointers"), BAD_BODIES, ids=lambda value: json.dumps(value)[:70])
def test_a_bad_body_names_each_fault(
    client: httpx.Client, empty: Database, body: dict[str, Any], pointers: list[str]
) -> None:
    answer = client.post("/v1/datasets", content=json.dumps(body), headers={"Content-Type": "application/json"})
    assert answer.status_code == 422, answer.text
    assert [fault["pointer"] for fault in answer.json()["errors"]] == pointers
    assert set(rows_of(empty).values()) == {0}


def test_a_form_without_a_file_or_with_unknown_fields(client: httpx.Client, empty: Database) -> None:
    file = {"file": ("x.npy", npy(X))}
    cases: list[tuple[dict[str, Any], str]] = [
        ({"files": {"data": ("x.npy", npy(X))}}, "/file"),
        ({"files": file, "data": {"label": "one_hot"}}, "/label"),
        ({"files": file, "data": {"labels": "two_hot"}}, "/labels"),
        ({"files": file, "data": {"labels": "{"}}, "/labels"),
        ({"files": file, "data": {"labels": '{"a":' * 5000}}, "/labels"),
        ({"files": file, "data": {"labels": "one_hot"}}, "/labels"),
        ({"files": file, "data": {"name": ""}}, "/name"),
        ({"files": [("file", file["file"]), ("file", file["file"])]}, "/file"),
    ]
    for sent, pointer in cases:
        answer = client.post("/v1/datasets", **sent)
        assert answer.status_code == 422, answer.text
        assert [fault["pointer"].removesuffix("/type") for fault in answer.json()["errors"]] == [pointer]
    assert set(rows_of(empty).values()) == {0}


def test_forms_that_are_none(client: httpx.Client, empty: Database) -> None:
    for media_type in ("multipart/form-data", "multipart/form-data; boundary=x"):
        answer = client.post("/v1/datasets", content=b"--y\r\n", headers={"Content-Type": media_type})
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/file"), answer.text


def test_compressed_bodies_are_not_taken(client: httpx.Client) -> None:
    headers = {"Content-Type": "text/csv", "Content-Encoding": "gzip"}
    answer = client.post("/v1/datasets", content=gzip.compress(b"1,2"), headers=headers)
    assert (answer.status_code, answer.json()["type"]) == (415, "/problems/unsupported-media-type")


def test_a_file_as_large_as_it_may_be(client: httpx.Client, empty: Database) -> None:
    """A header of npy has 128 bytes; with them this file has exactly the limit."""
    values = np.random.default_rng(9).standard_normal(((MAX_UPLOAD - 128) // 16, 2))
    content = npy(values)
    assert len(content) == MAX_UPLOAD
    answer = client.post("/v1/datasets", files={"file": ("x.npy", content)})
    assert answer.status_code == 201
    np.testing.assert_array_equal(array_of(client, answer.json()["id"], "x"), values)
    larger = client.post("/v1/datasets", files={"file": ("x.npy", content + b"\0")})
    assert (larger.status_code, larger.json()["type"]) == (413, "/problems/payload-too-large")


def test_keys_of_datasets(client: httpx.Client, empty: Database) -> None:
    key = {"Idempotency-Key": "data"}
    body = {"source": {"type": "circle", "points": 5}}
    first = client.post("/v1/datasets", json=body, headers=key)
    again = client.post("/v1/datasets", json=body, headers=key)
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == first.json()
    other = client.post("/v1/datasets", json={"source": {"type": "circle", "points": 6}}, headers=key)
    assert (other.status_code, other.json()["type"]) == (422, "/problems/idempotency-conflict")
    assert rows_of(empty)["dataset"] == 1


def test_rivals_store_a_dataset_once(address: str, empty: Database) -> None:
    gate = threading.Barrier(6)
    content = npy(np.random.default_rng(10).standard_normal((4000, 30)))

    def post(_: int) -> httpx.Response:
        gate.wait()
        return httpx.post(f"{address}/v1/datasets", files={"file": ("x.npy", content)}, timeout=30)

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(post, range(6)))
    assert {answer.status_code for answer in answers} <= {200, 201}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert (rows_of(empty)["dataset"], rows_of(empty)["stored_array"]) == (1, 1)


def test_pages_of_datasets(client: httpx.Client, empty: Database) -> None:
    made = [
        client.post("/v1/datasets", json={"source": {"type": "circle", "points": n}}).json()["id"] for n in (2, 3, 4)
    ]
    seen: list[str] = []
    path = "/v1/datasets?limit=2"
    while path:
        answer = client.get(path)
        seen += [dataset["id"] for dataset in answer.json()["datasets"]]
        path = answer.links.get("next", {}).get("url", "")
    assert seen == made[::-1]
    bad = client.get("/v1/datasets?cursor=MjAyNi0xMS0yNFQwMDowMDowMCAA")
    assert (bad.status_code, bad.json()["errors"][0]["pointer"]) == (422, "cursor")


@pytest.mark.parametrize("dataset", ["0" * 32, "nothing", "%00"])
def test_an_unknown_dataset_is_not_found(client: httpx.Client, dataset: str) -> None:
    answer = client.get(f"/v1/datasets/{dataset}")
    assert (answer.status_code, answer.json()["type"]) == (404, "/problems/not-found")
