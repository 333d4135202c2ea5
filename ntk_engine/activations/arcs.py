"""The arc sines in the duals of erf and gelu, as angles whose differences keep their digits (after Williams, 1997).

A row of root x has g = 1/√(1 + 2x²), p = √2 x g and A = arcsin p²; a pair has R = pp'. Wanted are ψ = arcsin Rρ, the
angle δ = ψ₁ − |ψ| with ψ₁ = arcsin R, and √(AA') − ψ₁, which is of the order of (A − A')² A. With C = (A + A')/2,
D = (A − A')/2 and e = √(1 + 4x²) − 1, in which only x − x' is a difference,
    sin C = gg'(ee' + e + e')/2,    sin D = 2gg'(x − x')(x + x')/(e + e' + 2),
    cos C = gg'(e + e' + 2)/2,      cos D = gg'(ee' + e + e' + 2)/2,
    sin δ = R (1 − ρ²)/(√(1 − R²ρ²) + |ρ|√(1 − R²)),    1 − R²ρ² = g² + p²g'² + R²(1 − ρ²),
    sin Δ = sin² D/sin(C + ψ₁) for Δ = C − ψ₁,          C − √(AA') = 2D²/(√A + √A')².
Of the wanted √(AA') − ψ₁, Δ − 2D²/(√A + √A')² is right to eps D²/A, and R ((1 + m)(1 + m') − ψ₁/R) with m = √A/p − 1 to
eps A³: the first is taken where |A − A'| < 2AA', so that its root, the angle it adds to erf's, errs by a few eps.
"""

from __future__ import annotations

from math import factorial, sqrt
from typing import TYPE_CHECKING, NamedTuple

from ntk_engine.activations import formulas as f
from ntk_engine.activations.double_functions import arc_tangent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from ntk_engine.activations.double_word import Double

# Below it erf is linear, to an error of x⁴ in angles; a root that small is as good as any.
LEAST = 2.0**-60
# 1 − sin φ/φ = Σ_k (−1)^{k+1} φ^{2k}/(2k+1)!; eleven terms are exact to 1e-19 for φ ≤ π/2.
_SHORTFALL = tuple((-1) ** (k + 1) / factorial(2 * k + 1) for k in range(1, 12))


class Arc(NamedTuple):
    """The angles of pairs: see above."""

    product: Tensor
    """R."""
    psi: Tensor
    cosine: Tensor
    """cos ψ."""
    delta: Tensor
    cos_delta: Tensor
    cosine1: Tensor
    """cos ψ₁."""
    spread: Tensor
    """√(AA') − ψ₁."""
    sin_d: Tensor
    sin_c: Tensor
    cos_c: Tensor
    between: Tensor
    """Δ."""


def shortfall(phi: Tensor) -> Tensor:
    """1 − sin φ/φ for φ in [0, π/2], accurate relative to itself."""
    square = phi * phi
    return f.polynomial(square, _SHORTFALL) * square


def rows(x: Tensor, rest: Tensor) -> tuple[Tensor, ...]:
    """x, p, g, e, m, 1/√A and what rounding took from x of each row."""
    rest = rest.where(x >= LEAST, 0.0)
    x = x.clamp_min(LEAST)
    one = x.new_ones(())
    g = one.hypot(x * sqrt(2.0)).reciprocal()
    p = x * sqrt(2.0) * g
    e = x * 2.0 * (x * 2.0 / (one.hypot(x * 2.0) + 1.0))
    hypotenuse = e.hypot(e + 2.0)
    short = shortfall(f.angle(e / hypotenuse, (e + 2.0) / hypotenuse) * 2.0)
    square = short / (1.0 - short)  # A/p² − 1
    above = (1.0 + square).sqrt()
    return x, p, g, e, square / (1.0 + above), (p * above).reciprocal(), rest


def root_of_arc(x: Double) -> Double:
    """√A = √arcsin p² in two words, from x ≤ 1e70."""
    held = x.clip(LEAST, 1e70)
    square = held * held
    return x * (arc_tangent(square * 2.0 / (square * 4.0 + 1.0).root()) / square).root()


def arcs(a: Sequence[Tensor], b: Sequence[Tensor], rho: Tensor, gap: Tensor) -> Arc:
    """a, b: `rows` of both sides."""
    (x_a, p_a, g_a, e_a, m_a, _, rest_a), (x_b, p_b, g_b, e_b, m_b, _, rest_b) = a, b
    product, gg, m = p_a * p_b, g_a * g_b, m_a + m_b + m_a * m_b
    roots, scale = p_a * (1.0 + m_a) + p_b * (1.0 + m_b), product * (1.0 + m)
    inner, square = 1.0 - gap, product * (gap * (2.0 - gap))
    rest = g_a * g_a + p_a * g_b * (p_a * g_b)
    cosine1, cosine = f.sqrt(rest), f.sqrt(rest + product * square)
    psi = f.angle(product * rho, cosine)
    cos_delta = cosine * cosine1 + product * product * inner
    delta = f.angle(square / (cosine + inner * cosine1), cos_delta)
    both, total = e_a * e_b, e_a + e_b
    sin_c, cos_c = gg * (both + total) * 0.5, gg * (total + 2.0) * 0.5
    sin_d = g_a * ((x_a - x_b) + (rest_a - rest_b)) * (g_b * (x_a + x_b)) * 2.0 / (total + 2.0)
    d = f.angle(f.magnitude(sin_d), gg * (both + total + 2.0) * 0.5)
    sin_between = sin_d * sin_d / (sin_c * cosine1 + cos_c * product)
    between = f.angle(sin_between, cos_c * cosine1 + sin_c * product)
    near = between - d * d * 2.0 / (roots * roots)
    short = shortfall(abs(psi) + delta)
    far = product * (m - short / (1.0 - short))
    spread = f.where(d < scale * scale, near, far)
    spread = f.where(spread < 0.0, spread * 0.0, spread)
    return Arc(product, psi, cosine, delta, cos_delta, cosine1, spread, sin_d, sin_c, cos_c, between)


class Turn(NamedTuple):
    """The angles of pairs whose rows' distance is known otherwise: see above."""

    product: Tensor
    """R."""
    psi: Tensor
    delta: Tensor
    inverse: Tensor
    """1/cos ψ."""


def turn(a: Sequence[Tensor], b: Sequence[Tensor], rho: Tensor, gap: Tensor, apart: Tensor) -> Turn:
    """a, b: `rows` of both sides; apart: 1 − ψ₁/√(AA'). One angle and one division, where `arcs` takes four of each."""
    (_, p_a, g_a, _, m_a, *_), (_, p_b, g_b, _, m_b, *_) = a, b
    product, inner = p_a * p_b, 1.0 - gap
    square, rest = product * (gap * (2.0 - gap)), g_a * g_a + p_a * g_b * (p_a * g_b)
    cosine1, cosine = f.sqrt(rest), f.sqrt(rest + product * square)
    below = cosine + inner * cosine1
    once = 1.0 / (below * cosine)
    delta = f.angle(square * (once * cosine), cosine * cosine1 + product * product * inner)
    psi = product * ((1.0 + m_a) * (1.0 + m_b)) * (1.0 - apart) - delta
    return Turn(product, f.where(rho < 0.0, -psi, psi), delta, once * below)
