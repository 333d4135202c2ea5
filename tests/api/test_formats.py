"""Array formats: each is read by its own library, and gives back exactly what was stored."""

import io
import json

import httpx
import numpy as np
import pyarrow
import pytest
import safetensors.numpy
from numpy.typing import NDArray

from tests.api.conftest import Hand, points, submit

N = 600


@pytest.fixture(params=["float64", "float32"])
def stored(request: pytest.FixtureRequest, client: httpx.Client, hand: Hand) -> tuple[str, NDArray[np.floating]]:
    """A finished symmetric array over several tiles, with values at both ends of the exponents."""
    job = submit(client, N, kernels=["ntk"], dtype=request.param)
    values = np.random.default_rng(5).standard_normal((N, N)).astype(request.param)
    values += values.T
    values[0, 0], values[1, 1] = np.finfo(request.param).max, np.finfo(request.param).tiny
    hand.work(job, {"ntk": values})
    return f"/v1/jobs/{job}/arrays/ntk", values


def fetch(client: httpx.Client, path: str, accept: str, **params: str) -> httpx.Response:
    answer = client.get(path, headers={"Accept": accept}, params=params)
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"] == accept
    assert int(answer.headers["Content-Length"]) == len(answer.content)
    return answer


def test_npy(client: httpx.Client, stored: tuple[str, NDArray[np.floating]]) -> None:
    path, values = stored
    got = np.load(io.BytesIO(fetch(client, path, "application/x-npy").content), allow_pickle=False)
    assert got.dtype == values.dtype
    np.testing.assert_array_equal(got, values)


@pytest.mark.parametrize("accept", ["application/vnd.safetensors", "application/x-safetensors"])
def test_safetensors(client: httpx.Client, stored: tuple[str, NDArray[np.floating]], accept: str) -> None:
    path, values = stored
    got = safetensors.numpy.load(fetch(client, path, accept, rows="3:590").content)
    assert list(got) == ["ntk"]
    assert got["ntk"].dtype == values.dtype
    np.testing.assert_array_equal(got["ntk"], values[3:590])


@pytest.mark.parametrize(("rows", "cols"), [("0:600", "0:600"), ("3:590", "7:8"), ("511:513", "0:600")])
def test_arrow(client: httpx.Client, stored: tuple[str, NDArray[np.floating]], rows: str, cols: str) -> None:
    path, values = stored
    answer = fetch(client, path, "application/vnd.apache.arrow.stream", rows=rows, cols=cols)
    with pyarrow.ipc.open_stream(answer.content) as reader:
        table = reader.read_all()
    expected = values[slice(*map(int, rows.split(":"))), slice(*map(int, cols.split(":")))]
    assert table.schema.metadata[b"shape"] == ",".join(map(str, expected.shape)).encode()
    got = np.concatenate([chunk.flatten().to_numpy() for chunk in table["ntk"].chunks]).reshape(expected.shape)
    assert got.dtype == values.dtype
    np.testing.assert_array_equal(got, expected)


def test_json_is_exact(client: httpx.Client, stored: tuple[str, NDArray[np.floating]]) -> None:
    path, values = stored
    said = json.loads(fetch(client, path, "application/json", rows="0:40", cols="580:600").content)
    assert {name: said[name] for name in ("name", "shape", "dtype", "rows", "cols")} == {
        "name": "ntk",
        "shape": [40, 20],
        "dtype": values.dtype.name,
        "rows": [0, 40],
        "cols": [580, 600],
    }
    np.testing.assert_array_equal(np.array(said["data"]).astype(values.dtype), values[:40, 580:])


def test_csv_is_exact(client: httpx.Client, stored: tuple[str, NDArray[np.floating]]) -> None:
    path, values = stored
    text = fetch(client, path, "text/csv", rows="0:40").text
    np.testing.assert_array_equal(np.loadtxt(io.StringIO(text), delimiter=",").astype(values.dtype), values[:40])


