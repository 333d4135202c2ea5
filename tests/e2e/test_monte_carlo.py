"""Kernels of drawn networks through HTTP, against the analytic ones of the same service."""

import numpy as np

from ntkd import Client

CIRCLE = np.array([[1.0, 0.0], [0.0, 1.0], [-0.6, 0.8]])


def drawn(draws: int, width: int, seed: int = 0) -> dict[str, object]:
    return {"type": "monte_carlo", "draws": draws, "width": width, "seed": seed}


def test_the_diagonal_is_exact_in_expectation_at_every_width(client: Client) -> None:
    """ReLU, L = 4, n = 8: E f² = Σ and E Θ(θ) = Θ; four standard errors for six numbers, one seed in three thousand."""
    found = client.kernel(CIRCLE, depth=4, beta=0.1, method=drawn(20_000, 8))
    for name, value in (("nngp", 0.08125), ("ntk", 0.2825)):
        error = found.array(f"{name}_standard_error").diagonal()
        assert (np.abs(found.array(name).diagonal() - value) < 4 * error).all()
        assert (error < 0.05 * value).all()
        np.testing.assert_array_equal(found.array(name), found.array(name).T)


def test_wide_networks_have_the_kernel_of_the_limit(client: Client) -> None:
    """The bias is of order 1/n, which is far below the standard errors of so many draws."""
    network = {"architecture": ["dense", {"type": "residual", "layers": ["erf", "dense"]}, "erf", "dense"]}
    exact = client.kernel(CIRCLE, CIRCLE[:2], **network)
    found = client.kernel(CIRCLE, CIRCLE[:2], method=drawn(300, 400, seed=1), **network)
    for name in ("ntk", "nngp"):
        error = found.array(f"{name}_standard_error")
        assert (np.abs(found.array(name) - exact.array(name)) < 4 * error).all()
        assert (error < 0.2 * exact.array(name).max()).all()


def test_equal_requests_are_one_job_and_seeds_are_not(client: Client) -> None:
    first, again, other = (client.kernel(CIRCLE, depth=2, method=drawn(10, 5, seed)) for seed in (3, 3, 4))
    assert first.id == again.id != other.id
    assert not np.array_equal(first.ntk, other.ntk)
