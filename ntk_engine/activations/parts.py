"""Activations that are a sum of an odd and an even part, whose expectations do not mix.

With (α, γ) a row's unit vector of the parts' deviations, ρ_σ = αα' ρ_odd + γγ' ρ_even. As for a bias (Section 4.1),
    1 ∓ ρ_σ = αα' (1 ∓ ρ_odd) + γγ' (1 ∓ ρ_even) + d,    d = ½|(α, γ) − (α', γ')|² = ½(1 + α)(1 + α')(t − t')²
with the tangent t = γ/(1 + α) of half the vector's angle. No term is negative, and angles err by their last digits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ntk_engine.activations import formulas as f

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor


def shares(odd: Tensor, even: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """√(odd² + even²) of the deviations of a row's parts, then α, γ and t; α = 1 where both parts are 0."""
    largest = odd.maximum(even)
    zero = largest <= 0.0
    scale = largest.masked_fill(zero, 1.0)
    odd, even = (odd / scale).masked_fill(zero, 1.0), even / scale
    length = (odd * odd + even * even).sqrt()
    return largest * length, odd / length, even / length, even / (length + odd)


def together(
    a: Sequence[Tensor], b: Sequence[Tensor], odd: tuple[Tensor, Tensor], even: tuple[Tensor | float, Tensor | float]
) -> tuple[Tensor, Tensor]:
    """ρ_σ and 1 − |ρ_σ|.

    a, b: α, γ and t of both sides. odd, even: ρ of the part and 1 − |ρ|; that of the even part is not negative.
    """
    rho, gap = odd
    share, other, tangent = a[0] * b[0], a[1] * b[1], a[2] - b[2]
    apart = tangent * tangent * ((1.0 + a[0]) * (1.0 + b[0])) * 0.5
    opposite = rho < 0.0
    below = share * f.where(opposite, 2.0 - gap, gap) + other * even[1] + apart
    above = share * f.where(opposite, gap, 2.0 - gap) + other * (2.0 - even[1]) + apart
    return share * rho + other * even[0], f.where(below < above, below, above)
