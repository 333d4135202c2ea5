"""Products of matrices in two words: right to about 2^−100 of their rows and columns, by exact products of slices.

A matrix is cut into slices of so few bits that a product of two of them has no rounding (Ozaki, Ogita, Oishi, Rump
2012): then any library's product is exact, whatever order it sums in.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import torch

from ntk_engine.activations.double_word import Double, add

if TYPE_CHECKING:
    from torch import Tensor

_DIGITS = 53
# Numbers that are sliced together: they stay in cache.
_CHUNK = 2**15


def product(a: Tensor | Double, b: Tensor | Double) -> Double:
    """ab (n×m) of a (n×l) and b (l×m), to 2^−100 l of the largest entries of a's rows and b's columns."""
    a, b = two_words(a), two_words(b)
    high = a.high.new_zeros(a.high.shape[0], b.high.shape[1])
    low = torch.zeros_like(high)
    if high.numel() == 0:
        return Double(high, low)
    bits, count = _bits(a.high.shape[1])
    left, right = _slices(a, bits, count), _slices(transposed(b), bits, count)
    for order in range(count):
        # Products of one order are multiples of one unit, and their sum is exact too.
        exact = left.slices[0] @ right.slices[order].mT
        for i in range(1, order + 1):
            exact.addmm_(left.slices[i], right.slices[order - i].mT)
        high, rest = add(high, exact)
        low += rest
    # What is left is 2^−53 of the whole, so that one word is enough for it.
    for i, part in enumerate(left.slices):
        low.addmm_(part, right.rests[count - 1 - i].mT)
    low.addmm_(left.rests[-1], b.high)
    return Double(*add(high, low))


def _bits(inner: int) -> tuple[int, int]:
    """How many bits a slice has, and how many slices make a word: a sum of count·inner products has 53 digits."""
    count = 1
    while True:
        bits = (_DIGITS - math.ceil(math.log2(count * max(inner, 2)))) // 2
        if count * bits >= _DIGITS:
            return bits, count
        count += 1


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


class _Slices(NamedTuple):
    slices: list[Tensor]
    """Of equally many bits below the largest entry of each row,"""
    rests: list[Tensor]
    """and what is left after each of them, in one word."""


def _slices(x: Double, bits: int, count: int) -> _Slices:
    rows = max(1, _CHUNK // max(x.high.shape[1], 1))
    both = _Slices(*([torch.empty_like(x.high) for _ in range(count)] for _ in range(2)))
    for first in range(0, len(x.high), rows):
        some = slice(first, first + rows)
        high, low = x.high[some], x.low[some]
        exponent = torch.frexp(high.abs().amax(dim=1, keepdim=True)).exponent
        for i in range(count):
            # Adding and taking away 1.5·2^m rounds to the multiples of 2^(m−52).
            step = torch.ldexp(torch.full_like(high[:, :1], 1.5), exponent + (_DIGITS - 1 - bits * (i + 1)))
            part = (high + step).sub_(step)
            high, low = add(high - part, low)
            both.slices[i][some], both.rests[i][some] = part, high
    return both
