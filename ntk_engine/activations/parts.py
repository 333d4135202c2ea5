"""Activations that are a sum of an odd and an even part, whose expectations do not mix.

With (α, γ) a row's unit vector of the parts' deviations, ρ_σ = αα' ρ_odd + γγ' ρ_even. As for a bias (Section 4.1),
    1 ∓ ρ_σ = αα' (1 ∓ ρ_odd) + γγ' (1 ∓ ρ_even) + d,    d = ½|(α, γ) − (α', γ')|² = ½(1 + α)(1 + α')(t − t')²
with the tangent t = γ/(1 + α) of half the vector's angle, in two words. No term is negative, and angles err by their
last digits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ntk_engine.activations import formulas as f
from ntk_engine.activations.double_word import settled

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from ntk_engine.activations.double_word import Double


def shares(odd: Tensor, even: Tensor, exact: tuple[Double, Double] | None = None) -> tuple[Tensor, ...]:
    """√(odd² + even²) of the deviations of a row's parts, then α, γ and the words of t; α = 1 where both parts are 0.

    exact: both deviations in two words; without, t has one.
    """
    largest = odd.maximum(even)
    zero = largest <= 0.0
    scale = largest.masked_fill(zero, 1.0)
    odd, even = (odd / scale).masked_fill(zero, 1.0), even / scale
    length = (odd * odd + even * even).sqrt()
    rounded = even / (length + odd)
    tangent = (
        (rounded, rounded.detach() * 0.0) if exact is None else settled(rounded, exact[1] / (sum_of(*exact) + exact[0]))
    )
    return largest * length, odd / length, even / length, *tangent


def sum_of(odd: Double, even: Double) -> Double:
    """√(odd² + even²)."""
    return (odd * odd + even * even).root()


def together(
    a: Sequence[Tensor], b: Sequence[Tensor], odd: tuple[Tensor, Tensor], even: tuple[Tensor | float, Tensor | float]
) -> tuple[Tensor, Tensor]:
    """ρ_σ and 1 − |ρ_σ|.

    a, b: α, γ and the words of t of both sides. odd, even: ρ of the part and 1 − |ρ|; that of the even part is not
    negative.
    """
    rho, gap = odd
    share, other, tangent = a[0] * b[0], a[1] * b[1], (a[2] - b[2]) + (a[3] - b[3])
    apart = tangent * tangent * ((1.0 + a[0]) * (1.0 + b[0])) * 0.5
    opposite = rho < 0.0
    below = share * f.where(opposite, 2.0 - gap, gap) + other * even[1] + apart
    above = share * f.where(opposite, gap, 2.0 - gap) + other * (2.0 - even[1]) + apart
    return share * rho + other * even[0], f.where(below < above, below, above)
