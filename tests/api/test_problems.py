"""Every error is a problem document that names the field, and leaves no row."""

import json
from typing import Any

import httpx
import pytest

from contracts.problems import KINDS
from contracts.settings import Settings
from storage.database import Database
from tests.api.conftest import Hand, kernel_spec, points, rows_of, serving, submit

UNKNOWN = "0" * 32


def network(**fields: object) -> dict[str, object]:
    return {"architecture": {"type": "mlp", "depth": 2} | fields}


BARE = ["/architecture/1/beta", "/architecture/3"]
WRAPPED = ["/architecture/layers/1/beta", "/architecture/layers/3"]
BAD_KERNELS: list[tuple[dict[str, Any], list[str]]] = [
    (network(activation="wavy"), ["/architecture/activation"]),
    (network(activation={"type": "relu", "slope": 1}), ["/architecture/activation/slope"]),
    (network(activation=3), ["/architecture/activation"]),
    (network(depth=0), ["/architecture/depth"]),
    (network(depth=True), ["/architecture/depth"]),
    (network(depth="3"), ["/architecture/depth"]),
    (network(depth=2.5), ["/architecture/depth"]),
    (network(beta=-0.1), ["/architecture/beta"]),
    (network(beta="nan"), ["/architecture/beta"]),
    (network(sigma_w=0), ["/architecture/sigma_w"]),
    (network(depth=-1, beta=-1, sigma_w=-1), ["/architecture/depth", "/architecture/beta", "/architecture/sigma_w"]),
    (network(heads=2), ["/architecture/heads"]),
    (network(type="cnn"), ["/architecture/type"]),
    ({"architecture": []}, ["/architecture"]),
    ({"architecture": ["dense", {"type": "dense", "beta": -1}, "relu", "relu"]}, BARE),
    ({"architecture": {"type": "serial", "layers": ["dense", {"type": "dense", "beta": -1}, "relu", "relu"]}}, WRAPPED),
    (
        {"architecture": ["dense", {"type": "residual", "layers": ["relu", {"type": "a/b~c"}]}]},
        ["/architecture/1/layers/1/type"],
    ),
    ({"architecture": ["dense", {"type": "dense", "a/b~c": 1}]}, ["/architecture/1/a~1b~0c"]),
    ({"architecture": ["dense", {"type": "dropout"}]}, ["/architecture/1/rate"]),
    ({"architecture": [{"type": "dropout", "rate": 0.5}, "dense", "relu"]}, ["/architecture/2"]),
    ({"architecture": ["dense", {"type": "relu", "slope": 1}]}, ["/architecture/1/slope"]),
    ({"architecture": "mlp"}, ["/architecture"]),
    ({"architecture": None}, ["/architecture"]),
    ({"architecture": {"type": "mlp"}}, ["/architecture/depth"]),
    ({"dataset": "mnist"}, ["/dataset"]),
    ({"dataset": 7}, ["/dataset"]),
    ({"against": "x"}, ["/against"]),
    ({"kernels": []}, ["/kernels"]),
    ({"kernels": ["ntk", "gp"]}, ["/kernels/1"]),
    ({"method": {"type": "guess"}}, ["/method/type"]),
    ({"method": 3}, ["/method"]),
    ({"method": "guess"}, ["/method/type"]),
    (
        {"method": {"type": "monte_carlo", "draws": 1, "width": 0, "seed": -1}},
        ["/method/draws", "/method/width", "/method/seed"],
    ),
    ({"method": {"type": "monte_carlo", "draws": 9, "with": 5}}, ["/method/with"]),
    ({"method": {"type": "empirical", "width": 0, "n_outputs": 0}}, ["/method/width", "/method/n_outputs"]),
    ({"method": {"type": "empirical", "n_outputs": 3, "outputs": 3}}, ["/method/outputs"]),
    ({"method": {"type": "empirical", "outputs": "all"}}, ["/method/outputs"]),
    ({"dtype": "float16"}, ["/dtype"]),
    ({"colour": "red"}, ["/colour"]),
    ({"a/b~c": 1}, ["/a~1b~0c"]),
]


