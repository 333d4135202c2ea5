"""Jobs over HTTP: reading, waiting, listing, cancelling, deleting."""

import threading
import time
from base64 import urlsafe_b64encode
from uuid import UUID

import httpx
import pytest

from storage.jobs import transitions
from tests.api.conftest import Hand, kernel_spec, points, submit

# Longer than any scheduling delay, and far less than the waits that must not be sat out.
SOON = 5.0


def after(seconds: float, action: object) -> threading.Timer:
    timer = threading.Timer(seconds, action)  # type: ignore[arg-type]
    timer.start()
    return timer


def test_a_job_says_all_of_itself(client: httpx.Client, hand: Hand) -> None:
    job = submit(client, 8)
    answer = client.get(f"/v1/jobs/{job}")
    said = answer.json()
    assert answer.status_code == 200
    assert (said["kind"], said["state"], said["version"], said["parts"]) == ("kernels", "queued", 1, 1)
    assert said["progress"]["total"] == 64
    assert said["arrays"][0] == {
        "name": "ntk",
        "shape": [8, 8],
        "dtype": "float64",
        "href": f"/v1/jobs/{job}/arrays/ntk",
        "error_bound": None,
        "value": None,
    }
    assert answer.headers["ETag"] == 'W/"1"'
    assert int(answer.headers["Retry-After"]) >= 1


def test_a_finished_job_does_not_say_when_to_ask_again(client: httpx.Client, hand: Hand) -> None:
    job = submit(client)
    hand.work(job)
    answer = client.get(f"/v1/jobs/{job}")
    assert answer.json()["state"] == "succeeded"
    assert answer.json()["device"] == "cpu"
    assert "Retry-After" not in answer.headers


def test_waiting_ends_when_the_job_changes(client: httpx.Client, hand: Hand) -> None:
    """The job changes every 50 ms, so that it does after the request has come, whenever that is."""
    job = submit(client)
    over = threading.Event()

    def change() -> None:
        while not over.wait(0.05):
            release(hand, hand.take().lease)

    changing = threading.Thread(target=change)
    changing.start()
    started = time.monotonic()
    answer = client.get(f"/v1/jobs/{job}", params={"wait": 30})
    over.set()
    changing.join()
    assert answer.json()["version"] > 1
    assert time.monotonic() - started < SOON


def test_notifications_wake_before_the_waiter_looks_again(client: httpx.Client, hand: Hand) -> None:
    """Ten changes in a row are heard in less time than ten looks of two seconds each would take."""
    job = submit(client, 4)
    version = '"1"'
    started = time.monotonic()
    for _ in range(5):
        claim = transitions.claim(hand.database, "hand", "cpu", 60.0)
        assert claim is not None
        timer = after(0.05, lambda lease=claim.lease: release(hand, lease))
        version = client.get(f"/v1/jobs/{job}", params={"wait": 0}).headers["ETag"]
        answer = client.get(f"/v1/jobs/{job}", params={"wait": 30}, headers={"If-None-Match": version})
        timer.join()
        assert answer.json()["state"] == "queued"
    assert time.monotonic() - started < SOON


def release(hand: Hand, lease: transitions.Lease) -> None:
    with hand.database.begin() as write:
        transitions.release(write, lease)


def test_a_version_that_is_old_already_is_answered_at_once(client: httpx.Client, hand: Hand) -> None:
    job = submit(client)
    hand.take()
    started = time.monotonic()
    for tag in ('W/"1"', '"1"'):
        answer = client.get(f"/v1/jobs/{job}", params={"wait": 30}, headers={"If-None-Match": tag})
        assert answer.status_code == 200
        assert answer.headers["ETag"] == 'W/"2"'
    assert time.monotonic() - started < SOON


def test_without_a_change_the_wait_ends_in_304(client: httpx.Client, hand: Hand) -> None:
    job = submit(client)
    started = time.monotonic()
    answer = client.get(f"/v1/jobs/{job}", params={"wait": 0.5}, headers={"If-None-Match": 'W/"1"'})
    assert (answer.status_code, answer.content) == (304, b"")
    assert answer.headers["ETag"] == 'W/"1"'
    assert time.monotonic() - started >= 0.5


def test_a_finished_job_is_not_waited_for(client: httpx.Client, hand: Hand) -> None:
    job = submit(client)
    hand.work(job)
    tag = client.get(f"/v1/jobs/{job}").headers["ETag"]
    started = time.monotonic()
    assert client.get(f"/v1/jobs/{job}", params={"wait": 30}).status_code == 200
    assert client.get(f"/v1/jobs/{job}", params={"wait": 30}, headers={"If-None-Match": tag}).status_code == 304
    assert time.monotonic() - started < SOON


def test_waiting_for_a_job_that_is_deleted_ends(client: httpx.Client, hand: Hand) -> None:
    job = submit(client)
    timer = after(0.2, lambda: transitions.delete(hand.database, UUID(job)))
    answer = client.get(f"/v1/jobs/{job}", params={"wait": 30})
    timer.join()
    # The cancel that comes before the deletion may be seen too.
    assert answer.status_code == 404 or answer.json()["state"] == "cancelled"


