"""Server-sent events: every change once, resumed after the last one, ended with the job."""

import json
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import httpx

from storage.jobs import transitions
from tests.api.conftest import Hand, submit, submit_prediction


def events(client: httpx.Client, job: str, **headers: str) -> Iterator[dict[str, Any]]:
    """The events of a stream until it ends, each checked for agreeing with its own id and type."""
    with client.stream("GET", f"/v1/jobs/{job}/events", headers=headers) as answer:
        assert answer.status_code == 200
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        fields: dict[str, str] = {}
        for line in answer.iter_lines():
            if line:
                name, _, value = line.partition(": ")
                fields[name] = value
            elif "data" in fields:
                data = json.loads(fields["data"])
                assert (data["id"], data["type"]) == (int(fields["id"]), fields["event"])
                yield data
                fields = {}


def test_every_change_is_told_once_and_the_stream_ends(client: httpx.Client, hand: Hand) -> None:
    job = submit(client)
    stream = events(client, job)
    assert next(stream)["type"] == "queued"
    claim = hand.take()
    assert next(stream)["type"] == "started"
    hand.finish(claim)
    last = list(stream)
    assert [(event["type"], event["state"], event["done"]) for event in last] == [("succeeded", "succeeded", 16)]


def test_what_a_job_waits_for_is_told_one_by_one(client: httpx.Client, hand: Hand) -> None:
    answer, kernels = submit_prediction(client)
    stream = events(client, answer.json()["id"])
    assert next(stream)["type"] == "queued"
    for kernel, expected in zip(kernels, ("nearer", "nearer", "ready"), strict=True):
        hand.work(kernel)
        assert next(stream)["type"] == expected
    assert client.post(f"{answer.headers['Location']}/cancel").status_code == 200
    assert [event["type"] for event in stream] == ["cancelled"]


def test_a_finished_job_tells_its_story(client: httpx.Client, hand: Hand) -> None:
    job = submit(client)
    hand.work(job)
    assert [event["id"] for event in events(client, job)] == [1, 2, 3]


def test_a_stream_resumes_after_the_last_event(client: httpx.Client, hand: Hand) -> None:
    job = submit(client)
    hand.work(job)
    assert [event["id"] for event in events(client, job, **{"Last-Event-ID": "2"})] == [3]
    assert list(events(client, job, **{"Last-Event-ID": "3"})) == []


def test_the_error_of_a_failed_job_is_in_its_last_event(client: httpx.Client, hand: Hand) -> None:
    from contracts.problems import COMPUTATION_FAILED

    job = submit(client)
    claim = hand.take()
    with hand.database.begin() as write:
        problem = COMPUTATION_FAILED.problem("The matrix is not finite.")
        transitions.fail(write, claim.lease, problem, retry=False, max_attempts=4)
    *_, last = events(client, job)
    assert last["type"] == "failed"
    assert last["error"]["detail"] == "The matrix is not finite."
    assert client.get(f"/v1/jobs/{job}").json()["error"] == last["error"]


def test_the_stream_of_a_deleted_job_ends(client: httpx.Client, hand: Hand) -> None:
    job = submit(client)
    stream = events(client, job)
    assert next(stream)["type"] == "queued"
    transitions.delete(hand.database, UUID(job))
    # The cancel that comes before the deletion may be seen too.
    assert [event["type"] for event in stream] in ([], ["cancelled"])


def test_a_bad_last_event_id_is_refused(client: httpx.Client, hand: Hand) -> None:
    job = submit(client)
    for value in ("x", "-1", str(2**63)):
        answer = client.get(f"/v1/jobs/{job}/events", headers={"Last-Event-ID": value})
        assert answer.status_code == 422
        assert [fault["pointer"].lower() for fault in answer.json()["errors"]] == ["last-event-id"]
