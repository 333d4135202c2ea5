"""Connections that drop and services that are busy: a proxy in between does both."""

import time
from http import HTTPStatus

import numpy as np
import pytest

import ntkd

POINTS = 900
PANEL = 2**20


@pytest.fixture(scope="module")
def job(service_url: str) -> str:
    """A finished kernel job; its ntk has 6.5 MB."""
    with ntkd.Client(service_url) as client:
        return client.kernel(np.random.default_rng(30).standard_normal((POINTS, 3)), kernels=["ntk"]).id


def test_a_download_goes_on_where_it_was_cut(client: ntkd.Client, proxy, job: str) -> None:
    expected = client.job(job).array("ntk")
    with ntkd.Client(proxy.url) as through:
        handle = through.job(job)
        proxy.cuts.extend([PANEL, 0, 3 * PANEL, 400])
        counted: list[tuple[int, int | None]] = []
        found = handle.array("ntk", progress=lambda done, total: counted.append((done, total)))
    np.testing.assert_array_equal(found, expected)
    assert not proxy.cuts
    assert sum("range: bytes=" in head.lower() for head in proxy.heads) >= 2
    # Every byte came once: the 128 of the header and the values.
    assert counted[-1] == (128 + 8 * POINTS**2,) * 2
    assert [done for done, _ in counted] == sorted({done for done, _ in counted})


def test_a_file_is_whole_or_not_there(client: ntkd.Client, proxy, job: str, tmp_path) -> None:
    with ntkd.Client(proxy.url, patience=0.0) as through:
        handle = through.job(job)
        proxy.cuts.append(PANEL)
        with pytest.raises(ntkd.Unreachable):
            handle.save("ntk", tmp_path / "theta.npy")
        assert list(tmp_path.iterdir()) == []
    with ntkd.Client(proxy.url) as through:
        handle = through.job(job)
        proxy.cuts.append(PANEL)
        handle.save("ntk", tmp_path / "theta.npy")
    np.testing.assert_array_equal(np.load(tmp_path / "theta.npy"), client.job(job).array("ntk"))


def test_events_are_neither_lost_nor_doubled(client: ntkd.Client, proxy, job: str) -> None:
    expected = list(client.job(job).events())
    with ntkd.Client(proxy.url) as through:
        handle = through.job(job)
        # Headers and an event or two each time: an event has about 200 bytes.
        proxy.cuts.extend([700, 0, 900])
        assert list(handle.events()) == expected
    assert any("last-event-id: " in head.lower() and "last-event-id: 0" not in head.lower() for head in proxy.heads)


def test_a_post_whose_answer_is_lost_is_sent_again_under_its_key(client: ntkd.Client, proxy) -> None:
    dataset = client.dataset(np.random.default_rng(31).standard_normal((5, 2)))
    with ntkd.Client(proxy.url) as through:
        proxy.cuts.append(0)
        handle = through.submit_kernel(dataset)
    keys = [line for head in proxy.heads for line in head.split("\r\n") if line.lower().startswith("idempotency-key:")]
    assert len(keys) == 2
    assert len(set(keys)) == 1
    assert next(iter(client.jobs())).id == handle.id


def test_an_upload_whose_answer_is_lost_is_sent_again_from_its_start(client: ntkd.Client, proxy) -> None:
    x = np.random.default_rng(32).standard_normal((100, 7))
    with ntkd.Client(proxy.url) as through:
        proxy.cuts.append(0)
        dataset = through.dataset(x)
    np.testing.assert_array_equal(client.dataset_by_id(dataset.id).x, x)


def test_a_delete_whose_answer_is_lost_has_been_done(client: ntkd.Client, proxy) -> None:
    made = client.kernel(np.random.default_rng(33).standard_normal((4, 2)))
    with ntkd.Client(proxy.url) as through:
        handle = through.job(made.id)
        proxy.cuts.append(0)
        handle.delete()
        with pytest.raises(ntkd.ProblemError):
            handle.delete()


def busy(status: HTTPStatus, *headers: str) -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status} {status.phrase}", *headers, "Content-Length: 0", "", ""]).encode()


def test_a_busy_service_is_asked_again_when_it_says(proxy, job: str) -> None:
    proxy.answers.append(busy(HTTPStatus.SERVICE_UNAVAILABLE, "Retry-After: 1"))
    began = time.monotonic()
    with ntkd.Client(proxy.url) as through:
        assert through.job(job).id == job
    assert time.monotonic() - began >= 1.0
    assert len(proxy.heads) == 2


def test_patience_ends(proxy) -> None:
    proxy.answers.extend([busy(HTTPStatus.TOO_MANY_REQUESTS)] * 50)
    with ntkd.Client(proxy.url, patience=0.5) as through, pytest.raises(ntkd.ProblemError) as caught:
        list(through.jobs())
    assert caught.value.status == 429
    assert caught.value.detail == "the server answered 429 Too Many Requests"
    assert len(proxy.heads) > 1


def test_a_service_that_is_not_there_is_said_to_be_unreachable(proxy) -> None:
    address = proxy.url
    proxy.socket.close()  # nobody listens there any more
    began = time.monotonic()
    with ntkd.Client(address, patience=0.3) as nowhere, pytest.raises(ntkd.Unreachable, match=address):
        nowhere.job("00000000-0000-0000-0000-000000000000")
    assert time.monotonic() - began >= 0.3


def test_an_array_that_changes_on_the_way_is_not_pieced_together(proxy, job: str) -> None:
    with ntkd.Client(proxy.url) as through:
        handle = through.job(job)
        proxy.cuts.append(PANEL)

        def another(_done: int, _total: int | None) -> None:
            if not proxy.answers:
                proxy.answers.append(busy(HTTPStatus.OK, 'ETag: "another"'))

        with pytest.raises(ntkd.TransferError, match="changed"):
            handle.array("ntk", progress=another)


def test_an_answer_of_somebody_else_is_said_to_be_one(proxy) -> None:
    proxy.answers.append(busy(HTTPStatus.OK, "Content-Type: text/html"))
    with ntkd.Client(proxy.url) as through, pytest.raises(ntkd.TransferError, match="is this the address"):
        list(through.datasets())
