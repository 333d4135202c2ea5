"""The bell on a broker that is gone, silent, or holds something else under its name."""

import socket
import time
from collections.abc import Iterator

import pytest
import redis
from celery import Celery

from contracts.bell import MOST_RINGS, celery_config
from contracts.settings import Settings
from worker.rings import ring, ring_for, waiting_rings


def bell(url: str) -> Celery:
    app = Celery("test")
    app.conf.update(celery_config(Settings(redis_url=url)))
    return app


@pytest.fixture
def silent() -> Iterator[str]:
    """A broker that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"redis://127.0.0.1:{server.getsockname()[1]}/0"


def test_rings_wait_until_somebody_hears_them(redis_url: str) -> None:
    app = bell(redis_url)
    assert waiting_rings(app) == 0
    ring(app, 3)
    ring(app, -1)
    assert waiting_rings(app) == 3


def test_it_is_rung_for_parts_that_no_ring_waits_for_yet(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        client.flushdb()
    app = bell(redis_url)
    for parts, waiting in ((0, 0), (2, 2), (1, 2), (5, 5), (1000, MOST_RINGS)):
        ring_for(app, parts)
        assert waiting_rings(app) == waiting


def test_a_broker_that_is_gone(redis_url: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    app = bell(f"redis://127.0.0.1:{port}/0")
    assert waiting_rings(app) is None
    ring(app, 1)


def test_a_broker_that_is_silent_holds_nobody_up_for_long(silent: str) -> None:
    app = bell(silent)
    started = time.monotonic()
    assert waiting_rings(app) is None
    # The socket's timeout of 10 s, once; what else it may take is the machine's slowness.
    assert time.monotonic() - started < 20


def test_a_broker_that_refuses_the_question(redis_url: str) -> None:
    app = bell(redis_url)
    with redis.Redis.from_url(redis_url) as client:
        key = f"{app.conf.task_default_queue}:{app.conf.task_default_queue}"
        client.delete(key)
        client.set(key, "no list")
        assert waiting_rings(app) is None
        ring(app, 1)
        client.delete(key)
