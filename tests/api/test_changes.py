"""Waiting goes on when the listening connection is lost, and hears again when it is back."""

import threading
import time

import httpx

from storage.database import Database
from tests.api.conftest import Hand, submit


def listeners(database: Database) -> list[int]:
    from sqlalchemy import text

    query = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'"
    with database.read() as read:
        return [row.pid for row in read.execute(text(query))]


def listener_other_than(database: Database, old: list[int]) -> list[int]:
    deadline = time.monotonic() + 15
    while not (found := [pid for pid in listeners(database) if pid not in old]):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return found


def test_a_lost_connection_is_made_again(client: httpx.Client, hand: Hand) -> None:
    from sqlalchemy import text

    job = submit(client)
    old = listener_other_than(hand.database, [])
    answers: list[httpx.Response] = []
    # Known before: whoever is first, the waiter or what it waits for, the change is one.
    known = {"If-None-Match": client.get(f"/v1/jobs/{job}").headers["ETag"]}
    waiter = threading.Thread(
        target=lambda: answers.append(client.get(f"/v1/jobs/{job}", params={"wait": 30}, headers=known))
    )
    waiter.start()
    with hand.database.begin() as write:
        write.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": old[0]})
    claim = hand.take()
    waiter.join()
    assert answers[0].json()["state"] == "running"
    new = listener_other_than(hand.database, old)
    assert len(new) == 1
    started = time.monotonic()
    timer = threading.Timer(0.2, lambda: hand.finish(claim))
    timer.start()
    tag = client.get(f"/v1/jobs/{job}").headers["ETag"]
    answer = client.get(f"/v1/jobs/{job}", params={"wait": 30}, headers={"If-None-Match": tag})
    timer.join()
    assert answer.json()["state"] == "succeeded"
    # Heard, and not found by the look that comes every two seconds.
    assert time.monotonic() - started < 2.0
