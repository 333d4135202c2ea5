"""The numbers that ntkd must come to, through HTTP: published, derived, or computed by other software."""

from math import pi, sqrt
from pathlib import Path

import numpy as np
import pytest

from ntkd import Client

CIRCLE = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])
RELU = [("relu", depth, beta) for depth in range(1, 6) for beta in (0, 0.1, 1)]
ERF = [("erf", depth, 0.1) for depth in (2, 3, 4)]


@pytest.mark.parametrize(("activation", "depth", "beta"), RELU + ERF)
def test_kernels_of_digits(
    client: Client,
    reference: Path,
    train: np.ndarray,
    test_digits: np.ndarray,
    activation: str,
    depth: int,
    beta: float,
) -> None:
    expected = np.load(reference / "reference/nt_mnist_kernels.npz")
    prefix = f"{activation}_L{depth}_b{beta}"
    if f"{prefix}_ntk" not in expected:
        pytest.skip(f"{prefix} is not among the references")
    asked = {"depth": depth, "activation": activation, "beta": float(beta)}
    for dtype, tolerance in (("float64", 1e-12), ("float32", 1e-5)):
        found = client.kernel(test_digits[:40], train[:24], dtype=dtype, **asked)
        np.testing.assert_allclose(found.ntk, expected[f"{prefix}_ntk"], rtol=tolerance)
        np.testing.assert_allclose(found.nngp, expected[f"{prefix}_nngp"], rtol=tolerance)


def test_the_papers_eigenvalues(client: Client, train: np.ndarray) -> None:
    kernel = client.kernel(train[:512], depth=5, beta=0.1, kernels=["ntk"])
    values = client.spectrum(kernel, top=3).eigenvalues
    # The values are given to eight decimals.
    np.testing.assert_allclose(values, [0.04498357, 0.00120650, 0.00088362], rtol=0, atol=0.5000001e-8)
    everything = client.spectrum(kernel, vectors=True)
    # Backward error of a symmetric eigensolver: N ulp of the largest eigenvalue.
    np.testing.assert_allclose(everything.eigenvalues[:3], values, rtol=0, atol=512 * np.finfo(float).eps * values[0])
    gram = everything.eigenvectors.T @ everything.eigenvectors
    np.testing.assert_allclose(gram, np.eye(512), atol=512 * np.finfo(float).eps)


def test_the_papers_batch_is_an_ordinary_one(client: Client, train: np.ndarray) -> None:
    rng = np.random.default_rng(0)
    batches = [train[rng.choice(10_000, 512, replace=False)] for _ in range(24)]
    jobs = [client.submit_kernel(batch, depth=5, beta=0.1, kernels=["ntk"]) for batch in batches]
    spectra = [client.submit_spectrum(job, top=3) for job in jobs]
    values = np.array([job.wait() and job.array("eigenvalues") for job in spectra])
    published = np.array([0.0457, 0.00108, 0.00078])
    assert (np.abs(published - values.mean(axis=0)) < 3 * values.std(axis=0, ddof=1)).all()


def test_a_larger_bias_widens_the_first_gap(client: Client, train: np.ndarray) -> None:
    ratios = []
    for beta in (0.1, 1.0):
        values = client.spectrum(client.kernel(train[:512], depth=5, beta=beta, kernels=["ntk"]), top=2).eigenvalues
        ratios.append(values[0] / values[1])
    assert 13 < ratios[1] / ratios[0] < 14


@pytest.mark.parametrize(
    ("kernel", "depth", "values"),
    [
        ("ntk", 2, [0.52, 0.0962158338, -0.0113169679]),
        ("ntk", 3, [0.4025, 0.1078485865, 0.0519573675]),
        ("ntk", 4, [0.2825, 0.0927021102, 0.0643537701]),
        ("ntk", 5, [0.191875, 0.0743927698, 0.0598723657]),
        ("nngp", 4, [0.08125, 0.0557602776, 0.0480965898]),
    ],
)
def test_values_of_the_theory(client: Client, kernel: str, depth: int, values: list[float]) -> None:
    found = client.kernel(CIRCLE[:1], CIRCLE, depth=depth, beta=0.1)
    # The values are given to ten decimals.
    np.testing.assert_allclose(getattr(found, kernel)[0], values, rtol=0, atol=0.5000001e-10)


