"""Health, metrics, logs, the page, OpenAPI, and what the application must not load."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.openapi.utils import get_openapi

from api import examples
from contracts.problems import KINDS
from contracts.settings import Settings
from storage.database import Database
from tests.api.conftest import Hand, kernel_spec, points, serving, submit


def test_it_is_up_and_ready(client: httpx.Client) -> None:
    assert client.get("/healthz").json() == {"status": "ok"}
    ready = client.get("/readyz")
    assert (ready.status_code, ready.json()["status"], ready.json()["broker"]) == (200, "ready", "ok")
    assert client.head("/readyz").status_code == 200


def test_a_schema_behind_the_code_is_not_ready(client: httpx.Client, database: Database) -> None:
    from sqlalchemy import text

    with database.begin() as write:
        revision = write.execute(text("SELECT version_num FROM alembic_version")).scalar_one()
        write.execute(text("UPDATE alembic_version SET version_num = '0000'"))
    try:
        behind = client.get("/readyz")
    finally:
        with database.begin() as write:
            write.execute(text("UPDATE alembic_version SET version_num = :revision"), {"revision": revision})
    assert (behind.status_code, behind.json()["type"]) == (503, "/problems/unavailable")
    assert "0000" in behind.json()["detail"]
    assert client.get("/readyz").status_code == 200


def test_metrics_count_requests_jobs_and_bytes(client: httpx.Client, hand: Hand) -> None:
    job = submit(client, 5)
    client.get(f"/v1/jobs/{job}")
    client.get("/nowhere/at/all")
    content = client.get(f"/v1/datasets/{points(client, 5)}/arrays/x").content
    text = client.get("/metrics").text
    assert 'ntkd_jobs{kind="kernels",state="queued"} 1.0' in text
    assert "ntkd_open_parts 1.0" in text
    assert 'ntkd_http_request_seconds_count{method="GET",route="/v1/jobs/{id}",status="200"}' in text
    assert 'route="none",status="404"' in text
    assert "nowhere" not in text
    streamed = re.search(r'ntkd_array_bytes_total\{format="npy"\} (\S+)', text)
    assert streamed is not None
    assert float(streamed[1]) >= len(content)


def test_requests_carry_an_id(client: httpx.Client) -> None:
    assert client.get("/healthz", headers={"X-Request-Id": "abc-1"}).headers["X-Request-Id"] == "abc-1"
    made = client.get("/healthz", headers={"X-Request-Id": "two words"}).headers["X-Request-Id"]
    assert re.fullmatch(r"[0-9a-f]{32}", made)


def test_each_request_is_one_json_line(settings: Settings, capfd: pytest.CaptureFixture[str]) -> None:
    with serving(settings.model_copy(update={"log_level": "INFO"})) as url:
        httpx.get(f"{url}/v1/activations", headers={"X-Request-Id": "seen"})
        httpx.get(f"{url}/v1/jobs/7")
    lines = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    first, second = (line for line in lines if line["event"] == "request")
    assert first.items() >= {"request": "seen", "method": "GET", "route": "/v1/activations", "status": 200}.items()
    assert first["milliseconds"] > 0
    assert (second["route"], second["status"]) == ("/v1/jobs/{id}", 404)


def test_the_page_needs_nothing_from_elsewhere(client: httpx.Client) -> None:
    page = client.get("/")
    assert page.headers["Content-Type"].startswith("text/html")
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert re.findall(r"https?://|src=|@import|url\(", page.text) == []
    links = set(re.findall(r'href="(/[^"]*)"', page.text))
    assert "/v1/jobs" in links
    assert {link: client.get(link).status_code for link in links} == dict.fromkeys(links, 200)


@pytest.fixture
def document(client: httpx.Client) -> dict[str, Any]:
    found: dict[str, Any] = client.get("/openapi.json").json()
    return found


def operations(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [(method, path, operation) for path, item in document["paths"].items() for method, operation in item.items()]


def test_every_reference_in_openapi_leads_somewhere(document: dict[str, Any]) -> None:
    references = set(re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(document)))
    assert {"Problem", "DatasetRequest", "KernelSpec", "Job"} <= references
    assert references <= set(document["components"]["schemas"])


def test_the_guide_knows_every_path_and_every_problem(document: dict[str, Any]) -> None:
    guide = (Path(__file__).parents[2] / "docs" / "http.md").read_text(encoding="utf-8")
    assert [path for path in document["paths"] if path not in guide] == []
    assert [name for name in KINDS if name not in guide] == []


def test_head_is_get_without_its_body(client: httpx.Client, document: dict[str, Any]) -> None:
    paths = [path for path, methods in document["paths"].items() if "get" in methods and not path.endswith("/events")]
    for path in ["/", *paths]:
        url = path.replace("{id}", "0" * 32).replace("{name}", "not-found")
        head, get = client.head(url), client.get(url)
        assert (head.status_code, head.content) == (get.status_code, b""), path
        assert head.headers["Content-Type"] == get.headers["Content-Type"], path


def test_every_endpoint_is_described_and_says_how_it_refuses(document: dict[str, Any]) -> None:
    for method, path, operation in operations(document):
        assert operation["summary"], path
        assert operation["description"], path
        assert operation["tags"], path
        refusals = [answer for status, answer in operation["responses"].items() if status >= "400"]
        assert all(list(answer["content"]) == ["application/problem+json"] for answer in refusals), (method, path)
        if path.startswith("/v1"):
            assert {"422", "500", "503"} <= set(operation["responses"]), (method, path)
    assert "HTTPValidationError" not in document["components"]["schemas"]


def test_every_post_has_examples(document: dict[str, Any]) -> None:
    for method, path, operation in operations(document):
        if method == "post" and "requestBody" in operation:
            content = operation["requestBody"]["content"]
            json_or_form = content.get("application/json") or content["multipart/form-data"]["schema"]["properties"]
            assert "examples" in json.dumps(json_or_form), path


def test_the_examples_work(settings: Settings, empty: Database) -> None:
    """All of them, with the usual limits; MNIST comes from the installed package."""
    usual = Settings(database_url=settings.database_url, redis_url=settings.redis_url, log_level="ERROR")
    with serving(usual) as url, httpx.Client(base_url=url, timeout=30) as client:
        for name, example in examples.DATASETS.items():
            answer = client.post("/v1/datasets", json=example["value"])
            assert answer.status_code == 201, (name, answer.text)
            if name == "points":
                assert answer.json()["id"] == examples.POINTS_ID
        for name, example in examples.KERNELS.items():
            answer = client.post("/v1/kernels", json=example["value"])
            assert answer.status_code == 202, (name, answer.text)
        kernel = client.post("/v1/kernels", json=examples.KERNELS["gram"]["value"]).json()["id"]
        trained_on = client.post("/v1/datasets", json=examples.DATASETS["circle"]["value"]).json()["id"]
        for name, example in examples.PREDICTIONS.items():
            answer = client.post("/v1/predictions", json=example["value"] | {"train": trained_on})
            assert answer.status_code == 202, (name, answer.text)
        for name, example in examples.ANSWERS.items():
            given = {place: trained_on for place in ("train", "test") if place in example["value"]}
            answer = client.post("/v1/answers", json=example["value"] | given)
            assert answer.status_code == 202, (name, answer.text)
        for name, example in examples.SPECTRA.items():
            given = {"kernel": kernel} if "kernel" in example["value"] else {}
            answer = client.post("/v1/spectra", json=example["value"] | given)
            assert answer.status_code == 202, (name, answer.text)


def test_importing_the_application_loads_no_torch_and_connects_to_nothing() -> None:
    program = (
        "import sys, api.app\n"
        "print([name for name in ('torch', 'worker', 'sklearn', 'mlxtend', 'pandas') if name in sys.modules])"
    )
    environment = {"PATH": "/usr/bin:/bin", "NTKD_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/x"}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.strip() == "[]"


def test_the_application_itself_knows_neither_torch_nor_sqlalchemy() -> None:
    import api

    sources = "".join(path.read_text() for path in Path(api.__file__).parent.rglob("*.py"))
    assert re.findall(r"^\s*(?:from|import) (?:torch|sqlalchemy|worker|psycopg)\b", sources, re.MULTILINE) == []


def test_submitting_leaves_the_response_after_the_commit(client: httpx.Client, hand: Hand) -> None:
    """What a 202 names is there for another connection at once, every time."""
    dataset = points(client)
    for depth in range(1, 21):
        body = kernel_spec(dataset, architecture={"type": "mlp", "depth": depth})
        job = client.post("/v1/kernels", json=body).json()["id"]
        assert hand.parts(job) == 1


def test_the_document_is_made_from_the_routes(document: dict[str, Any]) -> None:
    from api.app import create_app

    app = create_app(Settings())
    derived = get_openapi(title="x", version="0", routes=app.routes)
    assert set(derived["paths"]) == set(document["paths"])
