"""Dense and streamed decompositions, against each other and against matrices whose spectrum is known."""

import pytest
import torch

from ntk_engine import spectrum
from ntk_engine.spectrum import NotConvergedError, Spectrum

EPS = torch.finfo(torch.float64).eps


def symmetric(values: torch.Tensor, seed: int = 0, device: str = "cpu") -> torch.Tensor:
    """A matrix with these eigenvalues and random eigenvectors."""
    generator = torch.Generator().manual_seed(seed)
    basis = torch.linalg.qr(torch.randn(len(values), len(values), dtype=torch.float64, generator=generator)).Q
    k = (basis * values) @ basis.mT
    return ((k + k.mT) / 2).to(device)


MATRICES = {
    "decaying": symmetric(torch.arange(1, 201, dtype=torch.float64) ** -2.0),
    "double": symmetric((torch.arange(200, dtype=torch.float64) // 2 + 1) ** -2.0),
    "rank 7": symmetric(torch.cat([torch.arange(7.0, 0.0, -1.0), torch.zeros(193)]).double()),
    "indefinite": symmetric(torch.linspace(-1, 1, 200, dtype=torch.float64) ** 3),
    "identity": torch.eye(200, dtype=torch.float64),
    "zero": torch.zeros(200, 200, dtype=torch.float64),
    "tiny": 1e-250 * symmetric(torch.arange(1, 201, dtype=torch.float64) ** -2.0),
    "huge": 1e250 * symmetric(torch.arange(1, 201, dtype=torch.float64) ** -2.0),
    "one by one": torch.full((1, 1), 3.0, dtype=torch.float64),
}


def assert_decomposes(k: torch.Tensor, found: Spectrum, tolerance: float) -> None:
    """(K/N) V = V Λ and VᵀV = I, and the residuals say how well."""
    assert found.eigenvectors is not None
    assert found.residuals is not None
    m, size = len(found.eigenvalues), float(k.abs().max()) or 1.0
    scaled, v = k / size / len(k), found.eigenvectors
    unit = float(torch.linalg.matrix_norm(scaled, 2))
    residuals = torch.linalg.vector_norm(scaled @ v - v * (found.eigenvalues / size), dim=0)
    rounding = 20 * len(k) ** 0.5 * EPS
    assert float((residuals - found.residuals / size).abs().max()) <= rounding * unit
    assert float(residuals.max()) <= max(tolerance, rounding) * unit
    assert bool((found.eigenvalues.diff() <= 0).all())
    gram = v.mT @ v
    assert float((gram - torch.eye(m, dtype=k.dtype, device=k.device)).abs().max()) <= 200 * EPS


@pytest.mark.parametrize("name", MATRICES)
def test_all_eigenpairs(name: str, device: str) -> None:
    k = MATRICES[name].to(device)
    found = spectrum.eigh(k)
    assert_decomposes(k, found, 0.0)
    assert found.eigenvalues.shape == (len(k),)
    alone = spectrum.eigh(k, vectors=False)
    assert alone.eigenvectors is None
    assert alone.residuals is None
    scale = float(found.eigenvalues.abs().max())
    torch.testing.assert_close(alone.eigenvalues, found.eigenvalues, rtol=0, atol=200 * EPS * scale)


@pytest.mark.parametrize("name", MATRICES)
@pytest.mark.parametrize("count", [1, 3, 20, 150, 200])
def test_the_top_is_the_top_of_all(name: str, count: int, device: str) -> None:
    k = MATRICES[name].to(device)
    count = min(count, len(k))
    found = spectrum.top(lambda v: k @ v, len(k), count, device=device)
    assert_decomposes(k, found, 1e-12)
    everything = spectrum.eigh(k, vectors=False).eigenvalues
    scale = float(everything.abs().max())
    torch.testing.assert_close(found.eigenvalues, everything[:count], rtol=0, atol=200 * EPS * scale)


def test_the_known_eigenvalues_come_out() -> None:
    values = torch.arange(1, 201, dtype=torch.float64) ** -2.0
    assert spectrum.eigh(MATRICES["decaying"]).eigenvalues.tolist() == pytest.approx((values / 200).tolist(), abs=1e-17)


def test_few_passes_are_enough_and_memory_is_bounded() -> None:
    """A pass over K costs a read of all its tiles, so passes are what is counted."""
    k = MATRICES["decaying"]
    widths: list[int] = []

    def matmul(v: torch.Tensor) -> torch.Tensor:
        widths.append(v.shape[1])
        return k @ v

    spectrum.top(matmul, len(k), 3)
    assert len(widths) <= 12
    assert max(widths) <= 16


def test_a_slow_spectrum_restarts_and_still_arrives() -> None:
    """Evenly spaced eigenvalues: many more steps than one basis holds."""
    k = torch.diag(torch.linspace(0, 1, 600, dtype=torch.float64))
    passes = 0

    def matmul(v: torch.Tensor) -> torch.Tensor:
        nonlocal passes
        passes += 1
        return k @ v

    found = spectrum.top(matmul, 600, 3)
    assert passes > 128 // 16
    assert_decomposes(k, found, 1e-12)
    assert (found.eigenvalues * 600).tolist() == pytest.approx([1, 598 / 599, 597 / 599], abs=1e-13)


def test_a_looser_tolerance_takes_fewer_passes() -> None:
    counts = []
    for tolerance in (1e-12, 1e-3):
        calls: list[None] = []
        k = MATRICES["decaying"]
        spectrum.top(lambda v, k=k, calls=calls: (calls.append(None), k @ v)[1], 200, 3, tolerance=tolerance)
        counts.append(len(calls))
    assert counts[1] < counts[0]


def test_giving_up_says_how_far_it_came() -> None:
    with pytest.raises(NotConvergedError, match="after 2 passes") as caught:
        spectrum.top(MATRICES["decaying"], 3, max_passes=2)
    assert caught.value.passes == 2
    assert caught.value.residuals.shape == (3,)
    with pytest.raises(NotConvergedError):
        spectrum.top(MATRICES["decaying"], 3, tolerance=0.0)


def test_single_precision() -> None:
    k = MATRICES["decaying"].float()
    found = spectrum.top(k, 5)
    assert found.eigenvalues.dtype == torch.float32
    exact = torch.arange(1, 6, dtype=torch.float64) ** -2.0 / 200
    torch.testing.assert_close(found.eigenvalues.double(), exact, rtol=0, atol=1e-5 / 200)


def test_the_result_is_the_same_every_time_and_signs_are_fixed() -> None:
    k = MATRICES["decaying"]
    one, two, dense = spectrum.top(k, 4), spectrum.top(k, 4), spectrum.eigh(k)
    other_start = spectrum.top(k, 4, seed=5)
    assert one.eigenvectors is not None
    assert two.eigenvectors is not None
    assert dense.eigenvectors is not None
    assert other_start.eigenvectors is not None
    assert torch.equal(one.eigenvectors, two.eigenvectors)
    # A residual of 1e-12 λ_1 over the least gap of these four, .02 λ_1, is an angle of 5e-11.
    torch.testing.assert_close(one.eigenvectors, dense.eigenvectors[:, :4], rtol=0, atol=1e-10)
    torch.testing.assert_close(one.eigenvectors, other_start.eigenvectors, rtol=0, atol=1e-10)


@pytest.mark.parametrize("count", [0, -1, 201])
def test_a_count_outside_the_matrix_is_refused(count: int) -> None:
    with pytest.raises(ValueError, match="between 1 and the 200 rows"):
        spectrum.top(MATRICES["decaying"], count)


@pytest.mark.parametrize("k", [torch.zeros(2, 3), torch.zeros(0, 0), torch.zeros(4), torch.full((2, 2), float("nan"))])
def test_what_is_no_matrix_is_refused(k: torch.Tensor) -> None:
    with pytest.raises(ValueError, match="a spectrum"):
        spectrum.eigh(k)
    with pytest.raises(ValueError, match="a spectrum"):
        spectrum.top(k, 1)


def test_a_product_that_is_not_finite_is_refused() -> None:
    with pytest.raises(ValueError, match="finite"):
        spectrum.top(lambda v: v * float("nan"), 10, 2)
