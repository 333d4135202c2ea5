"""The numbers of trained networks, through HTTP: the paper's figures on few networks."""

from math import pi

import numpy as np
import pytest

from ntkd import Client

CIRCLE = np.linspace(-pi, pi, 41)
PROBES = np.c_[np.cos(CIRCLE), np.sin(CIRCLE)]
ANGLES = np.array([-2.5, -1.0, 0.3, 1.8])
POINTS = np.c_[np.cos(ANGLES), np.sin(ANGLES)]
TARGETS = POINTS[:, :1] * POINTS[:, 1:]


def limit(client: Client) -> tuple[np.ndarray, np.ndarray]:
    """Mean and deviation of f_∞ on the probes, L = 4 (Section 5)."""
    train, cross, probes = (client.kernel(a, b, depth=4) for a, b in ((POINTS, None), (PROBES, POINTS), (PROBES, None)))
    a = np.linalg.solve(train.ntk, cross.ntk.T).T
    covariance = probes.nngp - a @ cross.nngp.T - cross.nngp @ a.T + a @ train.nngp @ a.T
    return (a @ TARGETS)[:, 0], np.sqrt(np.diag(covariance).clip(0))


@pytest.mark.parametrize("width", [50, 200])
def test_figure_2(client: Client, width: int) -> None:
    """Fifty networks after 1000 steps, against the Gaussian of infinite width."""
    run = client.training(
        POINTS,
        TARGETS,
        depth=4,
        width=width,
        learning_rate=1.0,
        steps=1000,
        seeds=range(50),
        record={"outputs": {"at": [1000], "on": PROBES}},
    )
    assert np.sqrt(2 * run.cost[:, -1]).max() < 1e-4
    mean, deviation = limit(client)
    f = run.outputs[:, 0, :, 0]
    assert 0.70 < (np.abs(f - mean) <= 1.2816 * deviation).mean() < 0.84
    assert 0.8 < f.std(axis=0, ddof=1).mean() / deviation.mean() < 1.25


def test_figure_1(client: Client) -> None:
    """Ten networks of width 300 in 100 steps: Θ at the start, and that it grows."""
    x = np.random.default_rng(1).normal(size=(100, 2))
    run = client.training(
        x,
        x[:, :1] * x[:, 1:],
        depth=4,
        width=300,
        learning_rate=1.0,
        steps=100,
        seeds=range(10),
        record={"kernel": {"at": [0, 100], "on": np.array([[1.0, 0.0]])}},
    )
    before, after = run.kernel[:, 0, 0, 0], run.kernel[:, 1, 0, 0]
    assert abs(before.mean() - 0.2825) < 2 * before.std(ddof=1) / np.sqrt(10)
    assert (after / before).mean() > 1.05


def test_moments_are_exact_at_any_width(client: Client) -> None:
    """E f² = Σ and E Θ(x, x) = Θ for ReLU at n = 8 (10⁵ draws, three standard errors)."""
    method = {"type": "monte_carlo", "draws": 100_000, "width": 8}
    found = client.kernel(np.array([[1.0, 0.0]]), depth=4, method=method)
    for name, exact in (("nngp", 0.08125), ("ntk", 0.2825)):
        assert abs(found.array(name)[0, 0] - exact) < 3 * found.array(f"{name}_standard_error")[0, 0]


def test_kernels_of_networks_concentrate_and_hardly_move(client: Client) -> None:
    """Θ at the start varies as n^−½ and drifts as 1/n: fitted over widths 64 to 1024."""
    widths, spread, drift = [64, 256, 1024], [], []
    for width in widths:
        run = client.training(
            POINTS,
            TARGETS,
            depth=3,
            width=width,
            activation="erf",
            sigma_w=1.5,
            learning_rate=0.5,
            steps=50,
            seeds=range(40),
            record={"kernel": {"at": [0]}, "drift": {"at": [50]}},
        )
        theta = run.kernel[:, 0]
        spread.append(np.sqrt(theta.var(axis=0, ddof=1).mean()))
        drift.append(run.array("kernel_drift")[:, 0].mean())
    # A deviation of forty networks is known to a ninth, over many entries to less; widths are 16 times apart.
    assert np.polyfit(np.log(widths), np.log(spread), 1)[0] == pytest.approx(-0.5, abs=0.1)
    assert np.polyfit(np.log(widths), np.log(drift), 1)[0] == pytest.approx(-1.0, abs=0.1)


def test_the_edge_of_learning_rates(client: Client) -> None:
    """Of a linear model in θ: below 2/λ_1 its cost falls, above it grows without end."""
    theta = client.kernel(POINTS, architecture=NET, method={"type": "empirical"}, kernels=["ntk"]).ntk
    edge = 2 * len(POINTS) / np.linalg.eigvalsh(theta)[-1]
    below, above = (
        client.training(POINTS, TARGETS, architecture=NET, expansion=1, learning_rate=rate * edge, steps=100)
        for rate in (0.9, 1.1)
    )
    assert below.array("endings")[0, 0] == 0
    assert below.cost[0, -1] < below.cost[0, 0]
    ending, _ = above.array("endings")[0]
    assert ending == 2
    assert above.array("largest_rate")[0] == pytest.approx(edge, rel=1e-10)


NET = {"type": "mlp", "depth": 4, "width": 100}
