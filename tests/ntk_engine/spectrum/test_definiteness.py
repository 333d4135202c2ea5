"""Bounds of eigenvalues' errors against 60 digits, and what can be told of matrices that are nearly singular."""

from math import pi

import mpmath
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ntk_engine import infinite, spectrum
from ntk_engine.architecture import mlp

EPS = torch.finfo(torch.float64).eps


def exact(k: torch.Tensor) -> list[mpmath.mpf]:
    """All eigenvalues of k/N for the numbers as they are, falling."""
    with mpmath.workdps(60):
        values = mpmath.eigsy(mpmath.matrix(k.tolist()), eigvals_only=True)
        return sorted((value / len(k) for value in values), reverse=True)


def gram(n: int, d: int, shift: float, seed: int) -> torch.Tensor:
    x = torch.randn(n, d, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    return x @ x.mT + shift * torch.eye(n, dtype=torch.float64)


def hilbert(n: int) -> torch.Tensor:
    i = torch.arange(n, dtype=torch.float64)
    return 1 / (i[:, None] + i + 1)


def near(distance: float) -> torch.Tensor:
    """Θ² of two points of the circle that are near and three that are not."""
    angles = torch.tensor([0.3, 0.3 + distance, 1.0, 2.5, -2.0], dtype=torch.float64)
    return infinite.kernel(mlp(2), torch.stack([angles.cos(), angles.sin()], dim=1)).ntk


SINGULAR = {
    **{f"hilbert {n}": hilbert(n) for n in (2, 5, 9, 11, 12, 14)},
    **{f"near {distance}": near(distance) for distance in (0.0, 1e-15, 1e-12, 1e-6)},
    "rank 2 of 8": gram(8, 2, 0.0, 0),
    "just below": gram(8, 2, -1e-15, 0),
    "below": gram(8, 2, -1e-12, 0),
    "above": gram(8, 2, 1e-12, 0),
    "negative": -gram(6, 6, 1.0, 1),
    "tiny": 1e-250 * gram(6, 6, 1.0, 1),
    "huge": 1e250 * gram(6, 6, 1.0, 1),
    "zero": torch.zeros(3, 3, dtype=torch.float64),
    "one by one": torch.full((1, 1), 3.0, dtype=torch.float64),
}
TOLD = {"hilbert 14": None, "rank 2 of 8": None, "just below": None, "below": False, "above": True, "negative": False,
        "zero": None, "near 0.0": None, "near 1e-06": True, "tiny": True, "huge": True, "hilbert 9": True}  # fmt: skip


@pytest.mark.parametrize("name", SINGULAR)
def test_eigenvalues_are_within_their_bounds(name: str, device: str) -> None:
    k = SINGULAR[name]
    found = spectrum.eigh(k.to(device))
    bounds, values = spectrum.errors(k.to(device), found).tolist(), exact(k)
    for value, computed, bound in zip(values, found.eigenvalues.tolist(), bounds, strict=True):
        assert abs(computed - value) <= bound
    # What is certified is no more than some N eps of the trace, which solver and bound are both held to.
    assert max(bounds) <= 10 * len(k) * EPS * float(found.eigenvalues.abs().sum())
    told = spectrum.definiteness(k.to(device), found).positive
    assert told in (None, values[-1] > 0)
    assert name not in TOLD or told == TOLD[name]


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 7), st.integers(1, 7), st.floats(-30, 30), st.integers(0, 2**32))
def test_what_is_told_is_true(n: int, d: int, roundings: float, seed: int) -> None:
    """Shifted from singular by a few roundings of the trace, where the answer is often that there is none."""
    k = gram(n, d, 0.0, seed)
    k = k + roundings * EPS * float(k.trace()) * torch.eye(n, dtype=torch.float64)
    found = spectrum.eigh(k)
    told = spectrum.definiteness(k, found)
    least = exact(k)[-1]
    assert abs(told.least - least) <= told.error
    assert told.positive in (None, least > 0)


def test_bounds_hold_for_any_decomposition_however_bad() -> None:
    """They are of the pairs that are given: also of vectors that are not orthogonal, and values that are off."""
    k = gram(9, 12, 0.0, 4)
    found = spectrum.eigh(k)
    v = found.eigenvectors + 1e-3 * gram(9, 9, 0.0, 5)
    worse = spectrum.Spectrum(
        found.eigenvalues * 1.001, v, None, found.clusters, found.rounding, spectrum.result.orthogonality(v)
    )
    bounds = spectrum.errors(k, worse).tolist()
    for value, computed, bound in zip(exact(k), worse.eigenvalues.tolist(), bounds, strict=True):
        assert abs(computed - value) <= bound


@pytest.mark.parametrize("seed", range(5))
def test_errors_of_entries_count(seed: int) -> None:
    """Whatever is added within e √(K_ii K_jj), the bounds are for the kernel without it."""
    generator, e = torch.Generator().manual_seed(seed), 1e-6
    k = gram(8, 3, 1e-5, seed)
    signs = torch.randn(8, 8, dtype=torch.float64, generator=generator).sign().triu()
    root = k.diagonal().sqrt()
    added = k + e * (signs + signs.triu(1).mT) * torch.outer(root, root)
    found = spectrum.eigh(added)
    for value, computed, bound in zip(
        exact(k), found.eigenvalues.tolist(), spectrum.errors(added, found, entries=e).tolist(), strict=True
    ):
        assert abs(computed - value) <= bound
    assert spectrum.definiteness(added, found).positive is not None
    assert spectrum.definiteness(added, found, entries=e).positive is None


def test_proposition_2_on_the_circle() -> None:
    """Positive definite with a bias; without one the least eigenvalue is 0, of which nothing can be told."""
    angles = torch.arange(200, dtype=torch.float64) * (2 * pi / 200)
    x = torch.stack([angles.cos(), angles.sin()], dim=1)
    for beta, expected in ((0.1, True), (0.0, None)):
        k = infinite.kernel(mlp(2, beta=beta), x).ntk
        # An entry is right to 1e-12.
        told = spectrum.definiteness(k, spectrum.eigh(k), entries=1e-12)
        assert told.positive is expected
        assert told.error < 1e-11


def test_a_part_of_a_spectrum_is_refused() -> None:
    k = gram(5, 5, 0.0, 0)
    for found in (spectrum.eigh(k, vectors=False), spectrum.top(k, 3)):
        with pytest.raises(ValueError, match="all eigenvectors"):
            spectrum.definiteness(k, found)
