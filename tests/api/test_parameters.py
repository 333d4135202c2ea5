"""Named tensors over HTTP: uploads in every way, and θ taken apart while it is sent."""

import json
import tracemalloc
from typing import Any
from uuid import UUID

import httpx
import numpy as np
import pytest
import safetensors.numpy

from api.parameters import ParametersBody
from api.views import StoredRow
from contracts.parameters import DenseLayer
from contracts.plan import ArrayPlan
from contracts.problems import Problem
from storage import arrays
from storage.arrays import TileData
from storage.database import Database
from storage.datasets import band_plan
from tests.api.conftest import MAX_UPLOAD, points, rows_of, submit

NETWORK = ["dense", "relu", "dense"]
TENSORS = {
    "layers.0.weight": np.arange(6.0).reshape(3, 2),
    "layers.0.bias": np.array([10.0, 11.0, 12.0]),
    "layers.2.weight": np.array([[7.0, 8.0, 9.0]]),
    "layers.2.bias": np.array([13.0]),
}
THETA = [0, 1, 10, 2, 3, 11, 4, 5, 12, 7, 8, 9, 13]
MEDIA = "application/vnd.safetensors"


def file(metadata: dict[str, str] | None = None, **more: Any) -> bytes:
    made: bytes = safetensors.numpy.save(TENSORS | more, metadata=metadata)
    return made


INSIDE = file({"architecture": json.dumps(NETWORK), "format": "ntkd.parameters/1"})


def send(client: httpx.Client, content: bytes, media: str = MEDIA, **query: str) -> httpx.Response:
    return client.post("/v1/parameters", content=content, params=query, headers={"Content-Type": media})


def test_every_way_is_one_dataset(client: httpx.Client, empty: Database) -> None:
    beside = {"architecture": json.dumps(NETWORK)}
    answers = [
        send(client, INSIDE, name="first"),
        send(client, INSIDE, "application/x-safetensors"),
        send(client, file(), "application/octet-stream", **beside),
        send(client, INSIDE, **beside),
        client.post("/v1/parameters", files={"file": ("net.safetensors", file())}, data=beside | {"name": "form"}),
        client.post("/v1/datasets", json={"source": {"type": "inline", "x": [THETA]}}),
    ]
    assert [answer.status_code for answer in answers] == [201] + [200] * 5, [answer.text for answer in answers]
    said = answers[0].json()
    assert all(answer.json() == said for answer in answers)
    assert answers[0].headers["Location"] == f"/v1/datasets/{said['id']}"
    assert (said["name"], said["source"]["type"]) == ("first", "parameters")
    assert said["source"]["architecture"]["type"] == "mlp"
    assert said["provenance"] == "upload: the parameters of 2 dense layers (safetensors)"
    assert client.get(f"/v1/datasets/{said['id']}/arrays/x", headers={"Accept": "text/csv"}).text == (
        ",".join(f"{number:.1f}" for number in THETA) + "\n"
    )


def test_an_idempotency_key_stands_for_one_upload(client: httpx.Client, empty: Database) -> None:
    headers = {"Content-Type": MEDIA, "Idempotency-Key": "once"}
    one, two = (client.post("/v1/parameters", content=INSIDE, headers=headers) for _ in range(2))
    other = safetensors.numpy.save({"layers.0.weight": np.ones((1, 1)), "layers.0.bias": np.ones(1)})
    three = client.post("/v1/parameters", params={"architecture": '["dense"]'}, content=other, headers=headers)
    assert (one.status_code, two.status_code, three.status_code) == (201, 200, 422)
    assert three.json()["type"] == "/problems/idempotency-conflict"


def metadata(**said: str) -> bytes:
    return file({"architecture": json.dumps(NETWORK)} | said)


