"""GELU: σ(z) = z Φ(z) with the normal distribution function Φ (Hendrycks and Gimpel, 2016), exact.

With s = E[zz'], Δ = (1 + q)(1 + q') − s² and R = s/√((1 + q)(1 + q')),
    E[σσ'] = s/4 + s arcsin(R)/2π + (qq' − s² + s²/(1 + q) + s²/(1 + q'))/(2π√Δ).
σ = z/2 + h is the sum of its odd and its even part h = z erf(z/√2)/2, to which all but s/4 belongs. In the angles of
`arcs` for x² = q/2, with G = g²g'², R = pp' and F = 2π gg' E[hh'],
    F = ψ sin ψ + R² cos ψ + G sin ψ tan ψ,    gg' dF/ds = gg' (ψ + tan ψ (1 − R² + G + G/cos² ψ)),
    F(ρ = 1) − F = R (δ − R (cos ψ − cos ψ₁) + ψ (1 − ρ)) + G (cos ψ − cos ψ₁)(1 + 1/(cos ψ cos ψ₁)),
    δ − R (cos ψ − cos ψ₁) = (δ − 2 sin δ/2) + 2 sin δ/2 (cos² ψ₁ + R² (1 − cos δ/2) + R cos ψ₁ sin δ/2)
for ρ ≥ 0, where no term is negative. `apart_at_one` is the rest of the gap.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from math import pi, sqrt
from typing import TYPE_CHECKING, ClassVar, Literal

from ntk_engine.activations import arcs, parts
from ntk_engine.activations import formulas as f
from ntk_engine.activations.base import ClosedForm, Facts, Formula

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

# Above it GELU is ReLU to the last digit, with room for g⁴ to be a normal number.
_MOST = 2.0**120


@dataclass(frozen=True)
class Gelu(ClosedForm):
    """σ(z) = z Φ(z) = z (1 + erf(z/√2))/2."""

    type: Literal["gelu"] = "gelu"

    facts: ClassVar[Facts] = Facts(
        formula="z Φ(z), Φ(z) = (1 + erf(z/√2))/2",
        description="The Gaussian error linear unit, a smooth ReLU, with the exact Φ; its kernels are in closed form.",
        polynomial=False,
        homogeneous=False,
        smoothness="C^inf",
    )

    def value(self, z: Tensor) -> Tensor:
        """z Φ(z)."""
        return z * _phi(z)

    def derivative(self, z: Tensor) -> Tensor:
        """Φ(z) + z φ(z) with the normal density φ."""
        return _phi(z) + z * f.decay(z * z * -0.5) * sqrt(0.5 / pi)

    def rows(self, root: Tensor) -> tuple[Tensor, ...]:
        """√E[σ²], the shares of the two parts, √n, u and v of `apart_at_one`, the row's arcs, 1/p√n."""
        x = (root * sqrt(0.5)).clamp_max(_MOST)
        arc = arcs.rows(x, x.detach() * 0.0)
        p, g, e, m = arc[1:5]
        u, v = g * (e + 1.0).sqrt(), g / (e + 1.0).sqrt()
        n = ((1.0 + m) * (1.0 + m) + u * u + v * v).sqrt()
        # √E[h²]/(√q/2) = √(2/π) √n p, where p is that of x itself: below the least root of `arcs`, n is constant.
        length, *shares = parts.shares(x.new_ones(x.shape), x * (g * n) * (2.0 / sqrt(pi)))
        return root * 0.5 * length, *shares, n, u, v, *arc, (p * n).reciprocal()

    @staticmethod
    def pair(
        p: Sequence[float],
        a: Sequence[Tensor],
        b: Sequence[Tensor],
        rho: Tensor,
        gap: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """ρ and 1 − |ρ| of z/2 and of h, mixed; h is even, and its ρ lies in [1/3, 1]."""
        arc = arcs.arcs(a[8:15], b[8:15], rho, gap)
        mixed, gg = arc.product * arc.product, a[10] * b[10]
        inverse, unit = 1.0 / arc.cosine, a[15] * b[15]
        short = arcs.shortfall(arc.delta * 0.5)
        sine, cosine = arc.delta * 0.5 * (1.0 - short), f.sqrt((1.0 + arc.cos_delta) * 0.5)
        steep = arc.cosine1 * arc.cosine1 + mixed * (sine * sine / (1.0 + cosine)) + arc.product * arc.cosine1 * sine
        # G (cos ψ − cos ψ₁)(1 + 1/(cos ψ cos ψ₁))/R
        last = arc.product * (gg * gg) * (gap * (2.0 - gap)) / (arc.cosine + arc.cosine1)
        last = last * (1.0 + inverse / arc.cosine1)
        turned = arc.delta * short + 2.0 * sine * steep + abs(arc.psi) * gap + last
        gap_even = (turned + apart_at_one(a, b, arc, gg)) * unit
        rho_next, gap_next = parts.together(a[1:5], b[1:5], (rho, gap), (1.0 - gap_even, gap_even))
        inside = arc.cosine1 * arc.cosine1 + gg * gg * (1.0 + inverse * inverse)
        slope = (arc.psi + arc.product * rho * inverse * inside) * unit
        return rho_next, gap_next, a[1] * b[1] + a[2] * b[2] * slope

    narrows = True

    def narrow(self, least: float, most: float) -> Formula:
        """With the gap of h at ρ = 1 by polynomials, where these are exact."""
        # Found by its name, so that whoever reads architectures need not load torch.
        narrowed: Formula = import_module("ntk_engine.activations.narrow").gelu(self, least, most)
        return narrowed


def _phi(z: Tensor) -> Tensor:
    # What underflows takes ten times as long; erfc(26) is 1e-295.
    return (z * -sqrt(0.5)).clamp_max(26.0).erfc() * 0.5


def apart_at_one(a: Sequence[Tensor], b: Sequence[Tensor], arc: arcs.Arc, gg: Tensor) -> Tensor:
    """R√(nn') − RN for N = F(ρ = 1)/R² = ψ₁/R + cos ψ₁ + G/cos ψ₁ and n = N of equal rows, by differences of rows.

    2(√(nn') − N) = n + n' − 2N − (√n − √n')², and with k = cos A, u = √k and v = g²/√k,
        A/p² + A'/p'² − 2ψ₁/R     = (√A/p − √A'/p')² + 2(√(AA') − ψ₁)/R,
        k + k' − 2 cos ψ₁         = (u − u')² − 2J,    J = cos ψ₁ − uu' = (p² − p'²)²/((cos ψ₁ + uu')(cos² ψ₁ + kk')),
        g⁴/k + g'⁴/k' − 2G/cos ψ₁ = (v − v')² + 2GJ/(uu' cos ψ₁).
    For large roots the first two are of order g (x/x' − 1)² each, and g³ (x/x' − 1)² together. There the same is done
    for R√(nn') − RN, whose first two terms are 2 sin² D (sin ω/(1 − cos ω) − sin 2C) + 2(Δ − sin Δ) with ω = C + ψ₁.
    """
    (n_a, u_a, v_a, _, p_a, _, _, m_a, *_), (n_b, u_b, v_b, _, p_b, _, _, m_b, *_) = a[5:], b[5:]
    cosine, root, sine2 = arc.cosine1, u_a * u_b, arc.sin_d * arc.sin_d
    fall = 4.0 * arc.cos_c * arc.cos_c * sine2 / ((cosine + root) * (cosine * cosine + root * root))
    third = 2.0 * gg * gg * fall / (root * cosine)
    first = _square(m_a - m_b) + (_square(u_a - u_b) - 2.0 * fall) + (_square(v_a - v_b) + third) - _square(n_a - n_b)
    small = first * arc.product + 2.0 * arc.spread
    is_large = arc.product > 0.5
    # 1 − cos ω, which cancels for small roots.
    versed = f.where(is_large, 1.0 + arc.sin_c * arc.product - arc.cos_c * cosine, 1.0)
    first = 2.0 * sine2 * ((arc.sin_c * cosine + arc.cos_c * arc.product) / versed - 2.0 * arc.sin_c * arc.cos_c)
    first = first + 2.0 * arc.between * arcs.shortfall(arc.between)
    # pv − p'v' and p√n − p'√n', so that they are 0 for equal rows in fused arithmetic too.
    v, n = p_a * (v_a - v_b) + (p_a - p_b) * v_b, p_a * (n_a - n_b) + (p_a - p_b) * n_b
    large = first + v * v + arc.product * third - n * n
    result = f.where(is_large, large, small) * 0.5
    return f.where(result < 0.0, result * 0.0, result)


def _square(x: Tensor) -> Tensor:
    return x * x
