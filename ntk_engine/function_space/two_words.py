"""Products of matrices in two words: right to about 2^−100 of their rows and columns, by exact products of slices.

A matrix is cut into slices of so few bits that a product of two of them has no rounding (Ozaki, Ogita, Oishi, Rump
2012): then any library's product is exact, whatever order it sums in.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from ntk_engine.activations.double_word import Double, add

if TYPE_CHECKING:
    from torch import Tensor

_DIGITS = 53
_WANTED = 106


def product(a: Tensor | Double, b: Tensor | Double) -> Double:
    """ab (n×m) of a (n×l) and b (l×m), to 2^−100 l of the largest entries of a's rows and b's columns."""
    a, b = two_words(a), two_words(b)
    high = a.high.new_zeros(a.high.shape[0], b.high.shape[1])
    low = torch.zeros_like(high)
    if high.numel() == 0:
        return Double(high, low)
    # A sum of l products of two slices has 2·bits + log2 l digits.
    bits = (_DIGITS - math.ceil(math.log2(max(a.high.shape[1], 2)))) // 2
    depth = math.ceil(_WANTED / bits)
    left, right = _slices(a, bits, depth), [part.mT for part in _slices(transposed(b), bits, depth)]
    for order in range(depth):
        for i in range(max(0, order + 1 - len(right)), min(order + 1, len(left))):
            high, rest = add(high, left[i] @ right[order - i])
            low += rest
    return Double(*add(high, low))


def two_words(x: Tensor | Double) -> Double:
    """x itself, or a matrix of one word."""
    return x if isinstance(x, Double) else Double(x, torch.zeros_like(x))


def transposed(x: Double) -> Double:
    """xᵀ."""
    return Double(x.high.mT, x.low.mT)


def columns(x: Double, which: slice) -> Double:
    """Some of x's columns."""
    return Double(x.high[:, which], x.low[:, which])


def beside(parts: list[Double]) -> Double:
    """Matrices of equal height, side by side."""
    if len(parts) == 1:
        return parts[0]
    return Double(torch.cat([part.high for part in parts], dim=1), torch.cat([part.low for part in parts], dim=1))


def _slices(x: Double, bits: int, depth: int) -> list[Tensor]:
    """Slices of `bits` bits below the largest entry of each row, the first ones first, until nothing is left."""
    high, low = x.high, x.low
    exponent = torch.frexp(high.abs().amax(dim=1, keepdim=True)).exponent
    slices: list[Tensor] = []
    while len(slices) < depth and bool((high != 0).any()):
        # Adding and taking away 1.5·2^m rounds to the multiples of 2^(m−52).
        step = torch.ldexp(torch.full_like(high[:, :1], 1.5), exponent + (_DIGITS - 1 - bits * (len(slices) + 1)))
        part = (high + step) - step
        slices.append(part)
        high, low = add(high - part, low)
    return slices
