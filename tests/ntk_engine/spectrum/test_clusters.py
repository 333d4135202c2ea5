"""Eigenvalues of higher multiplicity: which belong together, and bases that depend on the spaces alone."""

from math import comb, pi

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ntk_engine import infinite, spectrum
from ntk_engine.architecture import mlp
from ntk_engine.spectrum.clusters import clusters, settle
from ntk_engine.spectrum.result import orthogonality

EPS = torch.finfo(torch.float64).eps


def orthonormal(n: int, m: int, seed: int) -> torch.Tensor:
    return torch.linalg.qr(torch.randn(n, m, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))).Q


def settled(vectors: torch.Tensor, *groups: slice) -> torch.Tensor:
    found = vectors.clone()
    settle(found, groups or (slice(0, vectors.shape[1]),))
    return found


def from_projector(vectors: torch.Tensor) -> tuple[torch.Tensor, list[int], float]:
    """The slow twin: pivots chosen on P itself, P's columns by Cholesky's factor L of P there; and ‖L⁻¹‖."""
    p = vectors @ vectors.mT
    left, pivots = p.clone(), []
    for _ in range(vectors.shape[1]):
        share = left.diagonal()
        i = next(i for i in range(len(p)) if share[i] >= share.max() / pi)
        pivots.append(i)
        left = left - torch.outer(left[i], left[i]) / left[i, i]
    inverse = torch.linalg.inv(torch.linalg.cholesky(p[pivots][:, pivots]))
    return p[:, pivots] @ inverse.mT, pivots, float(torch.linalg.matrix_norm(inverse, 2))


def moved(m: int, inverse: float) -> float:
    """How far P's rounding moves P L⁻ᵀ: δP L⁻ᵀ, and P L⁻ᵀ δLᵀ L⁻ᵀ with ‖L⁻¹ δL‖ ≤ ‖L⁻¹‖² ‖δP‖; δP of 10 m eps."""
    return 10 * m * EPS * (inverse + 2 * inverse**2)


@given(
    st.lists(st.floats(-1, 1), min_size=1, max_size=12),
    st.lists(st.floats(0, 0.3), min_size=12, max_size=12),
)
def test_clusters_are_what_overlapping_intervals_connect(values: list[float], errors: list[float]) -> None:
    falling, radii = sorted(values, reverse=True), errors[: len(values)]
    of = list(range(len(falling)))
    for _ in falling:
        for i, a in enumerate(falling):
            for j, b in enumerate(falling):
                if a - radii[i] <= b + radii[j] and b - radii[j] <= a + radii[i]:
                    of[i] = of[j] = min(of[i], of[j])
    # In between two that are connected all are: intervals are convex, but a narrow one may lie in a gap of centres.
    expected = sorted({i for i in range(len(of)) if all(of[j] != of[k] for j in range(i) for k in range(i, len(of)))})
    found = clusters(torch.tensor(falling, dtype=torch.float64), torch.tensor(radii, dtype=torch.float64))
    assert [group.start for group in found] == expected
    assert [group.stop for group in found] == [*expected[1:], len(falling)]


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 12), st.integers(0, 40), st.integers(0, 2**32))
def test_a_basis_is_that_of_the_projector_whatever_spans_the_space(m: int, more: int, seed: int) -> None:
    v = orthonormal(m + more, m, seed)
    expected, pivots, inverse = from_projector(v)
    found, turned = settled(v), settled(v @ orthonormal(m, m, seed + 1))
    if m > 1:
        torch.testing.assert_close(found, expected, rtol=0, atol=moved(m, inverse))
        assert bool((found[pivots, range(m)] > 0).all())
    torch.testing.assert_close(turned, found, rtol=0, atol=moved(m, inverse))
    assert orthogonality(found) <= 10 * m * EPS


@settings(deadline=None, max_examples=40)
@given(st.integers(2, 6), st.integers(0, 2**32))
def test_rows_after_the_pivots_may_come_in_any_order(m: int, seed: int) -> None:
    v = orthonormal(40, m, seed)
    _, pivots, inverse = from_projector(v)
    after = max(pivots) + 1
    rest = after + torch.randperm(40 - after, generator=torch.Generator().manual_seed(seed))
    order = torch.cat([torch.arange(after), rest])
    torch.testing.assert_close(settled(v[order]), settled(v)[order], rtol=0, atol=moved(m, inverse))


def test_a_vector_alone_has_its_first_large_entry_positive() -> None:
    v = torch.tensor([[0.1, 0.5, -0.7], [-0.6, -0.6, 0.5], [0.79, 0.62, 0.51]], dtype=torch.float64)
    found = settled(v, slice(0, 1), slice(1, 2), slice(2, 3))
    assert torch.equal(found, v * torch.tensor([-1.0, 1.0, -1.0], dtype=torch.float64))


@pytest.mark.parametrize("n", [1, 5, 30])
def test_of_the_whole_space_the_basis_is_that_of_the_coordinates(n: int, device: str) -> None:
    eye = torch.eye(n, dtype=torch.float64, device=device)
    for k in (eye, 0 * eye, -3 * eye):
        found = spectrum.eigh(k)
        assert found.clusters == (slice(0, n),)
        torch.testing.assert_close(found.eigenvectors, eye, rtol=0, atol=10 * n * EPS)


def circle(n: int, beta: float = 0.1) -> torch.Tensor:
    angles = torch.arange(n, dtype=torch.float64) * (2 * pi / n)
    return infinite.kernel(mlp(3, beta=beta), torch.stack([angles.cos(), angles.sin()], dim=1)).ntk


