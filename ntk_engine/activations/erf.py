"""The error function: σ(z) = erf(z), whose dual is an arc sine (Williams 1997), written without cancellation.

With p = √(2q/(1+2q)) and g = 1/√(1+2q) of each row, p² + g² = 1, and R = p p' ρ:
    E[σσ'] = (2/π) asin R,      E[σ'σ'] = (4/π) g g' / √(1 − R²),      1 − R² = g² + p² g'² + p² p'² uv.
With A = asin p² = (π/2) E[σ²] and C = (A + A')/2, the correlation of the outputs comes from the small angle
    Δ = C − asin |R|,     sin Δ = (sin²((A − A')/2) + p² p'² uv) / (sin C √(1 − R²) + |R| cos C),
    1 − |ρ_next| = (Δ − (√A − √A')²/2) / √(AA'),
and with e = √(1+4q) − 1 and γ = g/√2 every sine here is a sum of positive terms:
    sin C = γγ'(ee' + e + e'),    cos C = γγ'(e + e' + 2),    sin((A − A')/2) = γγ'(e − e').
"""

from __future__ import annotations

from dataclasses import dataclass
from math import pi, sqrt
from typing import TYPE_CHECKING, ClassVar, Literal, NamedTuple

from ntk_engine.activations.base import Activation, Correlation, Facts

if TYPE_CHECKING:
    from torch import Tensor

# Roots, by the bytes of their dtype, below which squares underflow; σ is linear there, so any smaller one does as well.
_LEAST_ROOT = {4: 2.0**-60, 8: 2.0**-500}
# Ratio of √A and √A' above which Δ and (√A − √A')²/2 cancel more digits than the direct quotient loses.
_FAR = 16.0


class _Row(NamedTuple):
    """What one row brings to its pairs; every field has the shape of its root."""

    p: Tensor
    p2: Tensor
    g2: Tensor
    e: Tensor
    gamma: Tensor
    root: Tensor
    """√A."""


@dataclass(frozen=True)
class Erf(Activation):
    """σ(z) = erf(z) = (2/√π) ∫₀ᶻ e^{−t²} dt."""

    type: Literal["erf"] = "erf"

    facts: ClassVar[Facts] = Facts(
        formula="erf(z) = 2/√π ∫_0^z exp(−t²) dt",
        description="A bounded, odd sigmoid whose kernels are in closed form.",
        polynomial=False,
        homogeneous=False,
        smoothness="C^inf",
    )

    def value(self, z: Tensor) -> Tensor:
        """erf(z)."""
        return z.erf()

    def derivative(self, z: Tensor) -> Tensor:
        """(2/√π) e^{−z²}."""
        return (-z * z).exp() * (2.0 / sqrt(pi))

    def moment(self, root: Tensor) -> Tensor:
        """√E[σ²] = √((2/π) A)."""
        least = _LEAST_ROOT[root.element_size()]
        # √A over √q first: below the least root the quotient is constant, and the result falls with the root.
        return root * (_row(root).root * sqrt(2.0 / pi) / root.clamp_min(least))

    def correlate(self, root_a: Tensor, root_b: Tensor, before: Correlation, *, slope: bool) -> Correlation:
        """1 ∓ (asin R)/√(AA') and the slope p p' / (√(AA') √(1 − R²)).

        σ is odd, so only 1 − |ρ| is computed; the sign of ρ says whether it is u or v.
        """
        a, b = _row(root_a), _row(root_b)
        negative = (before.u > 1.0).to(before.u.dtype)
        v = before.antipodal()
        rho = (v - before.u).mul_(0.5).abs_()
        uv = before.u.mul_(v)
        root = (uv * a.p2).mul_(b.p2).addcmul_(a.p2, b.g2).add_(a.g2).sqrt_()
        w = _small_angle(a, b, uv, rho, root)
        if _are_far(a, b):
            far = (a.root > _FAR * b.root) | (b.root > _FAR * a.root)
            w[far] = _direct(a, b, rho, root)[far]
        kappa = root.reciprocal_().mul_(a.p / a.root).mul_(b.p / b.root) if slope else None
        turn = (1.0 - w).mul_(2.0)
        u = w.addcmul(negative, turn)
        return Correlation(u, w.addcmul_(negative.neg_().add_(1.0), turn), slope=kappa)


def _row(root: Tensor) -> _Row:
    root = root.clamp_min(_LEAST_ROOT[root.element_size()])
    x = root * sqrt(2.0)
    g = x.new_ones(()).hypot(x).reciprocal()
    p = x * g
    y = x.new_ones(()).hypot(root * 2.0)
    e = root * 2.0 * (root * 2.0 / (y + 1.0))
    return _Row(p, p * p, g * g, e, g * sqrt(0.5), e.atan2(e + 2.0).mul(2.0).sqrt())


def _small_angle(a: _Row, b: _Row, uv: Tensor, rho: Tensor, root: Tensor) -> Tensor:
    """1 − |ρ_next| by the angle Δ; `rho` is |ρ|, `root` is √(1 − R²). Overwrites `uv` and `rho`.

    The quotient sin Δ is reduced by p p', which the squares of small rows would underflow without.
    """
    mixed = (a.e * a.gamma * b.gamma).addcmul_(a.gamma, b.e * b.gamma)
    sin_c = mixed.addcmul(a.e * a.gamma, b.e * b.gamma)
    cos_c = mixed.addcmul_(a.gamma, b.gamma, value=2.0)
    gap = a.e - b.e
    square = (gap * (a.gamma / a.p)).mul_(b.gamma / b.p).mul_(gap.mul_(a.gamma).mul_(b.gamma))
    above = uv.mul_(a.p).mul_(b.p).add_(square)
    below = (sin_c / a.p).div_(b.p).mul_(root).addcmul_(rho, cos_c)
    sine = above.div_(below)
    cosine = cos_c.mul_(root).add_(sin_c.mul_(rho).mul_(a.p).mul_(b.p))
    spread = a.root - b.root
    return sine.atan2_(cosine).sub_(spread.mul_(spread), alpha=0.5).div_(a.root).div_(b.root).clamp_min_(0.0)


def _are_far(a: _Row, b: _Row) -> bool:
    least_a, most_a = a.root.aminmax()
    least_b, most_b = b.root.aminmax()
    return bool((most_a > _FAR * least_b) | (most_b > _FAR * least_a))


def _direct(a: _Row, b: _Row, rho: Tensor, root: Tensor) -> Tensor:
    """1 − asin |R| / √(AA'), as it stands: right to the last digit of 1."""
    return 1.0 - (rho * a.p).mul_(b.p).atan2_(root).div_(a.root).div_(b.root)