@pytest.mark.parametrize(
    ("depth", "ntk_cosine", "scaled_gap"),
    [
        (3, 0.22857, None),
        (4, 0.265097, None),
        (10, 0.315595, None),
        (100, 0.272668, 36.4285),
        (1000, 0.253293, 43.215),
        (10_000, 0.250417, 44.2608),
    ],
)
def test_limits_of_depth(client: Client, depth: int, ntk_cosine: float, scaled_gap: float | None) -> None:
    # The cosines do not depend on σ_w; √2 keeps Σ at 1, so that nothing underflows at any depth.
    found = client.kernel(CIRCLE[:2], depth=depth, beta=0.0, sigma_w=sqrt(2))
    assert found.ntk[0, 1] / found.ntk[0, 0] == pytest.approx(ntk_cosine, rel=1e-4)
    if scaled_gap is not None:
        gap = 1 - found.nngp[0, 1] / sqrt(found.nngp[0, 0] * found.nngp[1, 1])
        assert depth**2 * gap == pytest.approx(scaled_gap, rel=1e-4)


def test_the_spectrum_of_the_circle(client: Client) -> None:
    points = 4096
    circle = client.dataset_from({"type": "circle", "points": points})
    values = client.spectrum(client.kernel(circle, depth=2, beta=0.0, kernels=["ntk"])).eigenvalues
    # The eigenvalues over N of the circulant matrix tend to the Fourier coefficients of Θ.
    k = np.arange(points // 2 + 1)
    fourier = np.where(
        k % 2 == 0, (k**2 + 3) / (2 * pi**2 * (k**2 - 1.0) ** 2 + (k == 1)), np.where(k == 1, 1 / 8, 0.0)
    )
    exact = np.sort(np.concatenate([fourier, fourier[1:-1]]))[::-1]
    np.testing.assert_allclose(values, exact, rtol=0, atol=1e-7)


@pytest.mark.parametrize(("beta", "rank"), [(0.0, 102), (0.1, 200)])
def test_the_rank_on_the_circle(client: Client, beta: float, rank: int) -> None:
    circle = client.dataset_from({"type": "circle", "points": 200})
    values = client.spectrum(client.kernel(circle, depth=2, beta=beta, kernels=["ntk"])).eigenvalues
    # What rounding leaves of a zero eigenvalue: N ulp of the largest.
    assert (values > 200 * np.finfo(float).eps * values[0]).sum() == rank
    found = client.spectrum_of(circle, depth=2, beta=beta, vectors=True)
    assert found.value("rank") == rank
    # Proposition 2: positive definite for β > 0, which the certificate tells; without, it cannot.
    least, error = found.value("least_eigenvalue"), found.error_bound("least_eigenvalue")
    assert least is not None
    assert error is not None
    assert (least > error) == (beta > 0)
    assert error < 1e-12
    # Eigenvalues but the constant's come twice.
    np.testing.assert_array_equal(found.array("clusters")[:5], [0, 1, 1, 2, 2])


def standardised(x: np.ndarray) -> np.ndarray:
    """Each image to mean 0 and variance 1 (whatever was taken from all pixels before)."""
    centred = x - x.mean(axis=1, keepdims=True)
    return centred / centred.std(axis=1, keepdims=True)


@pytest.mark.parametrize(
    ("activation", "hidden", "sigma_w2", "sigma_b2", "a_class", "accuracy"),
    [
        ("relu", 20, 1.45, 0.28, 100, 0.9242),
        ("tanh", 20, 1.96, 0.62, 100, 0.9238),
        ("relu", 100, 1.79, 0.83, 10, 0.7301),
    ],
)
def test_gaussian_processes_on_digits(
    client: Client,
    reference: Path,
    train: np.ndarray,
    test_digits: np.ndarray,
    activation: str,
    hidden: int,
    sigma_w2: float,
    sigma_b2: float,
    a_class: int,
    accuracy: float,
) -> None:
    """The protocol of Lee et al. (2018): the posterior mean of the NNGP given as many digits a class, and 1e-10."""
    labels = np.load(reference / "mnist_train10k.npz")["y"]
    first = np.concatenate([np.flatnonzero(labels == digit)[:a_class] for digit in range(10)])
    judged = client.dataset(standardised(test_digits), np.eye(10)[np.load(reference / "mnist_test10k.npz")["y"]])
    found = client.prediction(
        standardised(train[first]),
        np.eye(10)[labels[first]] - 0.1,
        judged,
        times=["inf"],
        depth=hidden + 1,
        activation=activation,
        sigma_w=sqrt(sigma_w2),
        beta=sqrt(sigma_b2),
        trained="last_layer",
        start="zero",
        # r is in units of the eigenvalues of K/N.
        ridge=1e-10 / len(first),
        points=["test"],
    )
    assert found.array("test_accuracy")[0] == pytest.approx(accuracy, abs=0.0005)
    assert (found.mean[0].argmax(axis=1) == np.load(reference / "mnist_test10k.npz")["y"]).mean() == pytest.approx(
        accuracy, abs=0.0005
    )