def refused(answer: httpx.Response, status: int, kind: str) -> dict[str, Any]:
    """The answer's problem document, checked for what all have in common."""
    said: dict[str, Any] = answer.json()
    assert (answer.status_code, said["status"], said["type"]) == (status, status, f"/problems/{kind}"), answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert said["title"] == KINDS[kind].title
    assert said["detail"]
    assert "pydantic" not in answer.text
    return said


@pytest.mark.parametrize(("change", "pointers"), BAD_KERNELS, ids=lambda value: json.dumps(value)[:60])
def test_a_bad_kernel_request_names_each_fault(
    client: httpx.Client, hand: Hand, change: dict[str, Any], pointers: list[str]
) -> None:
    body = kernel_spec(points(client)) | change
    before = rows_of(hand.database)
    said = refused(client.post("/v1/kernels", json=body), 422, "invalid-request")
    assert [fault["pointer"] for fault in said["errors"]] == pointers
    assert all(fault["detail"] for fault in said["errors"])
    assert rows_of(hand.database) == before


@pytest.mark.parametrize(
    ("text", "pointers"),
    [
        ('{"kernel": "x"}', ["/kernel"]),
        ("{}", [""]),
        ('{"kernel": "00000000-0000-4000-8000-000000000000", "top": 0}', ["/top"]),
        ("[]", [""]),
        ("3", [""]),
        ("null", [""]),
    ],
)
def test_a_bad_spectrum_request_names_each_fault(client: httpx.Client, text: str, pointers: list[str]) -> None:
    answer = client.post("/v1/spectra", content=text, headers={"Content-Type": "application/json"})
    assert [fault["pointer"] for fault in refused(answer, 422, "invalid-request")["errors"]] == pointers


@pytest.mark.parametrize("levels", [30, 400])
def test_deep_architectures_are_refused(client: httpx.Client, hand: Hand, levels: int) -> None:
    """What is nested deeper than the service reads, and than Python would follow."""
    network = '{"type": "serial", "layers": [' * levels + '"dense"' + "]}" * levels
    body = f'{{"dataset": "{points(client)}", "architecture": ["dense", {network}]}}'
    answer = client.post("/v1/kernels", content=body, headers={"Content-Type": "application/json"})
    (fault,) = refused(answer, 422, "invalid-request")["errors"]
    assert fault["pointer"].startswith("/architecture")
    assert "deep in one another" in fault["detail"]


def test_numbers_that_json_does_not_have_are_refused(client: httpx.Client, hand: Hand) -> None:
    body = json.dumps(kernel_spec(points(client), architecture={"type": "mlp", "depth": 2, "beta": float("nan")}))
    answer = client.post("/v1/kernels", content=body, headers={"Content-Type": "application/json"})
    assert refused(answer, 422, "invalid-request")["errors"][0]["pointer"] == "/architecture/beta"


@pytest.mark.parametrize("text", ["", "{", "{'a': 1}", '{"a": 1}}', "\xff", "[" * 60_000])
@pytest.mark.parametrize("path", ["/v1/kernels", "/v1/spectra", "/v1/datasets"])
def test_malformed_json(client: httpx.Client, path: str, text: str) -> None:
    answer = client.post(path, content=text.encode("latin-1"), headers={"Content-Type": "application/json"})
    if text == "" and path != "/v1/datasets":
        refused(answer, 422, "invalid-request")
    else:
        assert refused(answer, 400, "malformed-json")["detail"].startswith("The body is not JSON")


@pytest.mark.parametrize("media_type", ["text/plain", "application/x-www-form-urlencoded", "application/xml"])
@pytest.mark.parametrize("path", ["/v1/kernels", "/v1/datasets"])
def test_other_media_types(client: httpx.Client, path: str, media_type: str) -> None:
    said = refused(client.post(path, content="{}", headers={"Content-Type": media_type}), 415, "unsupported-media-type")
    assert media_type in said["detail"]


def test_references_to_nothing(client: httpx.Client, hand: Hand) -> None:
    dataset = points(client)
    for body, pointer in (
        (kernel_spec(UNKNOWN), "/dataset"),
        (kernel_spec(dataset, against=UNKNOWN), "/against"),
    ):
        said = refused(client.post("/v1/kernels", json=body), 422, "unknown-reference")
        assert [fault["pointer"] for fault in said["errors"]] == [pointer]
    said = refused(
        client.post("/v1/spectra", json={"kernel": "00000000-0000-4000-8000-000000000000"}), 422, "unknown-reference"
    )
    assert said["errors"][0]["pointer"] == "/kernel"
    assert rows_of(hand.database)["job"] == 0


