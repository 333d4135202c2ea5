"""The functions that pair formulas are written in, beside arithmetic and comparisons.

They call methods of their arguments, so that they take tensors and whatever records what is done to it.
"""

from __future__ import annotations

from math import factorial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

# sin φ − φ cos φ = Σ_k (−1)^{k+1} 2k/(2k+1)! φ^{2k+1}; seven terms are exact to 1e-17 relative for φ < 0.26.
_EXCESS = tuple((-1) ** (k + 1) * 2 * k / factorial(2 * k + 1) for k in range(1, 8))


def where(condition: Tensor, yes: Tensor, no: Tensor | float) -> Tensor:
    """`yes` where the condition holds, `no` elsewhere; both are evaluated and must be finite."""
    return yes.where(condition, no)


def sqrt(x: Tensor) -> Tensor:
    """√x for x ≥ 0, whose derivative at 0 is taken to be 0: the mean of those of |x| from both sides."""
    if not getattr(x, "requires_grad", False):
        return x.sqrt()
    zero = x <= 0.0
    return x.masked_fill(zero, 1.0).sqrt().masked_fill(zero, 0.0)


def magnitude(x: Tensor) -> Tensor:
    """|x|, whose derivative at 0 is taken to be 1: then x² has its second derivative there."""
    return where(x < 0.0, -x, x) if getattr(x, "requires_grad", False) else abs(x)


def exp(x: Tensor) -> Tensor:
    """e^x; 0 where it underflows."""
    return x.exp()


def decay(x: Tensor) -> Tensor:
    """e^x for x ≤ 0, and 1e-304 where that is below: processors take thirty times as long for what underflows."""
    return x.clamp_min(-700.0).exp()


def expm1(x: Tensor) -> Tensor:
    """e^x − 1, accurate relative to itself."""
    return x.expm1()


def angle(sine: Tensor, cosine: Tensor) -> Tensor:
    """The angle in [0, π/2] of this sine and cosine, accurate relative to itself where the sine is."""
    return sine.atan2(cosine)


def arc(gap: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """φ, sin φ and sin φ − φ cos φ for cos φ = 1 − gap in [0, 1], each accurate relative to itself.

    Compiled, by D = (φ/sin φ − 1)/gap, which is 1/3 and more: the excess is gap sin φ (1 − D cos φ).
    """
    sine, cosine = sqrt(gap * (2.0 - gap)), 1.0 - gap
    if hasattr(gap, "arc_rest"):
        rest = gap.arc_rest()
        return sine * (1.0 + gap * rest), sine, sine * gap * (1.0 - rest * cosine)
    phi = angle(sine, cosine)
    return phi, sine, excess(phi, sine, cosine)


def excess(phi: Tensor, sine: Tensor, cosine: Tensor) -> Tensor:
    """sin φ − φ cos φ for φ in [0, π/2], accurate relative to itself."""
    square = phi * phi
    return where(phi < 0.26, polynomial(square, _EXCESS) * square * phi, sine - phi * cosine)


def polynomial(x: Tensor, coefficients: Sequence[float]) -> Tensor:
    """c_0 + c_1 x + …, by fours and then by Horner's rule, so that fewer sums wait for one another."""
    square = x * x
    fourth = square * square
    parts = [_short(x, square, coefficients[k : k + 4]) for k in range(0, len(coefficients), 4)]
    total = parts[-1]
    for part in parts[-2::-1]:
        total = total * fourth + part
    return total


def _short(x: Tensor, square: Tensor, c: Sequence[float]) -> Tensor:
    """A polynomial of one to four coefficients."""
    low: Tensor = x * c[1] + c[0] if len(c) > 1 else x * 0.0 + c[0]
    if len(c) < 3:
        return low
    return low + square * (x * c[3] + c[2]) if len(c) > 3 else low + square * c[2]
