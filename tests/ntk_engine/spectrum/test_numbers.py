"""Numbers of spectra against sums written out, known spectra and descents."""

import math

import pytest
import torch
from scipy.stats import linregress

from ntk_engine import infinite, spectrum
from ntk_engine.architecture import mlp

POWERS = torch.arange(1, 101, dtype=torch.float64) ** -1.5


def test_effective_dimension() -> None:
    ridges = torch.tensor([[1e-3, 0.1], [1.0, 1e300]], dtype=torch.float64)
    found = spectrum.effective_dimension(POWERS, ridges)
    for i in range(2):
        for j in range(2):
            r = float(ridges[i, j])
            assert float(found[i, j]) == pytest.approx(sum(v / (v + r) for v in POWERS.tolist()), rel=1e-13)
    rounded = torch.tensor([1.0, -1e-17, -1e-9], dtype=torch.float64)
    assert float(spectrum.effective_dimension(rounded, torch.tensor(1e-9))) == pytest.approx(1 / (1 + 1e-9))
    # The trace of the smoother of ridge regression, K(K + N r I)⁻¹.
    k = torch.diag(POWERS * 100)
    smoother = k @ torch.linalg.inv(k + 100 * 0.1 * torch.eye(100, dtype=torch.float64))
    assert float(found[0, 1]) == pytest.approx(float(smoother.trace()), rel=1e-12)
    with pytest.raises(ValueError, match="positive"):
        spectrum.effective_dimension(POWERS, torch.tensor([1.0, 0.0]))


@pytest.mark.parametrize("unit", [1.0, 1e-200, 1e200])
def test_participation_ratio(unit: float) -> None:
    assert spectrum.participation_ratio(unit * torch.tensor([2.0, 2.0, 2.0, 0.0], dtype=torch.float64)) == 3.0
    values = POWERS.tolist()
    expected = sum(values) ** 2 / sum(v * v for v in values)
    assert spectrum.participation_ratio(unit * POWERS) == pytest.approx(expected, rel=1e-13)
    assert spectrum.participation_ratio(torch.zeros(4)) == 0.0


def test_rank_and_condition() -> None:
    values = torch.tensor([4.0, 1.0, 1e-12, 1e-16, -1e-17], dtype=torch.float64)
    assert spectrum.rank(values) == 3
    assert spectrum.rank(values, 1e-3) == 2
    assert spectrum.rank(values, 0.0) == 4
    assert spectrum.rank(torch.zeros(3)) == 0
    assert spectrum.condition_number(values) == math.inf
    assert spectrum.condition_number(values[:3]) == 4e12
    assert spectrum.condition_number(values[:3], error=1e-12) == math.inf


def test_decay() -> None:
    exact = spectrum.decay(POWERS, 3, 90)
    assert exact.exponent == pytest.approx(1.5, rel=1e-13)
    assert exact.standard_error < 1e-14
    noise = torch.randn(100, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    noisy = POWERS * (0.1 * noise).exp()
    found, fit = (
        spectrum.decay(noisy, 5, 100),
        linregress(torch.arange(5, 101).double().log().tolist(), noisy[4:].log().tolist()),
    )
    assert found.exponent == pytest.approx(-fit.slope, rel=1e-12)
    assert found.standard_error == pytest.approx(fit.stderr, rel=1e-10)
    for first, last in ((0, 5), (1, 101), (4, 5)):
        with pytest.raises(ValueError, match="three or more of the 100"):
            spectrum.decay(POWERS, first, last)
    with pytest.raises(ValueError, match="positive eigenvalues"):
        spectrum.decay(torch.tensor([1.0, 0.5, 0.0]), 1, 3)


@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.9])
def test_descent_converges_below_the_largest_learning_rate_and_not_above(momentum: float) -> None:
    edge = spectrum.largest_learning_rate(float(POWERS[0]), momentum)

    def after(rate: float) -> float:
        f, v = torch.ones_like(POWERS), torch.zeros_like(POWERS)
        for _ in range(4000):
            v = momentum * v + POWERS * f
            f = f - rate * v
        return float(f[0].abs())

    # z² − (1 + μ − ηλ)z + μ = 0 has the root −1 at the edge, and half a percent of η moves it by .01 (1 + μ)/(1 − μ).
    assert after(0.995 * edge) < 1e-10
    assert after(1.005 * edge) > 1e10
    with pytest.raises(ValueError, match="below 1"):
        spectrum.largest_learning_rate(1.0, 1.0)
    assert spectrum.largest_learning_rate(0.0) == math.inf


def test_the_edge_of_digits(digits: dict[str, torch.Tensor]) -> None:
    """44.46 for five layers, 39.93 for four, on 512 digits: given to two decimals."""
    for depth, expected in ((5, 44.46), (4, 39.93)):
        values = spectrum.top(infinite.kernel(mlp(depth), digits["train"][:512]).ntk, 1).eigenvalues
        assert spectrum.largest_learning_rate(float(values[0])) == pytest.approx(expected, abs=0.0051)