def test_dimensions_that_do_not_fit(client: httpx.Client, hand: Hand) -> None:
    plane = points(client)
    space = client.post("/v1/datasets", json={"source": {"type": "inline", "x": [[1.0, 2.0, 3.0]]}}).json()["id"]
    said = refused(client.post("/v1/kernels", json=kernel_spec(plane, against=space)), 422, "invalid-request")
    assert [fault["pointer"] for fault in said["errors"]] == ["/against"]
    assert "2" in said["detail"]
    assert "3" in said["detail"]


def test_a_spectrum_of_what_is_no_gram_matrix(client: httpx.Client, hand: Hand) -> None:
    dataset = points(client)
    cross = client.post("/v1/kernels", json=kernel_spec(dataset, against=points(client, 6))).json()["id"]
    for body, pointer in (
        ({"kernel": cross}, "/kernel"),
        ({"kernel": submit(client), "array": "xyz"}, "/array"),
        ({"kernel": submit(client), "top": 5}, "/top"),
    ):
        said = refused(client.post("/v1/spectra", json=body), 422, "invalid-request")
        assert [fault["pointer"] for fault in said["errors"]] == [pointer]


def test_a_job_beyond_the_limits_shows_the_figures(client: httpx.Client, hand: Hand) -> None:
    body = kernel_spec(points(client, 1000), architecture={"type": "mlp", "depth": 10**8})
    before = rows_of(hand.database)
    said = refused(client.post("/v1/kernels", json=body), 422, "too-large")
    assert said["figures"]["seconds"] > said["figures"]["limits"]["seconds"]
    assert rows_of(hand.database) == before


def test_no_such_path_and_no_such_method(client: httpx.Client) -> None:
    refused(client.get("/v1/nothing"), 404, "not-found")
    answer = client.put("/v1/jobs/00000000-0000-4000-8000-000000000000")
    refused(answer, 405, "method-not-allowed")
    assert answer.headers["Allow"] == "DELETE, GET, HEAD"
    answer = client.delete("/v1/datasets")
    assert answer.headers["Allow"] == "GET, HEAD, POST"


def test_a_fault_of_ours_is_said_without_its_details(client: httpx.Client, hand: Hand) -> None:
    from sqlalchemy import text

    dataset = points(client)
    with hand.database.begin() as write:
        write.execute(text("UPDATE piece SET data = decode('00', 'hex')"))
    answer = client.get(f"/v1/datasets/{dataset}/arrays/x")
    said = refused(answer, 500, "internal")
    assert "Traceback" not in answer.text
    assert "tile" not in said["detail"]
    assert answer.headers["X-Request-Id"]


def test_without_a_database_the_answer_is_503(settings: Settings) -> None:
    down = settings.model_copy(update={"database_url": "postgresql://nobody@127.0.0.1:1/nothing"})
    with serving(down) as url, httpx.Client(base_url=url, timeout=30) as client:
        assert client.get("/healthz").status_code == 200
        for path in ("/v1/jobs", "/readyz", "/v1/datasets"):
            answer = client.get(path)
            refused(answer, 503, "unavailable")
            assert int(answer.headers["Retry-After"]) >= 1
        assert "ntkd_database_up 0.0" in client.get("/metrics").text


def test_types_lead_to_pages(client: httpx.Client) -> None:
    for name, kind in KINDS.items():
        page = client.get(f"/problems/{name}", headers={"Accept": "text/html,*/*;q=0.8"})
        assert page.headers["Content-Type"].startswith("text/html")
        assert kind.title in page.text
        said = client.get(f"/problems/{name}").json()
        assert (said["title"], said["status"]) == (kind.title, kind.status)
    assert len(client.get("/problems").json()["problems"]) == len(KINDS)
    refused(client.get("/problems/unheard"), 404, "not-found")


def test_the_database_is_left_as_it_was(client: httpx.Client, empty: Database) -> None:
    """The bad requests that need no dataset leave no row at all."""
    for text in ("{", "[]", '{"dataset": 1}'):
        client.post("/v1/kernels", content=text, headers={"Content-Type": "application/json", "Idempotency-Key": "k"})
    assert set(rows_of(empty).values()) == {0}
