"""Kernel jobs state what approximation may have added: the largest of their parts."""

from collections.abc import Iterator
from itertools import combinations_with_replacement
from uuid import UUID

import numpy as np
import pytest
import torch

from contracts.jobs import Job, State
from contracts.kernels import KernelSpec
from contracts.settings import Settings
from ntk_engine import infinite
from ntk_engine.architecture import Architecture, mlp, parse
from storage.datasets import Description, Rows, store
from storage.jobs import queries, transitions
from storage.jobs.submission import submit
from tests.worker.conftest import context_on
from worker import runner
from worker.context import Context

# Of rising norms, so that every part's bound is another; small enough that tanh is a series in all of them.
X = np.random.default_rng(0).normal(size=(150, 3)) * np.linspace(0.01, 0.3, 150)[:, None]
SIDE = 64


@pytest.fixture
def context(database_url: str) -> Iterator[Context]:
    with context_on(database_url, 2**20) as made:
        yield made


def submitted(context: Context, limits: Settings, **fields: object) -> UUID:
    with context.database.begin() as write:
        content = [Rows("x", X.shape, "float64", [X])]
        dataset = store(write, Description(None, {"type": "inline"}, "made here"), content, lambda: "a" * 32)
        return submit(write, KernelSpec(**({"dataset": dataset} | fields)), limits, "test")[0]


def seen(context: Context, job: UUID) -> Job:
    with context.database.read() as read:
        found = queries.get(read, job)
    assert found is not None
    return found


def bounds(job: Job) -> dict[str, float | None]:
    return {array.name: array.error_bound for array in job.arrays}


def serve(context: Context, *, lost: bool = False) -> None:
    """One part, by a worker that loses its lease before it commits, or not."""
    claim = transitions.claim(context.database, "w", "cpu", 60.0)
    assert claim is not None
    if lost:
        with context.database.begin() as write:
            transitions.release(write, claim.lease)
    runner.run_part(claim, context)


def of_parts(arch: Architecture) -> list[dict[str, float]]:
    """The twin: every part's bound, by itself."""
    starts, found = range(0, len(X), SIDE), []
    for i, j in combinations_with_replacement(starts, 2):
        a, b = (infinite.rows(torch.from_numpy(X[start : start + SIDE])) for start in (i, j))
        infinite.tile(arch, a, b, infinite.Block(slice(0, len(a)), slice(0, len(b))))
        found.append(infinite.error_bound(arch, a, b))
    return found


def test_the_bound_is_the_largest_of_the_parts(context: Context) -> None:
    arch = mlp(3, "tanh")
    job = submitted(context, Settings(memory_bytes=2**21), architecture=arch)
    assert bounds(seen(context, job)) == {"ntk": None, "nngp": None}
    serve(context, lost=True)
    assert bounds(seen(context, job)) == {"ntk": None, "nngp": None}
    serve(context)
    first = bounds(seen(context, job))
    while seen(context, job).state is not State.SUCCEEDED:
        serve(context)
    done = bounds(seen(context, job))
    exact = of_parts(arch)
    assert seen(context, job).parts == len(exact) == 6
    assert done == {name: max(bound[name] for bound in exact) for name in ("ntk", "nngp")}
    assert all(first[name] < done[name] <= 1e-12 for name in done)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"architecture": mlp(3, "erf")}, {"ntk": 0.0, "nngp": 0.0}),
        ({"architecture": mlp(3), "kernels": ["nngp"]}, {"nngp": 0.0}),
        ({"architecture": parse(["dense", "tanh", "dense", "sign"]), "kernels": ["nngp"]}, {"nngp": None}),
        (
            {"architecture": mlp(2), "kernels": ["ntk"], "method": {"type": "monte_carlo", "draws": 2, "width": 3}},
            {"ntk": None, "ntk_standard_error": None},
        ),
    ],
)
def test_what_there_is_to_say(context: Context, fields: dict[str, object], expected: dict[str, float | None]) -> None:
    job = submitted(context, context.settings, **fields)
    while not seen(context, job).state.finished:
        serve(context)
    assert seen(context, job).state is State.SUCCEEDED
    assert bounds(seen(context, job)) == expected