REFUSED: dict[str, tuple[bytes, str, dict[str, str], int, str, str]] = {
    "no network": (file(), MEDIA, {}, 422, "invalid-request", "/architecture"),
    "no JSON": (file(), MEDIA, {"architecture": "dense"}, 422, "invalid-request", "/architecture"),
    "no such network": (
        file(),
        MEDIA,
        {"architecture": '["dense", {"type": "scale", "factor": 0}]'},
        422,
        "invalid-request",
        "/architecture/1/factor",
    ),
    "two networks": (INSIDE, MEDIA, {"architecture": '["dense"]'}, 422, "invalid-request", "/architecture"),
    "no JSON inside": (
        metadata(architecture="["),
        MEDIA,
        {},
        422,
        "invalid-request",
        "/file/__metadata__/architecture",
    ),
    "half a letter inside": (
        metadata(architecture='["\\ud800"]'),
        MEDIA,
        {},
        422,
        "invalid-request",
        "/file/__metadata__/architecture/0",
    ),
    "a later format": (metadata(format="ntkd.parameters/2"), MEDIA, {}, 422, "unreadable-upload", "/file/__metadata__"),
    "an unknown field": (INSIDE, MEDIA, {"labels": "one_hot"}, 422, "invalid-request", "/labels"),
    "more than the network": (
        safetensors.numpy.save(TENSORS | {"more": np.ones(1)}),
        MEDIA,
        {"architecture": json.dumps(NETWORK)},
        422,
        "unreadable-upload",
        "/file/more",
    ),
    "integers": (
        safetensors.numpy.save(TENSORS | {"layers.2.bias": np.ones(1, int)}),
        MEDIA,
        {"architecture": json.dumps(NETWORK)},
        422,
        "unreadable-upload",
        "/file/layers.2.bias",
    ),
    "not finite": (
        safetensors.numpy.save(TENSORS | {"layers.2.bias": np.array([np.nan])}),
        MEDIA,
        {"architecture": json.dumps(NETWORK)},
        422,
        "unreadable-upload",
        "/file/layers.2.bias",
    ),
    "too many layers": (file(), MEDIA, {"architecture": '{"depth": 100000}'}, 422, "too-large", "/architecture/depth"),
    "too large": (bytes(MAX_UPLOAD + 1), MEDIA, {"architecture": '["dense"]'}, 413, "payload-too-large", "/file"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_refusal_names_the_place_and_leaves_nothing(client: httpx.Client, empty: Database, name: str) -> None:
    content, media, query, status, kind, pointer = REFUSED[name]
    answer = send(client, content, media, **query)
    assert answer.status_code == status, answer.text
    problem = Problem.model_validate(answer.json())
    assert (problem.type, [fault.pointer for fault in problem.errors]) == (f"/problems/{kind}", [pointer])
    assert set(rows_of(empty).values()) == {0}


def test_bodies_of_other_types(client: httpx.Client) -> None:
    assert send(client, b"{}", "application/json").status_code == 415
    assert send(client, b"", "application/x-npy").status_code == 415
    packed = {"Content-Type": MEDIA, "Content-Encoding": "gzip"}
    assert client.post("/v1/parameters", content=INSIDE, headers=packed).status_code == 415
    assert send(client, bytes(2 * MAX_UPLOAD + 2**20), MEDIA).status_code == 413


def test_a_long_row_is_stored_in_parts(client: httpx.Client, empty: Database, settings: Any) -> None:
    """A row of 100,001 numbers lies in one tile; a plan cuts longer ones, and blocks of them are what they were."""
    weight = np.random.default_rng(0).standard_normal((1, 100_000))
    content = safetensors.numpy.save({"layers.0.weight": weight, "layers.0.bias": np.zeros(1)})
    made = send(client, content, architecture='["dense"]').json()
    got = client.get(made["arrays"][0]["href"], params={"cols": "99998:"}, headers={"Accept": "text/csv"}).text
    assert got == f"{weight[0, -2]},{weight[0, -1]},0.0\n"
    plan = band_plan("x", (3, 2**20), "float64")
    assert (plan.tile_rows, plan.tile_cols, plan.grid) == (1, 2**18, (3, 4))


def test_jobs_and_networks_that_have_none(client: httpx.Client, empty: Database) -> None:
    kernel = submit(client)
    training = {"dataset": points(client), "architecture": {"depth": 2, "width": 3}, "learning_rate": 1, "steps": 2}
    made = client.post("/v1/datasets", json={"source": {"type": "circle", "points": 3}, "targets": {"type": "x1"}})
    job = client.post("/v1/trainings", json=training | {"dataset": made.json()["id"]}).json()["id"]
    for id_, query, status in (
        (kernel, {}, 404),
        (UUID(int=1), {}, 404),
        (job, {}, 409),
        (job, {"seed": 1}, 422),
        (job, {"step": 1}, 422),
        (job, {"seed": "one"}, 422),
    ):
        answer = client.get(f"/v1/jobs/{id_}/parameters", params=query)
        assert answer.status_code == status, answer.text
    assert client.get(f"/v1/jobs/{job}/parameters").headers["Retry-After"]


LAYERS = (DenseLayer("a", 70, 3, 0), DenseLayer("b", 9, 70, 280), DenseLayer("c", 1, 9, 919))


def stored(database: Database, theta: np.ndarray, tile: int) -> StoredRow:
    """θ as the second row, from column 5 on, of an array of such tiles."""
    matrix = np.zeros((2, len(theta) + 5), theta.dtype)
    matrix[1, 5:] = theta
    plan = ArrayPlan("parameters", matrix.shape, theta.dtype.name, 1, tile)
    with database.begin() as write:
        from sqlalchemy import text

        write.execute(text("INSERT INTO dataset (id, source, provenance) VALUES ('d', '{}', 'test')"))
        made = arrays.create(write, plan, dataset="d")
        rows, cols = plan.grid
        tiles = ((row, col) for row in range(rows) for col in range(cols))
        data = (TileData("parameters", r, c, matrix[r : r + 1, c * tile : (c + 1) * tile]) for r, c in tiles)
        arrays.write_tiles(write, {"parameters": made}, data)
    return StoredRow(database, made, 1, 5)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(("read", "apart"), [(2**20, 2**18), (4, 3), (64, 7), (1000, 1)])
def test_theta_is_taken_apart(
    empty: Database, monkeypatch: pytest.MonkeyPatch, dtype: str, read: int, apart: int
) -> None:
    """However it is cut on the way; against the tensors sliced out of θ. And every range is a slice of the whole."""
    monkeypatch.setattr("api.views.READ", read)
    monkeypatch.setattr("api.parameters.APART", apart)
    theta = np.random.default_rng(2).standard_normal(929).astype(dtype)
    body = ParametersBody(stored(empty, theta, 4), LAYERS, {"seed": "0"})
    whole = b"".join(body.chunks(0, body.length))
    assert len(whole) == body.length
    found = safetensors.numpy.load(whole)
    for layer in LAYERS:
        both = theta[layer.first : layer.end].reshape(layer.outputs, -1)
        np.testing.assert_array_equal(found[f"{layer.name}.weight"], both[:, :-1])
        np.testing.assert_array_equal(found[f"{layer.name}.bias"], both[:, -1])
    assert found["a.bias"].dtype.name == dtype
    random = np.random.default_rng(3)
    for _ in range(30):
        start, stop = sorted(random.choice(body.length + 1, 2, replace=False))
        assert b"".join(body.chunks(start, stop)) == whole[start:stop]


def test_the_memory_that_100_mb_take(empty: Database) -> None:
    """Tiles as trainings store them: some of them, joined, taken apart; nothing grows with the layer but its biases."""
    layer = DenseLayer("a", 3500, 3500, 0)
    row = stored(empty, np.ones(layer.size), 2**18)
    body = ParametersBody(row, [layer], {})
    list(body.chunks(0, 10_000))
    tracemalloc.start()
    try:
        size = sum(map(len, body.chunks(0, body.length)))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert size == body.length > 98e6
    # 8 MiB that are read at once; of a tile's size, 2 MiB, its pieces, they joined, what is taken apart, what is sent.
    assert peak < 20 * 2**20
