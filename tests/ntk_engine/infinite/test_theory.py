"""Values that are known without us: closed forms, limits of depth, the circle's spectrum, others' kernels of digits."""

from math import pi
from pathlib import Path

import numpy as np
import pytest
import torch

from ntk_engine import infinite, spectrum
from ntk_engine.architecture import mlp

AXES = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]], dtype=torch.float64)

# Ten decimals are given: half a unit of the last.
DECIMALS = 5.1e-11


@pytest.mark.parametrize(
    ("depth", "name", "expected"),
    [
        (2, "ntk", [0.52, 0.0962158338, -0.0113169679]),
        (3, "ntk", [0.4025, 0.1078485865, 0.0519573675]),
        (4, "ntk", [0.2825, 0.0927021102, 0.0643537701]),
        (5, "ntk", [0.191875, 0.0743927698, 0.0598723657]),
        (4, "nngp", [0.08125, 0.0557602776, 0.0480965898]),
    ],
)
def test_values_on_the_circle(depth: int, name: str, expected: list[float], device: str) -> None:
    row = infinite.kernel(mlp(depth), AXES.to(device)).arrays[name][0]
    assert row.tolist() == pytest.approx(expected, abs=DECIMALS)


@pytest.mark.parametrize(
    ("depth", "cosine"),
    [(3, 0.22857), (4, 0.265097), (10, 0.315595), (100, 0.272668), (1000, 0.253293), (10_000, 0.250417)],
)
def test_the_ntk_of_orthogonal_inputs_tends_to_a_quarter(depth: int, cosine: float) -> None:
    k = infinite.kernel(mlp(depth, beta=0.0, sigma_w=2**0.5), AXES[:2]).ntk
    assert (k[0, 1] / k[0, 0]).item() == pytest.approx(cosine, rel=1e-4)


@pytest.mark.parametrize(("depth", "value"), [(100, 36.4285), (1000, 43.215), (10_000, 44.2608)])
def test_correlations_tend_to_one_like_the_inverse_square_of_depth(depth: int, value: float) -> None:
    k = infinite.kernel(mlp(depth, beta=0.0, sigma_w=2**0.5), AXES[:2]).nngp
    assert depth**2 * (1 - k[0, 1] / k[0, 0]).item() == pytest.approx(value, rel=1e-4)


def test_the_diagonal_obeys_its_own_recursion() -> None:
    """Σ(x,x) halves at every ReLU layer and gains β²; Θ(x,x) = Θ/2 + Σ."""
    x = torch.randn(20, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    sigma = (x * x).mean(dim=1) + 0.01
    theta = sigma
    for depth in range(1, 8):
        diagonal = infinite.diagonal(mlp(depth), x)
        torch.testing.assert_close(diagonal.nngp, sigma, rtol=1e-14, atol=0)
        torch.testing.assert_close(diagonal.ntk, theta, rtol=1e-14, atol=0)
        sigma = sigma / 2 + 0.01
        theta = theta / 2 + sigma


@pytest.mark.parametrize("m", [512, pytest.param(4096, marks=pytest.mark.slow)])
def test_the_spectrum_of_the_circle(m: int) -> None:
    """Eigenvalues (k²+3)/(2π²(k²−1)²) for even k, 1/8 for k = 1, 0 for other odd k; all but k = 0 twice."""
    last = 40
    even = [(k * k + 3) / (2 * pi**2 * (k * k - 1) ** 2) for k in range(0, last + 1, 2)]
    exact = sorted([even[0], *(2 * even[1:]), 0.125, 0.125], reverse=True)
    k = infinite.kernel(mlp(2, beta=0.0), circle(m), kernels=("ntk",)).ntk
    values = spectrum.top(k, len(exact)).eigenvalues
    # On m points the frequencies jm ± k fold onto k: with λ_k ~ 1/(2π²k²), that adds at most 1/(6(m − k)²).
    assert values.tolist() == pytest.approx(exact, abs=1.01 / (6 * (m - last) ** 2))


@pytest.mark.parametrize(("beta", "rank"), [(0.0, 102), (0.1, 200)])
def test_positive_definite_on_the_circle_needs_a_bias(beta: float, rank: int) -> None:
    """Proposition 2; at β = 0 the odd frequencies but the first are missing: 1 + 2·50 + 1 of 200 remain."""
    values = spectrum.eigh(infinite.kernel(mlp(2, beta=beta), circle(200)).ntk, vectors=False).eigenvalues
    assert int((values > 200 * torch.finfo(torch.float64).eps * values[0]).sum()) == rank


def test_kernels_of_digits_agree_with_other_software(
    reference_data: Path, digits: dict[str, torch.Tensor], device: str
) -> None:
    test, train = digits["test"][:40].to(device), digits["train"][:24].to(device)
    with np.load(reference_data / "reference" / "nt_mnist_kernels.npz") as expected:
        for name in expected.files:
            activation, depth, beta, kernel = name.split("_")
            arch = mlp(int(depth[1:]), activation, float(beta[1:]))
            reference = torch.from_numpy(expected[name])
            double = infinite.kernel(arch, test, train).arrays[kernel].cpu()
            torch.testing.assert_close(double, reference, rtol=1e-12, atol=0)
            single = infinite.kernel(arch, test.float(), train.float()).arrays[kernel].cpu().double()
            torch.testing.assert_close(single, reference, rtol=1e-5, atol=0)


def test_eigenvalues_of_digits_are_those_of_the_paper(digits: dict[str, torch.Tensor], device: str) -> None:
    """Figure 3: λ_1, λ_2, λ_3 of Θ⁵ on 512 digits; the gap λ_1/λ_2 is 13 to 14 times larger at β = 1."""
    x = digits["train"][:512].to(device)
    values = spectrum.top(infinite.kernel(mlp(5), x).ntk, 3).eigenvalues
    # Given to eight decimals: half a unit of the last, or 1e-6.
    assert values.tolist() == pytest.approx([0.04498357, 0.00120650, 0.00088362], rel=1e-6, abs=5e-9)
    biased = spectrum.top(infinite.kernel(mlp(5, beta=1.0), x).ntk, 2).eigenvalues
    assert 13 < (biased[0] / biased[1] / (values[0] / values[1])).item() < 14


def circle(m: int) -> torch.Tensor:
    angles = torch.arange(m, dtype=torch.float64) * (2 * pi / m)
    return torch.stack([angles.cos(), angles.sin()], dim=1)
