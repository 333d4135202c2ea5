"""Lengths of rows in two words against sums of fractions."""

from fractions import Fraction

import mpmath
import pytest
import torch
from mpmath import mpf

from ntk_engine import infinite
from ntk_engine.infinite.lengths import squares


@pytest.mark.parametrize("d", [1, 5, 784, 3000])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_squared_lengths(d: int, dtype: torch.dtype) -> None:
    x = torch.randn(150, d, generator=torch.Generator().manual_seed(d), dtype=torch.float64)
    x[1] *= 10.0 ** torch.linspace(0, -30, d)
    x = (x / x.abs().amax(dim=1, keepdim=True) * 1.999).to(dtype)
    found = squares(x)
    for row, high, low in list(zip(x.tolist(), found.high.tolist(), found.low.tolist(), strict=True))[::49]:
        exact = sum(Fraction(entry) ** 2 for entry in row)
        assert abs(Fraction(high) + Fraction(low) - exact) <= exact * Fraction(2) ** -85


@pytest.mark.parametrize("norm", [1e-300, 1e-5, 1.0, 1e150])
def test_roots_of_rows(norm: float) -> None:
    x = torch.randn(7, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64) * norm
    rows = infinite.rows(x)
    for row, (high, low) in zip(x.tolist(), rows.roots.T.tolist(), strict=True):
        with mpmath.workdps(50):
            exact = mpmath.sqrt(mpmath.fsum(mpf(entry) ** 2 for entry in row) / 3)
            # What lies below the least double is not there.
            assert abs(mpf(high) + mpf(low) - exact) <= exact * mpf(2) ** -85 + mpf(2) ** -1073
