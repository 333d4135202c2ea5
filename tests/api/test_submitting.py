"""Submitting: one job for equal specs, idempotency keys, and waiting for the result in the same request."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.api.conftest import TARGETS, Hand, kernel_spec, points, rows_of, submit, submit_prediction

SOON = 5.0


def test_a_new_job_is_accepted_and_says_where_it_is(client: httpx.Client, hand: Hand) -> None:
    answer = client.post("/v1/kernels", json=kernel_spec(points(client)))
    job = answer.json()
    assert answer.status_code == 202
    assert answer.headers["Location"] == f"/v1/jobs/{job['id']}"
    assert int(answer.headers["Retry-After"]) >= 1
    assert client.get(answer.headers["Location"]).json()["id"] == job["id"]


def test_retry_after_follows_the_estimate(client: httpx.Client, hand: Hand) -> None:
    """3,000 points, 50 layers: the planner expects several seconds, and the header says so, rounded up."""
    architecture = {"type": "mlp", "depth": 50}
    answer = client.post("/v1/kernels", json=kernel_spec(points(client, 3000), architecture=architecture))
    left = answer.json()["progress"]["seconds_left"]
    assert 2 < left < 60
    assert left <= int(answer.headers["Retry-After"]) < left + 1


def test_equal_requests_are_one_job(client: httpx.Client, hand: Hand) -> None:
    dataset = points(client)
    spelled_out = kernel_spec(dataset, kernels=["nngp", "ntk"], dtype="float64", method={"type": "analytic"})
    first = client.post("/v1/kernels", json=kernel_spec(dataset))
    second = client.post("/v1/kernels", json=spelled_out)
    assert (first.status_code, second.status_code) == (202, 200)
    assert first.json()["id"] == second.json()["id"]
    assert second.headers["Location"] == first.headers["Location"]
    named = client.post("/v1/kernels", json=kernel_spec(dataset, method="analytic"))
    assert named.json()["id"] == first.json()["id"]
    assert rows_of(hand.database)["job"] == 1


def test_concurrent_equal_requests_are_one_job(client: httpx.Client, hand: Hand, address: str) -> None:
    body = kernel_spec(points(client))
    gate = threading.Barrier(16)

    def post(_: int) -> httpx.Response:
        gate.wait()
        return httpx.post(f"{address}/v1/kernels", json=body, timeout=30)

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(post, range(16)))
    assert sorted(answer.status_code for answer in answers) == [200] * 15 + [202]
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert rows_of(hand.database) | {"job": 1, "part": 1, "event": 1} == rows_of(hand.database)


def test_a_key_that_is_sent_again_finds_its_job(client: httpx.Client, hand: Hand) -> None:
    key = {"Idempotency-Key": "once"}
    body = kernel_spec(points(client))
    first = client.post("/v1/kernels", json=body, headers=key)
    client.post(f"/v1/jobs/{first.json()['id']}/cancel")
    again = client.post("/v1/kernels", json=body, headers=key)
    assert (again.status_code, again.json()["id"]) == (200, first.json()["id"])
    assert again.json()["state"] == "cancelled"


def test_a_key_with_another_request_is_refused(client: httpx.Client, hand: Hand) -> None:
    key = {"Idempotency-Key": "twice"}
    dataset = points(client)
    client.post("/v1/kernels", json=kernel_spec(dataset), headers=key)
    before = rows_of(hand.database)
    refused = client.post("/v1/kernels", json=kernel_spec(dataset, dtype="float32"), headers=key)
    assert (refused.status_code, refused.json()["type"]) == (422, "/problems/idempotency-conflict")
    assert refused.json()["errors"][0]["pointer"] == "Idempotency-Key"
    assert rows_of(hand.database) == before


def test_rivals_with_one_key_and_different_requests(client: httpx.Client, hand: Hand, address: str) -> None:
    """One request wins the key; the others leave nothing behind."""
    dataset = points(client)
    gate = threading.Barrier(8)

    def post(depth: int) -> httpx.Response:
        body = kernel_spec(dataset, architecture={"type": "mlp", "depth": depth})
        gate.wait()
        return httpx.post(f"{address}/v1/kernels", json=body, headers={"Idempotency-Key": "race"}, timeout=30)

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(post, range(1, 9)))
    assert sorted(answer.status_code for answer in answers) == [202] + [422] * 7
    assert rows_of(hand.database)["job"] == 1


def test_rivals_with_one_key_and_one_request(client: httpx.Client, hand: Hand, address: str) -> None:
    body = kernel_spec(points(client))
    gate = threading.Barrier(8)

    def post(_: int) -> httpx.Response:
        gate.wait()
        return httpx.post(f"{address}/v1/kernels", json=body, headers={"Idempotency-Key": "same"}, timeout=30)

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(post, range(8)))
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert rows_of(hand.database)["idempotency_key"] == 1


def test_a_key_whose_job_was_deleted_says_so(client: httpx.Client, hand: Hand) -> None:
    key = {"Idempotency-Key": "gone"}
    body = kernel_spec(points(client))
    job = client.post("/v1/kernels", json=body, headers=key).json()["id"]
    client.delete(f"/v1/jobs/{job}")
    refused = client.post("/v1/kernels", json=body, headers=key)
    assert (refused.status_code, refused.json()["type"]) == (409, "/problems/conflict")


@pytest.mark.parametrize("key", ["", "x" * 256])
def test_a_key_out_of_bounds_names_the_header(client: httpx.Client, hand: Hand, key: str) -> None:
    answer = client.post("/v1/kernels", json=kernel_spec(points(client)), headers={"Idempotency-Key": key})
    assert answer.status_code == 422
    assert [fault["pointer"] for fault in answer.json()["errors"]] == ["Idempotency-Key"]


def test_prefer_wait_answers_with_the_finished_job(client: httpx.Client, hand: Hand) -> None:
    body = kernel_spec(points(client))
    worker = threading.Thread(target=lambda: work_when_there(hand))
    worker.start()
    started = time.monotonic()
    lines = [("Prefer", "respond-async"), ("Prefer", "wait=30")]
    answer = client.post("/v1/kernels", json=body, headers=lines)
    worker.join()
    assert (answer.status_code, answer.json()["state"]) == (200, "succeeded")
    assert answer.headers["Preference-Applied"] == "wait=30"
    assert "Retry-After" not in answer.headers
    assert time.monotonic() - started < SOON


def work_when_there(hand: Hand) -> None:
    from storage.jobs import transitions

    deadline = time.monotonic() + 20
    while (claim := transitions.claim(hand.database, "hand", "cpu", 60.0)) is None:
        assert time.monotonic() < deadline
    hand.finish(claim)


def test_prefer_wait_gives_up_with_202(client: httpx.Client, hand: Hand) -> None:
    started = time.monotonic()
    answer = client.post("/v1/kernels", json=kernel_spec(points(client)), headers={"Prefer": "wait=1"})
    assert (answer.status_code, answer.json()["state"]) == (202, "queued")
    assert answer.headers["Preference-Applied"] == "wait=1"
    assert time.monotonic() - started >= 1


def test_prefer_wait_on_a_finished_job_answers_at_once(client: httpx.Client, hand: Hand) -> None:
    job = submit(client)
    hand.work(job)
    started = time.monotonic()
    answer = client.post("/v1/kernels", json=kernel_spec(points(client)), headers={"Prefer": "wait=60"})
    assert (answer.status_code, answer.json()["id"]) == (200, job)
    assert time.monotonic() - started < SOON


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("", None),
        ("wait=10", 10.0),
        ("Wait = 10", 10.0),
        ("respond-async, wait=5; x=y", 5.0),
        ('wait="7"', 7.0),
        ("wait=3600", 60.0),
        ("wait=-1", None),
        ("wait=soon", None),
        ("wait=²", None),
        ("await=3", None),
    ],
)
def test_what_prefer_says(header: str, seconds: float | None) -> None:
    from api.prefer import wait_seconds

    assert wait_seconds(header) == seconds


def test_a_spectrum_waits_for_its_kernel(client: httpx.Client, hand: Hand) -> None:
    kernel = submit(client, 5)
    answer = client.post("/v1/spectra", json={"kernel": kernel, "top": 2, "vectors": True})
    assert answer.status_code == 202
    assert answer.json()["waits_for"] == [kernel]
    shapes = {array["name"]: array["shape"] for array in answer.json()["arrays"]}
    assert (shapes["eigenvalues"], shapes["eigenvectors"]) == ([2], [5, 2])
    hand.work(kernel)
    assert client.get(answer.headers["Location"]).json()["waits_for"] == []


def test_a_prediction_waits_for_its_three_kernels(client: httpx.Client, hand: Hand) -> None:
    """Each that is there changes the job, and so its entity tag: no 304 hides what it no longer waits for."""
    answer, kernels = submit_prediction(client)
    assert answer.status_code == 202, answer.text
    job, tag = answer.headers["Location"], answer.headers["ETag"]
    assert answer.json()["waits_for"] == sorted(kernels)
    for done, kernel in enumerate(kernels, 1):
        hand.work(kernel)
        seen = client.get(job, headers={"If-None-Match": tag})
        assert (seen.status_code, seen.json()["waits_for"]) == (200, sorted(kernels[done:]))
        tag = seen.headers["ETag"]
    assert str(hand.take().lease.job) == answer.json()["id"]


def test_an_unfinished_kernel_is_refused_where_the_client_says_so(client: httpx.Client, hand: Hand) -> None:
    train = points(client, 5, targets=TARGETS)
    kernels = {"train": client.post("/v1/kernels", json=kernel_spec(train)).json()["id"], "unfinished": "refuse"}
    asked = {"train": train, "kernels": kernels, "times": [1], "start": "zero"}
    refused = client.post("/v1/predictions", json=asked)
    assert refused.status_code == 409
    assert refused.json()["errors"][0]["pointer"] == "/kernels/train"
    hand.work(kernels["train"])
    assert client.post("/v1/predictions", json=asked).status_code == 202
