"""Products in two words, against fractions."""

from fractions import Fraction

import pytest
import torch

from ntk_engine.activations.double_word import Double, add
from ntk_engine.function_space.two_words import product


def words(generator: torch.Generator, *shape: int) -> Double:
    high = torch.randn(*shape, dtype=torch.float64, generator=generator)
    return Double(*add(high, 1e-17 * torch.randn(*shape, dtype=torch.float64, generator=generator)))


def exact(x: Double, i: int, j: int) -> Fraction:
    return Fraction(float(x.high[i, j])) + Fraction(float(x.low[i, j]))


@pytest.mark.parametrize("inner", [1, 7, 300])
def test_products_of_two_words(inner: int, device: str) -> None:
    """Rows, columns and entries of very different sizes, and sums that cancel, to 2^−100 of the largest ones."""
    generator = torch.Generator().manual_seed(inner)
    a, b = words(generator, 3, inner), words(generator, inner, 4)
    sizes = torch.tensor([1.0, 2.0**40, 2.0**-90], dtype=torch.float64)[:, None]
    a = Double(a.high * sizes, a.low * sizes)
    found = product(Double(a.high.to(device), a.low.to(device)), Double(b.high.to(device), b.low.to(device)))
    for i in range(3):
        for j in range(4):
            expected = sum((exact(a, i, m) * exact(b, m, j) for m in range(inner)), Fraction(0))
            scale = float(a.high[i].abs().max() * b.high[:, j].abs().max())
            assert abs(float(exact(found, i, j) - expected)) <= 2.0**-100 * inner * scale


def test_matrices_without_columns() -> None:
    a, none = torch.ones(3, 2, dtype=torch.float64), torch.ones(2, 0, dtype=torch.float64)
    assert product(a, none).high.shape == (3, 0)
    assert product(none.mT, a.mT).high.shape == (0, 3)
    assert float(product(torch.zeros(1, 2, dtype=torch.float64), none.new_ones(2, 1)).high) == 0.0
