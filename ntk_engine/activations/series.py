"""Duals as power series in the correlation: E[σσ'] = Σ_k c_k c'_k ρ^k, c_k = E[σ(√q z) h_k(z)] (Mehler's formula).

h_k = He_k/√k! are the normalised probabilists' Hermite polynomials, and ĉ = c/|c| is a unit vector for every row. With
r = |ρ|, p_k = ĉ_k ĉ'_k and signs s_k = ±1 such that ±ρ_σ = Σ s_k p_k r^k,
    1 − |ρ_σ| = ½ Σ (ĉ_k − s_k ĉ'_k)² + Σ s_k p_k (1 − r^k),      1 − x^m = (1 − x)(1 + x + … + x^{m−1}),
whose terms do not cancel, near ρ = ±1 and for rows of nearly equal norm. s_k depends on the parity of k alone, so that
even and odd terms are summed apart, in powers of x = ρ².
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ntk_engine.activations import formulas as f
from ntk_engine.activations.base import After, Dual

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor


class Series(Dual):
    """The dual of an activation that is given by its Hermite coefficients ĉ_0, …, ĉ_K."""

    def __init__(
        self, coefficients: Callable[[Tensor], Sequence[Tensor]], error: float = 0.0, *, nonnegative: bool = False
    ) -> None:
        """coefficients: `rows`, from √q to √E[σ²], ĉ_0, …, ĉ_K, as `unit` makes them; error, nonnegative: see Dual."""
        self.coefficients = coefficients
        self.error = error
        self.nonnegative = nonnegative

    def rows(self, root: Tensor) -> Sequence[Tensor]:
        """√E[σ²], ĉ_0, …, ĉ_K, each of the shape of `root`."""
        return self.coefficients(root)

    def correlate(self, a: Sequence[Tensor], b: Sequence[Tensor], rho: Tensor, gap: Tensor) -> After:
        """ρ_σ = Σ p_k ρ^k, its gap as above, and Σ k p_k ρ^{k−1}, by Horner's rule; memory does not grow with K."""
        x = rho * rho
        return combine(_sums(a[1::2], b[1::2], x), _sums(a[2::2], b[2::2], x), rho, gap)


def combine(even: Sums, odd: Sums, rho: Tensor, gap: Tensor) -> After:
    """What the sums over even and odd terms come to."""
    x, rest = rho * rho, gap * (2.0 - gap)  # rest = 1 − x
    direct = even.value + odd.value * rho
    negative = direct < 0.0
    kept = f.where(negative, even.total + even.value, even.fall * rest)
    turned = f.where(direct * rho < 0.0, odd.total + odd.value * abs(rho), odd.fall * rest + odd.value * gap)
    after = kept + turned + even.spread + odd.spread
    near = 1.0 - after
    value = f.where(after < 0.5, f.where(negative, -near, near), direct)
    return After(value, after, odd.value + (even.slope * rho + odd.slope * x) * 2.0)


def unit(coefficients: Sequence[Tensor]) -> list[Tensor]:
    """|c| = √E[σ²] (Parseval), then the unit vector ĉ = c/|c|; all zeros where c is. No square overflows.

    coefficients: c_0, …, c_K, each of the shape of the rows. Proportional rows of one coefficient give equal ĉ.
    """
    largest = abs(coefficients[0]).detach()
    for c in coefficients[1:]:
        largest = largest.maximum(abs(c).detach())
    scale = largest.masked_fill(largest == 0.0, 1.0)
    scaled = [c / scale for c in coefficients]
    square = scaled[0] * scaled[0]
    for c in scaled[1:]:
        square = square.addcmul(c, c)
    norm = f.sqrt(square)
    divisor = norm.masked_fill(largest == 0.0, 1.0)
    return [norm * scale, *(c / divisor for c in scaled)]


class Sums(NamedTuple):
    """Of the terms p_m x^m of one parity, with m from 0."""

    value: Tensor
    """Σ p_m x^m."""
    slope: Tensor
    """Its derivative in x."""
    total: Tensor
    """Σ p_m."""
    fall: Tensor
    """(Σ p_m − Σ p_m x^m)/(1 − x) = Σ_m x^m (p_{m+1} + p_{m+2} + …)."""
    spread: Tensor
    """½ Σ (ĉ_m − ĉ'_m)²."""


def _sums(a: Sequence[Tensor], b: Sequence[Tensor], x: Tensor) -> Sums:
    value = slope = total = fall = spread = x * 0.0
    for c, d in zip(reversed(a), reversed(b), strict=True):
        product, difference = c * d, c - d
        # Out of place: what autograd keeps of a step is not written over in the next one.
        slope = value.addcmul(slope, x)
        fall = total.addcmul(fall, x)
        value = product.addcmul(value, x)
        total = total + product
        spread = spread.addcmul(difference, difference, value=0.5)
    return Sums(value, slope, total, fall, spread)
