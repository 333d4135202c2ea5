"""Hermite coefficients of polynomials that are given by monomials.

For σ(z) = Σ_n a_n z^n and variance q, E[σ(√q z) h_k(z)] = Σ_n a_n √q^n √k! n!/(2^m m! k!), m = (n − k)/2: the fraction
counts the ways to pair all but k of n factors z, as in z^n = Σ_k (that) He_k(z). The sums cancel where σ is nearly a
Hermite polynomial, and are carried in two words.
"""

from __future__ import annotations

from math import factorial, frexp, sqrt
from typing import TYPE_CHECKING

from ntk_engine.activations.double_word import add, product
from ntk_engine.activations.series import unit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor


def rows(monomials: Sequence[float], scale: float, root: Tensor) -> list[Tensor]:
    """√E[σ²], ĉ_0, …, ĉ_K of σ(z) = scale·Σ a_n z^n, of the shape of `root` = √q.

    A power of two is taken out of every row, so that powers of its root neither overflow nor underflow.
    """
    mantissa, exponent = _frexp(root)
    largest = exponent * 0.0 - float("inf")
    for n, a in enumerate(monomials):
        if a != 0.0:
            largest = largest.maximum(exponent * n + frexp(a)[1])
    norm, *vector = unit(_coefficients(monomials, mantissa, exponent, largest))
    half = (largest / 2.0).floor()
    return [norm * scale * half.exp2() * (largest - half).exp2(), *vector]


def ways(n: int, k: int) -> int:
    """n!/(2^m m! k!), m = (n − k)/2."""
    m = (n - k) // 2
    return factorial(n) // ((1 << m) * factorial(m) * factorial(k))


def _frexp(root: Tensor) -> tuple[Tensor, Tensor]:
    """m and e with √q = m 2^e, 1/2 ≤ m < 1; for a zero row, 0 and so little that any power of it is nothing."""
    size = root.detach()
    mantissa, exponent = size.frexp()
    zero = size == 0.0
    return root / (size / mantissa).masked_fill(zero, 1.0), exponent.to(root.dtype).masked_fill(zero, -1e6)


def _coefficients(monomials: Sequence[float], mantissa: Tensor, exponent: Tensor, largest: Tensor) -> list[Tensor]:
    """c_0, …, c_K in units of 2^largest."""
    nothing = mantissa * 0.0
    sums = [(nothing, nothing) for _ in monomials]
    high, low = nothing + 1.0, nothing
    for n, a in enumerate(monomials):
        if a != 0.0:
            fraction, power = frexp(a)
            unit_of_term = (exponent * n + power - largest).exp2()
            first, second = product(high, fraction)
            term = first * unit_of_term, (second + low * fraction) * unit_of_term
            for k in range(n, -1, -2):
                sums[k] = _added(sums[k], term, ways(n, k))
        high, error = product(high, mantissa)
        low = low * mantissa + error
    return [(first + second) * sqrt(factorial(k)) for k, (first, second) in enumerate(sums)]


def _added(total: tuple[Tensor, Tensor], term: tuple[Tensor, Tensor], times: int) -> tuple[Tensor, Tensor]:
    """total + times·term, each in two words."""
    first, lost = product(term[0], float(times))
    first, lost_in_sum = add(total[0], first)
    return first, total[1] + (lost + lost_in_sum + term[1] * times)