def test_json_spells_what_it_has_no_number_for(client: httpx.Client, hand: Hand) -> None:
    job = submit(client, 3, kernels=["ntk"])
    hand.work(job, {"ntk": np.array([[np.nan, np.inf, 1.0], [np.inf, -np.inf, 0.0], [1.0, 0.0, 2.0]])})
    answer = fetch(client, f"/v1/jobs/{job}/arrays/ntk", "application/json")
    assert json.loads(answer.content)["data"] == [["nan", "inf", 1.0], ["inf", "-inf", 0.0], [1.0, 0.0, 2.0]]


def test_arrays_of_other_shapes_as_json_and_arrow(client: httpx.Client) -> None:
    images = np.random.default_rng(6).standard_normal((3, 2, 2, 1))
    file = io.BytesIO()
    np.savez(file, x=images, y=np.array([1.0, 2.0, 3.0]))
    dataset = client.post("/v1/datasets", files={"file": ("data.npz", file.getvalue())}).json()["id"]
    path = f"/v1/datasets/{dataset}/arrays/x"
    np.testing.assert_array_equal(np.array(fetch(client, path, "application/json").json()["data"]), images)
    with pyarrow.ipc.open_stream(fetch(client, path, "application/vnd.apache.arrow.stream").content) as reader:
        table = reader.read_all()
    shape = tuple(map(int, table.schema.metadata[b"shape"].split(b",")))
    got = table["x"].combine_chunks().flatten().to_numpy().reshape(shape)
    np.testing.assert_array_equal(got, images)


def test_text_is_for_small_arrays(client: httpx.Client, hand: Hand) -> None:
    """725² numbers are more than the 4 MiB that JSON is for: it is refused by name, or another format taken."""
    job = submit(client, 725, kernels=["ntk"])
    hand.work(job)
    path = f"/v1/jobs/{job}/arrays/ntk"
    for accept in ("application/json", "text/csv"):
        refused = client.get(path, headers={"Accept": accept})
        assert (refused.status_code, refused.json()["type"]) == (406, "/problems/not-acceptable")
        assert "application/x-npy" in refused.json()["detail"]
    assert client.head(path, headers={"Accept": "application/json"}, params={"rows": "0:9"}).status_code == 200
    second = client.head(path, headers={"Accept": "application/json, application/x-npy;q=0.1"})
    assert second.headers["Content-Type"] == "application/x-npy"


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("*/*", "application/x-npy"),
        ("application/*", "application/x-npy"),
        ("text/*", "text/csv"),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "application/x-npy"),
        ("application/json;q=0.5, application/vnd.safetensors", "application/vnd.safetensors"),
        ("application/x-npy;q=0, */*", "application/vnd.safetensors"),
        ("*/*;q=0.1, application/json", "application/json"),
        ("nonsense, application/json", "application/json"),
        ("APPLICATION/JSON", "application/json"),
    ],
)
def test_what_the_client_likes_best_is_sent(client: httpx.Client, accept: str, expected: str) -> None:
    answer = client.get(f"/v1/datasets/{points(client)}/arrays/x", headers={"Accept": accept})
    assert answer.headers["Content-Type"].partition(";")[0] == expected
    assert answer.headers["Vary"] == "Accept"


@pytest.mark.parametrize("accept", ["image/png", "application/json;q=0", "application/pdf, text/html"])
def test_formats_that_are_not_there(client: httpx.Client, accept: str) -> None:
    answer = client.get(f"/v1/datasets/{points(client)}/arrays/x", headers={"Accept": accept})
    assert (answer.status_code, answer.json()["type"]) == (406, "/problems/not-acceptable")
    assert "application/x-npy" in answer.json()["detail"]


def test_arrow_without_its_extra_says_so() -> None:
    """In a process in which pyarrow cannot be imported."""
    import subprocess
    import sys

    program = (
        "import sys; sys.modules['pyarrow'] = None\n"
        "from api.formats import choose\n"
        "from contracts.problems import ProblemError\n"
        "try: choose('application/vnd.apache.arrow.stream', None)\n"
        "except ProblemError as error: print(error.problem.status, error.problem.detail)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("406 ")
    assert "pyarrow" in done.stdout
