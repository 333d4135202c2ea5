"""The example on small classification sets: its kernels, its choice, and the published protocol's accuracies."""

import json
from collections.abc import Iterator
from pathlib import Path

import mpmath
import numpy as np
import pytest

from examples import uci
from ntkd import Client
from tests.e2e.conftest import Running, running

X = np.array([[1.0, 0.5, -2.0], [0.3, 1.0, 0.0], [-1.0, -0.5, 2.0], [2.0, 1.0, -4.0], [0.0, 0.0, 3.0]])


@pytest.fixture(scope="module")
def system() -> Iterator[Running]:
    """Of one thread a worker: the fits need all cores, and threads that wait for one another at work take them away."""
    with running(threads="1") as made:
        yield made


def term_by_term(x: np.ndarray, y: np.ndarray, hidden: int, fixed: int) -> float:
    """Σ_{ℓ > fixed} Σ^ℓ Σ̇^{ℓ+1} ⋯ Σ̇^L of ReLU layers without biases, in 40 digits; Σ^1 = x·y, L = hidden + 1."""
    with mpmath.workdps(40):
        dot_xx, dot_xy, dot_yy = (mpmath.fdot(p.tolist(), q.tolist()) for p, q in ((x, x), (x, y), (y, y)))
        lengths = mpmath.sqrt(dot_xx * dot_yy)
        cosine = dot_xy / lengths
        covariances, slopes = [lengths * cosine], [mpmath.mpf(1)]
        for _ in range(hidden):
            angle = mpmath.acos(max(-1, min(1, cosine)))
            cosine = (mpmath.sin(angle) + (mpmath.pi - angle) * mpmath.cos(angle)) / mpmath.pi
            lengths /= 2
            covariances.append(lengths * cosine)
            slopes.append((mpmath.pi - angle) / (2 * mpmath.pi))
        terms = [covariances[layer] * mpmath.fprod(slopes[layer + 1 :]) for layer in range(fixed, hidden + 1)]
        return float(mpmath.fsum(terms))


def task(x: np.ndarray, y: np.ndarray) -> uci.Task:
    """A set whose splits are all the same: every second row is tested."""
    split = uci.Split(np.arange(0, len(x), 2), np.arange(1, len(x), 2))
    return uci.Task("set", x, y, split, [split] * 4)


def test_kernels_of_networks_whose_first_layers_are_fixed(client: Client) -> None:
    kernels = uci.submit(client, task(X, np.zeros(len(X), dtype=int)))
    asked = [(kernel.hidden, kernel.fixed) for kernel in kernels]
    assert asked == [(hidden, fixed) for hidden in range(5) for fixed in range(hidden + 1)]
    for kernel in kernels:
        expected = np.array([[term_by_term(x, y, kernel.hidden, kernel.fixed) for y in X] for x in X])
        # What fixed layers and biases add is in units of the diagonal: fewer than 2^4 terms 2^50 times too small.
        scale = np.sqrt(np.outer(expected.diagonal(), expected.diagonal()))
        assert (np.abs(kernel.fetch() - expected) <= 1e-12 * np.abs(expected) + 2**-46 * scale).all()


def test_the_first_of_equals_is_chosen(client: Client) -> None:
    labels = np.arange(40) // 2 % 2
    points = np.random.default_rng(0).normal(size=(40, 3)) * 0.1 + 10.0 * (labels[:, None] - 0.5)
    outcome = uci.judge(given := task(points, labels), uci.submit(client, given))
    assert (outcome.hidden, outcome.fixed, outcome.penalty) == (0, 0, 0.01)
    assert outcome.validation == outcome.accuracy == 1.0


@pytest.mark.slow
def test_the_published_protocol_on_sets_of_up_to_350_rows(client: Client, reference: Path) -> None:
    expected = json.loads((reference / "reference/uci_ntk_svm_expected.json").read_text())
    tasks = [uci.read(reference / f"uci/{name}.npz") for name, of in sorted(expected.items()) if of["N"] <= 350]
    means = []
    for task, found in zip(tasks, uci.outcomes(client.url, tasks, threads=2), strict=True):
        rows = np.array([len(fold.test) for fold in task.folds])
        right, published = found.folds * rows, expected[task.name]["fold_acc"] * rows
        assert (np.abs(right.round() - published.round()) <= 1).all(), task.name
        means.append(found.accuracy)
    assert len(means) == 24
    # It is given to three decimals.
    assert 100 * np.mean(means) == pytest.approx(74.913, abs=0.5000001e-3)
