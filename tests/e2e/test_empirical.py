"""Kernels of one finite network through HTTP, against what they are by hand."""

import numpy as np

from ntkd import Client

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
