"""Principal components on the data and off it, against sums that are written out and features that are known."""

import pytest
import torch

from ntk_engine import infinite, spectrum
from ntk_engine.architecture import mlp
from ntk_engine.spectrum import Centring, Components

EPS = torch.finfo(torch.float64).eps
N, D = 60, 5


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


X, NEW = draw(N, D) + 0.7, draw(9, D, seed=1) + 0.7
K, CROSS = X @ X.mT, NEW @ X.mT
"""A kernel whose features are the inputs themselves."""


def of(k: torch.Tensor, m: int | None, *, centred: bool) -> Components:
    centring = Centring.of(k) if centred else None
    return spectrum.components(spectrum.eigh(k if centring is None else centring.gram(k)), m, centring)


def on_features(*, centred: bool) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Principal components as everybody knows them: λ and axes (D×D) of the covariance, and the mean."""
    mean = X.mean(dim=0) if centred else torch.zeros(D, dtype=torch.float64)
    values, axes = torch.linalg.eigh((X - mean).mT @ (X - mean) / N)
    return values.flip(0), axes.flip(1), mean


@pytest.mark.parametrize("centred", [False, True])
def test_they_are_the_principal_components_of_the_features(centred: bool, device: str) -> None:
    """f⁽ⁱ⁾(x) = ⟨φ(x) − m, axis_i⟩/√λ_i, up to one sign for all x."""
    values, axes, mean = on_features(centred=centred)
    found = of(K.to(device), None, centred=centred)
    assert len(found.eigenvalues) == D
    # λ_1 is 3 at most and gaps are above .03: vectors are right to 100 N eps, and functions to √N times that.
    error = 100 * N * EPS
    torch.testing.assert_close(found.eigenvalues.cpu(), values, rtol=error, atol=0)
    for x, got in ((X, found.values), (X, found.at(K.to(device))), (NEW, found.at(CROSS.to(device)))):
        exact = (x - mean) @ axes / values.sqrt()
        signs = (((X - mean) @ axes) * found.values.cpu()).sum(dim=0).sign()
        torch.testing.assert_close(got.cpu(), exact * signs, rtol=0, atol=error * 10)


@pytest.mark.parametrize("centred", [False, True])
def test_what_is_lost_is_the_distance_from_the_leading_axes(centred: bool) -> None:
    values, axes, mean = on_features(centred=centred)
    found = of(K, 3, centred=centred)
    rest = (NEW - mean) @ axes[:, 3:]
    got = found.lost((NEW * NEW).sum(dim=1), CROSS)
    torch.testing.assert_close(got, rest.square().sum(dim=1), rtol=0, atol=1000 * N * EPS)
    on_data = found.lost(K.diagonal(), K)
    assert float(on_data.mean()) == pytest.approx(float(values[3:].sum()), abs=1000 * N * EPS)


def test_centring_is_hkh() -> None:
    h = torch.eye(N, dtype=torch.float64) - 1 / N
    centring = Centring.of(K)
    scale = 20 * N * EPS * float(K.abs().max())
    gram = centring.gram(K)
    torch.testing.assert_close(gram, h @ K @ h, rtol=0, atol=scale)
    assert torch.equal(gram, gram.mT)
    torch.testing.assert_close(centring.cross(K), gram, rtol=0, atol=scale)
    torch.testing.assert_close(centring.diagonal(K.diagonal(), K), gram.diagonal(), rtol=0, atol=scale)
    v = draw(N, 4, seed=2)
    torch.testing.assert_close(spectrum.centred(lambda v: K @ v)(v), h @ K @ h @ v, rtol=0, atol=10 * scale)


def test_nystroem_is_the_sum_that_it_says() -> None:
    k = infinite.kernel(mlp(4), X).ntk
    cross = infinite.kernel(mlp(4), NEW, X).ntk
    found = of(k, 6, centred=False)
    for i in range(6):
        for n in range(len(NEW)):
            terms = [float(cross[n, j] * found.values[j, i]) for j in range(N)]
            expected = sum(terms) / (float(found.eigenvalues[i]) * N)
            rounding = N * EPS * sum(map(abs, terms)) / (float(found.eigenvalues[i]) * N)
            assert float(found.at(cross)[n, i]) == pytest.approx(expected, abs=rounding)


@pytest.mark.parametrize("centred", [False, True])
def test_on_the_data_the_extension_is_within_residual_over_eigenvalue(centred: bool) -> None:
    k = infinite.kernel(mlp(4), X).ntk
    found = of(k, None, centred=centred)
    # Sums of N terms round by N eps of λ_1, and so does the centring, of the mean kernel.
    rounding = 2 * N * EPS * max(float(found.eigenvalues[0]), float(k.mean()))
    off = (found.at(k) - found.values).square().mean(dim=0).sqrt()
    assert bool((off <= (found.residuals + rounding) / found.eigenvalues).all())


def test_projections_are_means_over_the_data() -> None:
    found = of(infinite.kernel(mlp(4), X).ntk, 7, centred=False)
    f = draw(3, 2, N, 4, seed=5)
    got = found.project(f)
    assert got.shape == (3, 2, 7, 4)
    for i in range(7):
        for k in range(4):
            expected = sum(found.values[j, i] * f[1, 0, j, k] for j in range(N)) / N
            assert float(got[1, 0, i, k]) == pytest.approx(float(expected), abs=N * EPS * 10)
    ones = found.project(found.values)
    torch.testing.assert_close(ones, torch.eye(7, dtype=torch.float64), rtol=0, atol=N * EPS)


def test_squares_add_up() -> None:
    """‖f‖² = Σ c² + what is outside; of all N components nothing is."""
    k = infinite.kernel(mlp(4), X).ntk
    f = draw(2, N, 3, seed=6)
    for m in (7, N):
        found = of(k, m, centred=False)
        coefficients = found.project(f)
        total = coefficients.square().sum(dim=-2) + found.outside(f)
        torch.testing.assert_close(total, f.square().mean(dim=-2), rtol=100 * N * EPS, atol=0)
    assert float(found.outside(f).max()) < (100 * N * EPS) ** 2
    at = found.at(infinite.kernel(mlp(4), NEW, X).ntk)
    torch.testing.assert_close(found.combine(coefficients, at)[1], at @ coefficients[1], rtol=1e-13, atol=1e-13)


def test_centred_components_without_the_matrix() -> None:
    centring = Centring.of(K)
    streamed = spectrum.top(spectrum.centred(lambda v: K @ v), N, 3)
    found = spectrum.components(streamed, centring=centring)
    expected = of(K, 3, centred=True)
    torch.testing.assert_close(found.eigenvalues, expected.eigenvalues, rtol=1e-11, atol=0)
    # Residuals of 1e-12 λ_1 over gaps of a hundredth of λ_1.
    torch.testing.assert_close(found.at(CROSS), expected.at(CROSS), rtol=0, atol=1e-8)


def test_what_has_no_components_is_refused() -> None:
    found = spectrum.eigh(K)
    with pytest.raises(ValueError, match="5 eigenvalues are above"):
        spectrum.components(found, 6)
    with pytest.raises(ValueError, match="0 are asked"):
        spectrum.components(found, 0)
    with pytest.raises(ValueError, match="with eigenvectors"):
        spectrum.components(spectrum.eigh(K, vectors=False))
    made = spectrum.components(found)
    with pytest.raises(ValueError, match="60 rows"):
        made.project(draw(N))
    with pytest.raises(ValueError, match="60 points"):
        made.at(CROSS[:, 1:])
    with pytest.raises(ValueError, match="square"):
        Centring.of(CROSS)
