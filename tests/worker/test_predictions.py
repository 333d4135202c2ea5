"""Predictions on real workers."""

import numpy as np

from contracts.jobs import State
from contracts.predictions import PredictionSpec
from contracts.settings import MIB
from storage import arrays
from storage.datasets import Description, Rows, store
from tests.worker.conftest import System

RNG = np.random.default_rng(2)
X, Y = RNG.normal(size=(1500, 4)), RNG.normal(size=(1500, 2))


def stored(system: System, job: object, name: str) -> np.ndarray:
    with system.database.read() as read:
        array = arrays.of_job(read, job)[name]
    return arrays.block(system.database, array, slice(0, array.plan.rows))


def dataset(system: System, identity: str, x: np.ndarray, y: np.ndarray) -> str:
    with system.database.begin() as write:
        content = [Rows("x", x.shape, "float64", [x]), Rows("y", y.shape, "float64", [y])]
        return store(write, Description(None, {"type": "inline"}, "made here"), content, lambda: identity)


def test_more_points_than_matrices_fit_for(system: System) -> None:
    """The end of training, by conjugate gradients in a worker that has no room for a decomposition."""
    system.start("worker")
    train, test = dataset(system, "a" * 32, X, Y), dataset(system, "b" * 32, X[:7] + 0.1, Y[:7])
    asked = {"train": train, "test": test, "architecture": {"type": "mlp", "depth": 3}, "ridge": 1e-4}
    spec = PredictionSpec.model_validate(asked | {"times": ["inf"], "covariance": "none", "start": "zero"})
    whole = system.submit(spec)
    assert system.wait(whole).state is State.SUCCEEDED
    usual = system.settings
    system.settings = usual.model_copy(update={"memory_bytes": 400 * MIB})
    try:
        # Another job only because of its points: an equal spec is done already.
        iterated = system.submit(spec.model_copy(update={"points": ["test"]}))
    finally:
        system.settings = usual
    done = system.wait(iterated)
    assert done.state is State.SUCCEEDED, done.error
    names = {array.name: array.error_bound for array in done.arrays}
    assert names.keys() == {"mean", "train_cost", "train_accuracy", "test_cost", "test_accuracy", "residuals"}
    assert stored(system, iterated, "residuals").max() <= 1e-10
    bound = names["mean"]
    assert bound is not None
    assert bound < 1e-7
    np.testing.assert_allclose(
        stored(system, iterated, "mean"), stored(system, whole, "mean"), rtol=0, atol=bound + 1e-11
    )
    for name in ("train_cost", "test_cost", "test_accuracy"):
        np.testing.assert_allclose(stored(system, iterated, name), stored(system, whole, name), rtol=1e-8)
