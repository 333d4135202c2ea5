"""The functions that pair formulas are written in, beside arithmetic and comparisons.

They call methods of their arguments, so that they take tensors and whatever records what is done to it.
"""

from __future__ import annotations

from math import factorial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
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


def exp(x: Tensor) -> Tensor:
    """e^x; 0 where it underflows."""
    return x.exp()


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
    series = square * _EXCESS[-1] + _EXCESS[-2]
    for coefficient in _EXCESS[-3::-1]:
        series = series * square + coefficient
    return where(phi < 0.26, series * square * phi, sine - phi * cosine)