@pytest.mark.parametrize("wait", ["-1", "61", "nan", "x"])
def test_a_wait_out_of_bounds_names_the_parameter(client: httpx.Client, hand: Hand, wait: str) -> None:
    answer = client.get(f"/v1/jobs/{submit(client)}", params={"wait": wait})
    assert answer.status_code == 422
    assert [fault["pointer"] for fault in answer.json()["errors"]] == ["wait"]


def test_many_clients_wait_without_holding_connections(client: httpx.Client, hand: Hand, address: str) -> None:
    """More clients wait than there are threads and connections, and a request beside them is answered at once."""
    job = submit(client)
    answers: list[httpx.Response] = []

    def wait() -> None:
        answers.append(httpx.get(f"{address}/v1/jobs/{job}", params={"wait": 30}, timeout=60))

    threads = [threading.Thread(target=wait) for _ in range(40)]
    for thread in threads:
        thread.start()
    started = time.monotonic()
    assert client.get("/v1/jobs").status_code == 200
    assert client.get("/readyz").status_code == 200
    assert time.monotonic() - started < SOON
    hand.work(job)
    for thread in threads:
        thread.join()
    assert {answer.status_code for answer in answers} == {200}


def test_pages_lead_through_all_jobs_newest_first(client: httpx.Client, hand: Hand) -> None:
    made = [submit(client, count) for count in (2, 3, 4, 5, 6)]
    seen: list[str] = []
    path = "/v1/jobs?limit=2&kind=kernels&state=queued"
    while path:
        answer = client.get(path)
        seen += [job["id"] for job in answer.json()["jobs"]]
        path = answer.links.get("next", {}).get("url", "")
    assert seen == made[::-1]


def test_filters_choose_kind_and_state(client: httpx.Client, hand: Hand) -> None:
    job = submit(client, 5)
    hand.work(job)
    submit(client, 6)
    assert [found["id"] for found in client.get("/v1/jobs?state=succeeded").json()["jobs"]] == [job]
    assert client.get("/v1/jobs?kind=spectra").json() == {"jobs": [], "next": None}


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("kind=unheard", "kind"),
        ("kind=%00", "kind"),
        ("state=done", "state"),
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("cursor=!", "cursor"),
        ("cursor=MjAyNi0xMS0yNFQwMDowMDowMCAA", "cursor"),
        ("cursor=%F0%9F%98%80", "cursor"),
    ],
)
def test_a_bad_filter_names_the_parameter(client: httpx.Client, hand: Hand, query: str, pointer: str) -> None:
    answer = client.get(f"/v1/jobs?{query}")
    assert answer.status_code == 422, answer.text
    assert [fault["pointer"] for fault in answer.json()["errors"]] == [pointer]


def test_a_cursor_may_spell_its_id_in_any_way_that_python_reads(client: httpx.Client, hand: Hand) -> None:
    made_up = urlsafe_b64encode(b"2026-11-24T00:00:00 urn:uuid:12345678-1234-4234-8234-1234567890ab").decode()
    assert client.get("/v1/jobs", params={"cursor": made_up}).status_code == 200


def test_cancel_can_be_repeated(client: httpx.Client, hand: Hand) -> None:
    job = submit(client)
    first = client.post(f"/v1/jobs/{job}/cancel")
    second = client.post(f"/v1/jobs/{job}/cancel")
    assert first.json()["state"] == second.json()["state"] == "cancelled"
    assert (first.status_code, second.status_code) == (200, 200)
    assert first.json()["version"] == second.json()["version"]


def test_cancelling_what_is_done_leaves_it(client: httpx.Client, hand: Hand) -> None:
    job = submit(client)
    hand.work(job)
    assert client.post(f"/v1/jobs/{job}/cancel").json()["state"] == "succeeded"


def test_a_deleted_job_is_gone(client: httpx.Client, hand: Hand) -> None:
    job = submit(client)
    assert client.delete(f"/v1/jobs/{job}").status_code == 204
    for answer in (client.get(f"/v1/jobs/{job}"), client.delete(f"/v1/jobs/{job}")):
        assert answer.status_code == 404
        assert answer.json()["type"] == "/problems/not-found"


def test_a_job_that_another_waits_for_stays(client: httpx.Client, hand: Hand) -> None:
    kernel = submit(client)
    spectrum = client.post("/v1/spectra", json={"kernel": kernel}).json()
    assert spectrum["waits_for"] == [kernel]
    refused = client.delete(f"/v1/jobs/{kernel}")
    assert (refused.status_code, refused.json()["type"]) == (409, "/problems/conflict")
    assert client.get(f"/v1/jobs/{kernel}").json()["state"] == "queued"
    assert client.delete(f"/v1/jobs/{spectrum['id']}").status_code == 204
    assert client.delete(f"/v1/jobs/{kernel}").status_code == 204


@pytest.mark.parametrize("path", ["", "/events", "/arrays/ntk"])
@pytest.mark.parametrize("job", ["00000000-0000-4000-8000-000000000000", "7", "%00"])
def test_an_unknown_job_is_not_found(client: httpx.Client, job: str, path: str) -> None:
    answer = client.get(f"/v1/jobs/{job}{path}")
    assert answer.status_code == 404
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_a_failed_job_is_submitted_anew(client: httpx.Client, hand: Hand) -> None:
    job = submit(client)
    client.post(f"/v1/jobs/{job}/cancel")
    again = client.post("/v1/kernels", json=kernel_spec(points(client)))
    assert again.status_code == 202
    assert again.json()["id"] != job
