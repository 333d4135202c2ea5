"""One part, in this process, whatever goes wrong with it."""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from uuid import UUID

import numpy as np
import pytest

from contracts.jobs import Job, State
from contracts.kernels import KernelSpec
from contracts.settings import Settings
from contracts.spectra import SpectrumSpec
from ntk_engine.architecture import mlp
from storage.arrays import TileData
from storage.database import Database
from storage.datasets import Description, Rows, store
from storage.jobs import queries, transitions
from storage.jobs.submission import submit
from storage.jobs.transitions import Claim
from tests.worker.conftest import context_on
from worker import runner
from worker.context import Context
from worker.parts import RunPart

X = np.arange(12.0).reshape(6, 2)
MOST = 3
Become = Callable[[RunPart], None]


@pytest.fixture
def context(database_url: str) -> Iterator[Context]:
    with context_on(database_url, max_attempts=MOST) as made:
        yield made


@pytest.fixture
def job(context: Context) -> UUID:
    with context.database.begin() as write:
        content = [Rows("x", X.shape, "float64", [X])]
        dataset = store(write, Description(None, {"type": "inline"}, "made here"), content, lambda: "a" * 32)
        spec = KernelSpec(dataset=dataset, architecture=mlp(depth=2))
        return submit(write, spec, context.settings, "test")[0]


@pytest.fixture
def become(monkeypatch: pytest.MonkeyPatch) -> Become:
    """Make a function what every kind of job computes."""
    return lambda run: monkeypatch.setattr(runner, "RUN", {"kernels": run})


def raising(error: BaseException) -> RunPart:
    def run(claim: Claim, context: Context) -> Iterator[TileData]:
        yield TileData("ntk", 0, 0, np.zeros((6, 6)))
        raise error

    return run


def beyond_the_grid(claim: Claim, context: Context) -> Iterator[TileData]:
    yield TileData("ntk", 2**40, 0, np.zeros((6, 6)))


def seen(context: Context, job: UUID) -> Job:
    with context.database.read() as read:
        found = queries.get(read, job)
    assert found is not None
    return found


def take(context: Context) -> Claim:
    claim = transitions.claim(context.database, "w", "cpu", 60.0)
    assert claim is not None
    return claim


@pytest.fixture
def gone() -> Iterator[Database]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    database = Database(f"postgresql://127.0.0.1:{port}/none")
    yield database
    database.dispose()


@pytest.mark.parametrize(
    ("run", "kind", "said"),
    [
        (raising(RuntimeError("poison")), "computation-failed", "poison"),
        (raising(MemoryError("too much")), "out-of-memory", "too much"),
        (beyond_the_grid, "computation-failed", "The database refused the result"),
    ],
)
def test_a_poisonous_part_fails_with_its_error(
    context: Context, job: UUID, become: Become, run: RunPart, kind: str, said: str
) -> None:
    become(run)
    assert not runner.serve(context)
    failed = seen(context, job)
    assert (failed.state, failed.attempts) == (State.FAILED, MOST)
    assert failed.error is not None
    assert failed.error.type == f"/problems/{kind}"
    assert said in str(failed.error.detail)


def test_a_part_that_is_stopped_is_given_back(context: Context, job: UUID, become: Become) -> None:
    become(raising(SystemExit(1)))
    with pytest.raises(SystemExit):
        runner.serve(context)
    assert seen(context, job).state is State.QUEUED
    assert take(context).failures == 0


def test_others_are_told_of_what_a_part_has_opened(context: Context, job: UUID, become: Become) -> None:
    """Of two jobs that waited for this one the worker takes one itself."""

    def nothing(claim: Claim, context: Context) -> Iterator[TileData]:
        yield from ()

    with context.database.begin() as write:
        for top in (None, 1):
            submit(write, SpectrumSpec(kernel=job, top=top), context.settings, "test")
    become(nothing)
    rung: list[int] = []
    assert not runner.serve(replace(context, ring=rung.append))
    assert seen(context, job).state is State.SUCCEEDED
    assert rung == [1]


@pytest.mark.parametrize("error", [SystemExit(1), RuntimeError("poison")])
def test_without_a_database_the_part_is_left_to_its_lease(
    context: Context, job: UUID, become: Become, gone: Database, error: BaseException
) -> None:
    become(raising(error))
    claim = take(context)
    with suppress(SystemExit):
        runner.run_part(claim, replace(context, database=gone))
        assert isinstance(error, Exception)  # a worker that is told to stop stops, outage or not
    assert seen(context, job).state is State.RUNNING


def test_a_part_that_was_cancelled_is_left_between_two_tiles(context: Context, job: UUID, become: Become) -> None:
    """Whatever has no tile to show for a long time says None, and is asked whether it is still wanted."""
    went_on: list[int] = []

    def run(claim: Claim, context: Context) -> Iterator[TileData | None]:
        with context.database.begin() as write:
            transitions.cancel(write, job)
        for step in range(600):
            went_on.append(step)
            time.sleep(0.1)
            yield None

    become(run)
    claim = transitions.claim(context.database, "w", "cpu", 60.0)
    assert claim is not None
    runner.run_part(claim, replace(context, settings=Settings(lease_seconds=0.5)))
    assert 0 < len(went_on) < 600
    assert seen(context, job).state is State.CANCELLED
