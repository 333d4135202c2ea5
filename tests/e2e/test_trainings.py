"""Trainings through HTTP: what is recorded of them, of networks and inputs of other kinds, and what they refer to."""

from typing import Any

import numpy as np
import pytest

from ntkd import Client, ProblemError

X = np.random.default_rng(5).normal(size=(12, 3))
Y = np.random.default_rng(6).normal(size=(12, 2))
NET = {"type": "mlp", "depth": 3, "width": 20}
DROPPING = [{"type": "dense", "width": 16}, "relu", {"type": "dropout", "rate": 0.5}, "dense"]


def test_projections_are_those_of_the_outputs(client: Client) -> None:
    """On components of norm 1 in the measure of the inputs, of which eigenvectors are √N times too small."""
    dataset = client.dataset(X, Y)
    spectrum = client.spectrum(client.kernel(X, depth=3, kernels=["ntk"]), top=3, vectors=True)
    record = {"outputs": {"at": [0, 7]}, "projections": {"at": [0, 7], "components": spectrum.id}}
    for centred in (False, True):
        run = client.training(
            dataset, architecture=NET, learning_rate=0.5, steps=7, seeds=[1, 2], centred=centred, record=record
        )
        v = spectrum.eigenvectors * np.sqrt(12)
        expected = np.einsum("jm,stjk->stmk", v, run.outputs) / 12
        np.testing.assert_allclose(run.array("projections"), expected, rtol=0, atol=1e-13)
    # Centred, a network is 0 before the first step.
    np.testing.assert_array_less(np.abs(run.outputs[:, 0]), 1e-14)


def test_dropout_and_images(client: Client) -> None:
    runs = [
        client.training(client.dataset(x, Y), architecture=DROPPING, learning_rate=0.1, steps=5, seeds=[3])
        for x in (X.reshape(12, 3, 1), X)
    ]
    np.testing.assert_array_equal(runs[0].cost, runs[1].cost)
    assert len(set(runs[0].cost[0])) == 6


def test_a_block_of_a_training_by_its_steps(client: Client) -> None:
    run = client.training(X, Y, architecture=NET, learning_rate=0.5, steps=9, record={"outputs": {"every": 3}})
    block = run.handle.array("outputs", cols=(1, 3))
    np.testing.assert_array_equal(block, run.outputs[:, 1:3])


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"record": {"projections": {"at": [0], "components": "00000000-0000-4000-8000-000000000000"}}}, "components"),
        ({"record": {"outputs": {"at": [0], "on": "0" * 32}}}, "on"),
        ({"dataset": "f" * 32}, "dataset"),
        ({"seeds": [0, 0]}, "seeds"),
        ({"seeds": []}, "seeds"),
        ({"seeds": "all"}, "seeds"),
        ({"steps": 1.5}, "steps"),
        ({"learning_rate": "1"}, "learning_rate"),
        ({"learning_rate": True}, "learning_rate"),
        ({"cost": {"type": "huber", "delta": "inf"}}, "delta"),
        ({"cost": {}}, "type"),
        ({"cost": "cross_entropy"}, "cost"),
        ({"momentum": -0.1}, "momentum"),
        ({"tolerance": 0}, "tolerance"),
        ({"record": {"kernel": {"log": 0}}}, "log"),
        ({"expansion": 1, "record": {"kernel": {"at": [0]}}}, "record"),
        ({"architecture": {"type": "mlp", "depth": 3}}, "architecture"),
        ({"architecture": ["dense", "relu", {"type": "dense", "width": 5}]}, "architecture"),
        ({"rate": 1.0}, "rate"),
    ],
)
def test_what_is_wrong_is_pointed_at(client: Client, change: dict[str, Any], pointer: str) -> None:
    spec = {"dataset": client.dataset(X, Y).id, "architecture": NET, "learning_rate": 1.0, "steps": 3} | change
    with pytest.raises(ProblemError) as caught:
        client.submit("trainings", spec)
    assert caught.value.problem.errors is not None
    assert [error.pointer.rpartition("/")[2] for error in caught.value.problem.errors] == [pointer]


def test_another_jobs_parameters_are_of_a_training(client: Client) -> None:
    kernel = client.kernel(X, depth=2)
    with pytest.raises(ProblemError) as caught:
        client.kernel(X, architecture=NET, method={"type": "empirical", "trained": {"training": kernel.id}})
    assert [error.pointer for error in caught.value.problem.errors or ()] == ["/method/trained/training"]


def test_a_kernel_waits_for_the_training_it_needs(client: Client) -> None:
    run = client.training(X, Y, architecture=NET, learning_rate=0.1, steps=40_000, wait=False)
    method = {"type": "empirical", "n_outputs": 2, "trained": {"training": run.id}}
    theta = client.kernel(X, architecture=NET, kernels=["ntk"], method=method).ntk
    again = client.training(
        X, Y, architecture=NET, learning_rate=0.1, steps=40_000, record={"kernel": {"at": [40_000]}}
    )
    np.testing.assert_allclose(theta, again.kernel[0, 0], rtol=1e-11, atol=1e-12)
