"""Every array of a prediction, of whatever kind, states what its entries may be off by."""

from collections.abc import Iterator
from math import inf
from typing import Any
from uuid import UUID

import numpy as np
import pytest

from contracts.jobs import State
from contracts.predictions import PredictionSpec
from contracts.settings import MIB, Settings
from storage import arrays
from storage.arrays import Stored
from storage.datasets import Description, Rows, store
from storage.jobs import queries, transitions
from storage.jobs.submission import submit
from tests.worker.conftest import context_on
from worker import runner
from worker.context import Context

RNG = np.random.default_rng(4)
X, OTHER = RNG.normal(size=(12, 3)), RNG.normal(size=(5, 3))
NUMBERS = np.sin(X[:, :2]), np.sin(OTHER[:, :2])
CLASSES = np.eye(3)[(X[:, 0] > 0).astype(int) + (X[:, 1] > 0)], np.eye(3)[(OTHER[:, 0] > 0).astype(int)]
STEPS = {"type": "descent", "learning_rate": 2.0, "momentum": 0.9}
TIMES = [0, 2, 60]
SPREAD = {"percentiles": [10, 90], "samples": 3}

# What is asked for, with targets; and how far the values may be off, in what they may be at all: some ten.
KINDS: dict[str, tuple[dict[str, Any], tuple[np.ndarray, np.ndarray], float]] = {
    "everything": ({"times": [*TIMES, "inf"], "covariance": "full", **SPREAD}, NUMBERS, 1e-9),
    "variances and a ridge": ({"times": [*TIMES, "inf"], "ridge": 0.01, **SPREAD}, NUMBERS, 1e-9),
    "the posterior": ({"times": ["inf"], "start": {"type": "ensemble", "kernel": "ntk"}, **SPREAD}, NUMBERS, 1e-9),
    "the end": ({"times": ["inf"], "covariance": "full", **SPREAD}, NUMBERS, 1e-9),
    "the last layer": ({"times": [2, 60], "trained": "last_layer", **SPREAD}, NUMBERS, 1e-9),
    "steps": ({"times": TIMES, "dynamics": STEPS, "covariance": "full", **SPREAD}, NUMBERS, 1e-9),
    "cross-entropy": ({"times": TIMES, "cost": "cross_entropy"}, CLASSES, 1e-6),
    "logistic": ({"times": TIMES, "cost": "logistic"}, (np.sign(NUMBERS[0]), np.sign(NUMBERS[1])), 1e-6),
    "huber": ({"times": TIMES, "cost": {"type": "huber", "delta": 0.3}}, NUMBERS, 1e-6),
    "cross-entropy in steps": ({"times": TIMES, "cost": "cross_entropy", "dynamics": STEPS}, CLASSES, 1e-6),
    "huber in steps": ({"times": TIMES, "cost": "huber", "dynamics": STEPS | {"momentum": 0.0}}, NUMBERS, 1e-6),
    "a direction": (
        {"times": [0, 1, 30], "cost": {"type": "direction", "starts": [0, 10]}},
        NUMBERS,
        1e-9,
    ),
    "a direction that changes": (
        {"times": [0, 1, 10], "cost": {"type": "direction", "starts": [0, 10], "between": "linear"}},
        NUMBERS,
        1e-9,
    ),
    "random functions": ({"times": [*TIMES, "inf"], "random_functions": {"counts": [5, 300]}}, NUMBERS, 1e-6),
    "networks": (
        {
            "times": TIMES,
            "trained": "last_layer",
            "random_functions": {"counts": [5, 40], "of": "networks", "width": 8},
        },
        NUMBERS,
        1e-6,
    ),
}


@pytest.fixture
def context(database_url: str) -> Iterator[Context]:
    with context_on(database_url, 2**20) as made:
        yield made


def dataset(context: Context, letter: str, x: np.ndarray, y: np.ndarray) -> str:
    content = [Rows("x", x.shape, "float64", [x]), Rows("y", y.shape, "float64", [y])]
    with context.database.begin() as write:
        return store(write, Description(None, {"type": "inline"}, "made here"), content, lambda: letter * 32)


def served(context: Context, spec: dict[str, Any], limits: Settings) -> tuple[UUID, dict[str, Stored]]:
    """What is stored of a job that this process serves."""
    with context.database.begin() as write:
        job, _ = submit(write, PredictionSpec.model_validate(spec), limits, "test")
    claim = transitions.claim(context.database, "w", "cpu", 60.0)
    assert claim is not None
    runner.run_part(claim, context)
    with context.database.read() as read:
        found = queries.get(read, job)
        assert found is not None
        assert found.state is State.SUCCEEDED, found.error
        return job, arrays.of_job(read, job)


def read(context: Context, array: Stored) -> np.ndarray:
    return arrays.block(context.database, array, slice(0, array.plan.rows))


@pytest.mark.parametrize("kind", KINDS)
def test_every_array_states_its_bound(context: Context, kind: str) -> None:
    asked, (y, judged), most = KINDS[kind]
    train, test = dataset(context, "a", X, y), dataset(context, "b", OTHER, judged)
    spec = {"train": train, "test": test, "architecture": {"type": "mlp", "depth": 3, "beta": 0.1}, **asked}
    _, found = served(context, spec, context.settings)
    for name, array in found.items():
        bound = array.error_bound
        assert bound is not None, name
        # An accuracy is off by a twelfth, or by none.
        assert 0.0 <= bound < inf, name
        assert bound <= most * max(1.0, np.abs(read(context, array)).max()) or "accuracy" in name, (name, bound)
        # Whatever is no count and not exactly 0, as variances at the end are, is rounded somewhere.
        assert bound > 0.0 or name.endswith("_accuracy") or not read(context, array).any(), name


def test_conjugate_gradients_state_theirs(context: Context) -> None:
    x = RNG.normal(size=(600, 4))
    y = np.sin(x[:, :1])
    train, test = dataset(context, "c", x, y), dataset(context, "d", x[:7] + 0.1, y[:7])
    spec = {"train": train, "test": test, "architecture": {"type": "mlp", "depth": 3}, "ridge": 1e-4}
    limits = context.settings.model_copy(update={"memory_bytes": 80 * MIB})
    _, found = served(context, spec | {"times": ["inf"], "covariance": "none", "start": "zero"}, limits)
    assert "residuals" in found
    for name, array in found.items():
        assert array.error_bound is not None, name
        assert array.error_bound < 1e-6, name
    assert found["residuals"].error_bound < 1e-11  # type: ignore[operator]
