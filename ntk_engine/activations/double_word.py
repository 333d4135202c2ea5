"""Error-free transformations: rounded results and what rounding took from them, for sums whose terms cancel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor


def product(a: Tensor, b: Tensor | float) -> tuple[Tensor, Tensor]:
    """ab rounded, and ab less that, exactly (Dekker 1971); |a|, |b| < 2^996 and no underflow."""
    rounded = a * b
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
