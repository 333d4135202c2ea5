"""Kernels of one finite network through HTTP, against what they are by hand."""

from typing import Any

import numpy as np
import pytest

from ntkd import Client, ProblemError

X = np.array([[1.0, 0.0], [0.0, 1.0], [-0.6, 0.8]])


def network(outputs: object, k: int = 2, seed: int = 3) -> dict[str, object]:
    return {"type": "empirical", "width": 40, "n_outputs": k, "outputs": outputs, "seed": seed}


def test_a_linear_network_has_the_kernel_of_its_inputs_whatever_it_learned(client: Client) -> None:
    """f = σ_w W x/√n_0 + β b: Θ = (σ_w² x·x'/n_0 + β²) Id for every θ, and f f' is of rank n_0 + 1."""
    found = client.kernel(X, depth=1, beta=0.5, sigma_w=2.0, method=network("full"))
    expected = (2 * X @ X.T + 0.25)[:, :, None, None] * np.eye(2)
    assert found.array("ntk").shape == found.array("nngp").shape == (3, 3, 2, 2)
    # Sums of three products.
    np.testing.assert_allclose(found.array("ntk"), expected, rtol=0, atol=1e-14)
    cross = client.kernel(X, X[:2], depth=1, beta=0.5, sigma_w=2.0, method=network(1))
    np.testing.assert_allclose(cross.ntk, expected[:, :2, 1, 1], rtol=0, atol=1e-14)
    np.testing.assert_allclose(cross.nngp, found.array("nngp")[:, :2, 1, 1], rtol=0, atol=1e-14)


def test_a_spectrum_of_it(client: Client) -> None:
    """Of the trace's kernel, whose eigenvalues over N sum to its mean diagonal."""
    found = client.kernel(X, depth=3, method=network("trace"))
    values = client.spectrum(found.id).eigenvalues
    np.testing.assert_allclose(values.sum(), found.ntk.trace() / 3, rtol=1e-12)
    full = client.kernel(X, depth=3, method=network("full")).array("ntk")
    np.testing.assert_allclose(found.ntk, np.trace(full, axis1=2, axis2=3) / 2, rtol=1e-12, atol=1e-14)
    np.testing.assert_array_equal(full, full.transpose(1, 0, 3, 2))


def test_seeds_are_networks(client: Client) -> None:
    first, again, other = (client.kernel(X, depth=2, method=network("trace", seed=seed)) for seed in (3, 3, 4))
    assert first.id == again.id != other.id
    assert not np.array_equal(first.ntk, other.ntk)


def test_kernels_along_a_training(client: Client) -> None:
    """A kernel job at the parameters of a training's step is what the training itself records there."""
    y = np.array([[1.0, 0.5], [-1.0, 0.0], [0.3, 2.0]])
    net = {"type": "mlp", "depth": 3, "width": 20, "activation": "erf"}
    run = client.training(
        X,
        y,
        architecture=net,
        learning_rate=0.5,
        steps=12,
        seeds=[3, 9],
        record={"kernel": {"at": [0, 5, 12]}, "parameters": {"at": [5]}},
    )
    given = [{"trained": {"training": run.id, "seed": 9, "step": 5}}, {"trained": {"training": run.id, "seed": 9}}]
    given += [{"seed": 9}, {"uploaded": {"dataset": client.dataset(run.parameters).id, "row": 1}}]
    method = {"type": "empirical", "n_outputs": 2}
    found = [client.kernel(X, architecture=net, kernels=["ntk"], method=method | some).ntk for some in given]
    for theta, record in zip(found, (1, 2, 0, 2), strict=True):
        # Two networks' products side by side, and one's: sums of twenty terms in another order.
        np.testing.assert_allclose(theta, run.kernel[1, record], rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize(
    ("fault", "pointer"),
    [
        ({"trained": {"seed": 7}}, "/method/trained/seed"),
        ({"trained": {"step": 2}}, "/method/trained/step"),
        ({"n_outputs": 3}, "/method/trained/training"),
        ({"architecture": {"type": "mlp", "depth": 3, "width": 21}}, "/architecture"),
    ],
)
def test_parameters_that_are_not_there(client: Client, fault: dict[str, Any], pointer: str) -> None:
    net = {"type": "mlp", "depth": 3, "width": 20}
    run = client.training(X, X[:, :1], architecture=net, learning_rate=0.5, steps=2)
    trained = {"training": run.id} | fault.pop("trained", {})
    net = fault.pop("architecture", net)
    with pytest.raises(ProblemError) as caught:
        client.kernel(X, architecture=net, method={"type": "empirical", "trained": trained} | fault)
    assert caught.value.problem.errors is not None
    assert [error.pointer for error in caught.value.problem.errors] == [pointer]
