"""Error-free transformations: rounded results and what rounding took from them, for sums whose terms cancel.

A `Double` is a number in two words: right to about 2^−104 of itself where neither overflows or underflows.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ldexp, sqrt
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fractions import Fraction

    from torch import Tensor

# An array or a tensor, or a number.
Words = Any


def product(a: Tensor, b: Tensor | float) -> tuple[Tensor, Tensor]:
    """ab rounded, and ab less that, exactly (Dekker 1971); |a|, |b| < 2^996 and no underflow.

    Compiled, by a fused product and sum.
    """
    rounded = a * b
    if hasattr(a, "product_rest"):
        return rounded, a.product_rest(b, rounded)
    (a1, a2), (b1, b2) = _halves(a), _halves(b)
    return rounded, ((a1 * b1 - rounded) + a1 * b2 + a2 * b1) + a2 * b2


def add(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """a + b rounded, and a + b less that, exactly (Knuth 1969)."""
    rounded = a + b
    taken = rounded - a
    return rounded, (a - (rounded - taken)) + (b - taken)


def _halves(x: Any) -> tuple[Any, Any]:
    """x as a sum of two numbers of 26 bits."""
    scaled = x * 134217729.0  # 2^27 + 1
    high = scaled - (scaled - x)
    return high, x - high


@dataclass(frozen=True, slots=True)
class Double:
    """high + low, with |low| at most half a unit of high's last digit; elementwise arithmetic (Dekker 1971)."""

    high: Words
    low: Words

    @classmethod
    def of(cls, x: Words) -> Double:
        """A number, or numbers, of one word."""
        return cls(x, x * 0.0)

    def __add__(self, other: Words | Double) -> Double:
        other = _double(other)
        (high, rest), (low, least) = add(self.high, other.high), add(self.low, other.low)
        high, rest = _settled(high, rest + low)
        return Double(*_settled(high, rest + least))

    def __neg__(self) -> Double:
        return Double(-self.high, -self.low)

    def __sub__(self, other: Words | Double) -> Double:
        return self + -_double(other)

    def __mul__(self, other: Words | Double) -> Double:
        other = _double(other)
        high, rest = product(self.high, other.high)
        return Double(*_settled(high, rest + (self.high * other.low + self.low * other.high)))

    def __truediv__(self, other: Words | Double) -> Double:
        other = _double(other)
        first = self.high / other.high
        rounded, rest = product(first, other.high)
        left = ((self.high - rounded) - rest) + (self.low - first * other.low)
        return Double(*_settled(first, left / other.high))

    def clip(self, least: float, most: float) -> Double:
        """Held between two numbers."""
        high = self.high.clip(least, most)
        return Double(high, self.low * (high == self.high))

    def root(self) -> Double:
        """√ of what is not negative."""
        high = self.high**0.5
        rounded, rest = product(high, high)
        left = ((self.high - rounded) - rest) + self.low
        return Double(*_settled(high, left / (2.0 * high + (high == 0.0))))


def words(root: Tensor, rest: Tensor) -> Double:
    """Numbers in two words, without derivatives."""
    return Double(*(word.detach().cpu().numpy() for word in (root, rest)))


def settled(rounded: Tensor, exact: Double) -> tuple[Tensor, Tensor]:
    """The words of what was computed in one word and exactly, the first with the derivatives of the former.

    Where the latter is no number, because something overflowed on the way, the former and 0.
    """
    high, low = (rounded.new_tensor(word) for word in (exact.high, exact.low))
    known = high.isfinite() & low.isfinite()
    return rounded + (high - rounded.detach()).where(known, 0.0), low.where(known, 0.0)


def exactly(number: Fraction) -> Double:
    """A number that is no double."""
    return Double(float(number), float(number - type(number)(float(number))))


def root_of(square: Fraction) -> Double:
    """The root of a number, which may itself be too large or too small for a double."""
    if not square:
        return Double(0.0, 0.0)
    exact = type(square)
    power = (square.numerator.bit_length() - square.denominator.bit_length()) // 2
    scaled = square * exact(4) ** -power
    high = sqrt(scaled)
    low = float((scaled - exact(high) ** 2) / (2 * exact(high)))
    return Double(ldexp(high, power), ldexp(low, power))


def _double(x: Words | Double) -> Double:
    return x if isinstance(x, Double) else Double.of(x)


def _settled(high: Words, low: Words) -> tuple[Words, Words]:
    """Their sum rounded, and what rounding took, where |high| ≥ |low|."""
    rounded = high + low
    return rounded, low - (rounded - high)