@pytest.mark.parametrize("n", [12, 48, 101])
def test_the_circle_has_pairs(n: int, device: str) -> None:
    """λ_0 once, then frequencies twice, and for even n the last once: waves (1, cos, sin), each with its own start."""
    found = spectrum.eigh(circle(n).to(device))
    sizes = sorted(group.stop - group.start for group in found.clusters)
    assert sizes == [1] * (2 if n % 2 == 0 else 1) + [2] * ((n - 1) // 2)
    # P = (2/n) cos(k(i − j)) for a frequency k: a pivot at row 0 makes the first vector √(2/n) cos(kj).
    angles = torch.arange(n, dtype=torch.float64, device=device) * (2 * pi / n)
    gaps = found.eigenvalues[[group.stop - 1 for group in found.clusters][:-1]]
    gaps = gaps - found.eigenvalues[[group.start for group in found.clusters][1:]]
    error = 4 * found.rounding / float(gaps.min())
    for group in found.clusters:
        if group.stop - group.start == 2:
            pair = found.eigenvectors[:, group]
            k = int(torch.fft.rfft(pair[:, 0]).abs().argmax())
            wave = (2 / n) ** 0.5 * (k * angles).cos()
            torch.testing.assert_close(pair[:, 0], wave, rtol=0, atol=error)
            sign = pair[:, 1].dot((k * angles).sin()).sign()
            torch.testing.assert_close(pair[:, 1], sign * (2 / n) ** 0.5 * (k * angles).sin(), rtol=0, atol=error)


def corners(d: int) -> torch.Tensor:
    """The corners of a cube on the sphere: spaces of binomial(d, j) dimensions, by symmetry."""
    signs = torch.cartesian_prod(*[torch.tensor([1.0, -1.0], dtype=torch.float64)] * d)
    return infinite.kernel(mlp(3), signs / d**0.5).ntk


@pytest.mark.parametrize("d", [2, 3, 4])
@pytest.mark.parametrize("seed", range(3))
def test_the_solver_does_not_matter_on_the_sphere(d: int, seed: int, device: str) -> None:
    """Points in another order are another problem to a solver, and the same spaces."""
    k = corners(d).to(device)
    found = spectrum.eigh(k)
    assert sorted(group.stop - group.start for group in found.clusters) == sorted(comb(d, j) for j in range(d + 1))
    order = torch.randperm(2**d, generator=torch.Generator().manual_seed(seed)).to(device)
    other = spectrum.eigh(k[order][:, order])
    back = torch.empty_like(found.eigenvectors)
    back[order] = other.eigenvectors
    assert other.clusters == found.clusters
    settle(back, other.clusters)
    gaps = -found.eigenvalues.diff()
    error = 10 * found.rounding / float(gaps[gaps > found.rounding].min())
    torch.testing.assert_close(back, found.eigenvectors, rtol=0, atol=error)


def test_a_steep_spectrum_is_not_blended() -> None:
    """Eigenvalues that fall to 0 in small steps: residuals are what rounding makes, and not the length of a chain.

    Steps of .2 λ are connected below λ = 2 √N eps/.2 = 5e-14, and by N eps they would be below 1.3e-12.
    """
    values = 0.8 ** torch.arange(600, dtype=torch.float64)
    basis = orthonormal(600, 600, 0)
    found = spectrum.eigh((basis * values) @ basis.mT)
    assert float(found.residuals.max()) <= found.rounding
    certain = spectrum.clusters(found.eigenvalues, found.residuals + found.rounding)
    assert len(certain) < len(found.clusters)


@pytest.mark.parametrize("count", [1, 2, 4, 5, 9])
def test_start_and_method_do_not_matter_in_a_space(count: int, device: str) -> None:
    """Of a pair that the count cuts in two, too."""
    k = circle(60).to(device)
    dense = spectrum.eigh(k)
    for seed in range(3):
        found = spectrum.top(k, count, seed=seed)
        # Residuals of 1e-12 λ_1 over the least gap of the first ten eigenvalues, 2e-3 λ_1.
        torch.testing.assert_close(found.eigenvectors, dense.eigenvectors[:, :count], rtol=0, atol=1e-9)
        assert found.clusters == tuple(slice(g.start, min(g.stop, count)) for g in dense.clusters if g.start < count)


def test_rounding_that_is_negative_is_reported() -> None:
    v = orthonormal(50, 50, 3)
    k = (v[:, :7] @ v[:, :7].mT) * 50
    negative = spectrum.eigh(k).negative
    values = torch.linalg.eigvalsh(k) / 50
    assert negative.rounding == pytest.approx(50 * EPS, rel=1e-10)
    assert 0 < negative.count <= 43
    assert -negative.rounding < negative.least < 0
    assert spectrum.eigh(k, vectors=False).negative.count == int((values < 0).sum())
    truly = spectrum.eigh(k - 1e-9 * 50 * torch.eye(50, dtype=torch.float64)).negative
    assert truly.count == 43
    assert truly.least < -truly.rounding
    none = spectrum.eigh(torch.eye(4)).negative
    assert (none.count, none.least) == (0, 0.0)


def test_orthogonality_is_the_distance_of_the_gram_matrix_from_one() -> None:
    v = torch.randn(700, 600, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    expected = float(torch.linalg.matrix_norm(v.mT @ v - torch.eye(600, dtype=torch.float64)))
    assert orthogonality(v) == pytest.approx(expected, rel=1e-13)
    found = spectrum.eigh(circle(48))
    assert found.orthogonality == orthogonality(found.eigenvectors)
    assert found.orthogonality < 48 * EPS * 10
    some = found.leading(3)
    assert some.eigenvectors is not None
    assert some.orthogonality == orthogonality(some.eigenvectors) < found.orthogonality
