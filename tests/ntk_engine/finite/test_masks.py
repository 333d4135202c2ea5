"""Masks of dropout: frequencies, and what they depend on."""

import pytest
import torch

from ntk_engine.finite.masks import Masks, keys, signs

KEYS = keys(torch.Generator().manual_seed(0), 40)


def masks(first: int = 0, count: int = 50) -> Masks:
    return Masks(KEYS, torch.arange(first, first + count))


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.5, 0.9])
def test_the_rate(rate: float) -> None:
    kept = masks().kept(2, 100, rate).double()
    assert kept.shape == (40, 50, 100)
    # Frequencies deviate by √(p(1 − p)/n), and by five times that once in two million.
    deviation = (rate * (1 - rate)) ** 0.5
    assert abs(kept.mean() - (1 - rate)) <= 5 * deviation / kept.numel() ** 0.5
    for dims in ((0, 1), (0, 2), (1, 2)):
        means = kept.mean(dim=dims)
        assert ((means - (1 - rate)).abs() <= 5 * deviation / (kept.numel() / len(means)) ** 0.5).all()


def test_neighbours_are_independent() -> None:
    """Of networks, layers, inputs and neurons."""
    bits = masks().kept(0, 64, 0.5).double() * 2 - 1
    following = masks().kept(1, 64, 0.5).double() * 2 - 1
    for products in (
        bits[1:] * bits[:-1],
        bits * following,
        bits[:, 1:] * bits[:, :-1],
        bits[..., 1:] * bits[..., :-1],
    ):
        assert abs(products.mean()) < 5 / products.numel() ** 0.5


def test_a_place_has_its_mask_whatever_is_beside_it() -> None:
    assert torch.equal(masks(30, 20).kept(1, 7, 0.5), masks(0, 50).kept(1, 7, 0.5)[:, 30:])
    assert torch.equal(Masks(KEYS[3], torch.arange(50)).kept(1, 7, 0.5), masks().kept(1, 7, 0.5)[3])


def test_signs() -> None:
    found = signs(KEYS, 1000)
    assert found.shape == (40, 1000)
    assert set(found.unique().tolist()) == {-1.0, 1.0}
    assert abs(found.mean()) < 5 / found.numel() ** 0.5
    assert not torch.equal(found[0], found[1])
