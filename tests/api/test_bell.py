"""The bell: heard by the broker where there is one, and no trouble where there is none."""

import json
import socket
import time
from collections.abc import Iterator

import httpx
import pytest
import redis
from prometheus_client import CollectorRegistry, Counter

from api.bell import Bell
from contracts.bell import MOST_RINGS, TASK
from contracts.settings import Settings
from storage.database import Database
from tests.api.conftest import kernel_spec, points, serving

PATIENCE = 10.0


def messages(redis_url: str, count: int, queue: str = "ntkd") -> list[dict[str, object]]:
    """The messages in the queue once there are `count`."""
    key = f"{queue}:{queue}"
    deadline = time.monotonic() + PATIENCE
    with redis.Redis.from_url(redis_url) as broker:
        while broker.llen(key) < count:
            assert time.monotonic() < deadline, f"{broker.llen(key)} of {count} messages"
            time.sleep(0.01)
        return [json.loads(message) for message in broker.lrange(key, 0, -1)]


def counter() -> Counter:
    return Counter("failures", "of the bell", registry=CollectorRegistry())


def value(failures: Counter) -> float:
    samples = [sample for metric in failures.collect() for sample in metric.samples]
    return next(sample.value for sample in samples if sample.name.endswith("_total"))


def test_a_new_job_rings_once_a_part_and_a_known_one_does_not(
    client: httpx.Client, empty: Database, redis_url: str
) -> None:
    body = kernel_spec(points(client, 5000))
    first = client.post("/v1/kernels", json=body).json()["parts"]
    assert 1 < first < MOST_RINGS
    assert client.post("/v1/kernels", json=body).status_code == 200
    # The bell rings in order, so what the third request rings comes after all that the second could have rung.
    third = client.post("/v1/kernels", json=body | {"dtype": "float32"}).json()["parts"]
    heard = messages(redis_url, first + third)
    assert len(heard) == first + third
    assert {message["headers"]["task"] for message in heard} == {TASK}  # type: ignore[index]


def test_a_ring_for_many_parts_is_bounded(settings: Settings, redis_url: str) -> None:
    bell = Bell(settings.model_copy(update={"queue": "bounded"}), counter())
    bell.ring(10_000)
    bell.close()
    assert len(messages(redis_url, MOST_RINGS, "bounded")) == MOST_RINGS


@pytest.fixture
def deaf() -> Iterator[str]:
    """A server that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"redis://127.0.0.1:{listener.getsockname()[1]}/0"


def test_without_a_broker_jobs_are_taken_all_the_same(settings: Settings, empty: Database) -> None:
    dead = settings.model_copy(update={"redis_url": "redis://127.0.0.1:1/0"})
    with serving(dead) as url, httpx.Client(base_url=url, timeout=30) as client:
        assert client.post("/v1/kernels", json=kernel_spec(points(client))).status_code == 202
        ready = client.get("/readyz")
        assert (ready.status_code, ready.json()["status"]) == (200, "degraded")
        deadline = time.monotonic() + PATIENCE
        while "ntkd_bell_failures_total 1.0" not in client.get("/metrics").text:
            assert time.monotonic() < deadline
            time.sleep(0.01)


def test_a_broker_that_hangs_delays_nobody(settings: Settings, empty: Database, deaf: str) -> None:
    hanging = settings.model_copy(update={"redis_url": deaf})
    with serving(hanging) as url, httpx.Client(base_url=url, timeout=30) as client:
        dataset = points(client)
        started = time.monotonic()
        for depth in range(1, 21):
            body = kernel_spec(dataset, architecture={"type": "mlp", "depth": depth})
            assert client.post("/v1/kernels", json=body).status_code == 202
        # Twenty jobs in less time than the 10 s that one attempt to speak to the broker takes.
        assert time.monotonic() - started < 8.0


def test_what_the_queue_cannot_hold_is_counted(settings: Settings, deaf: str) -> None:
    failures = counter()
    bell = Bell(settings.model_copy(update={"redis_url": deaf}), failures)
    started = time.monotonic()
    for _ in range(1500):
        bell.ring(1)
    assert time.monotonic() - started < 1.0
    assert value(failures) >= 1500 - 1000 - 2
    bell.close()
    assert time.monotonic() - started < 5.0
