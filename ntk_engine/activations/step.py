"""Activations that jump: the Heaviside step and the sign, whose dual is the arc-cosine kernel of order 0.

Both have σ' = 0 wherever it exists. The covariance of the jumps, E[δ(z)δ(z')] = 1/(2π √(qq') sin φ), is infinite for
equal rows; the slope is that of the pointwise derivative, 0: a tangent kernel holds the last layer's part alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import pi, sqrt
from typing import TYPE_CHECKING, ClassVar, Literal

from ntk_engine.activations import formulas as f
from ntk_engine.activations.base import ClosedForm, Facts
from ntk_engine.activations.double_word import Double, root_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor


@dataclass(frozen=True)
class Step(ClosedForm):
    """σ(z) = 1 where z > 0, else 0."""

    type: Literal["step"] = "step"

    facts: ClassVar[Facts] = Facts(
        formula="1 where z > 0, else 0",
        description="Heaviside's step; its pointwise derivative is 0, and nothing is learned below the last layer.",
        polynomial=False,
        homogeneous=True,
        smoothness="C^-1",
    )
    nonnegative = True

    def value(self, z: Tensor) -> Tensor:
        """1 where z > 0, else 0."""
        return (z > 0.0).to(z.dtype)

    def derivative(self, z: Tensor) -> Tensor:
        """0."""
        return z * 0.0

    def rows(self, root: Tensor) -> tuple[Tensor]:
        """√E[σ²] = √½, and 0 for a zero row."""
        return ((root > 0.0).to(root.dtype) * sqrt(0.5),)

    def moment(self, root: Double) -> Double:
        """√½, and 0 for a zero row."""
        return Double.of((root.high > 0.0) * 1.0) * root_of(Fraction(1, 2))

    @staticmethod
    def pair(
        p: Sequence[float],
        a: Sequence[Tensor],
        b: Sequence[Tensor],
        rho: Tensor,
        gap: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """κ₀ = 1 − φ/π; where ρ < 0, by ψ = π − φ: ψ/π."""
        turned = _angle(gap) * (1.0 / pi)
        near, opposite = 1.0 - turned, rho < 0.0
        return f.where(opposite, turned, near), f.where(opposite, near, turned), rho * 0.0

    @classmethod
    def pair_nonnegative(
        cls,
        p: Sequence[float],
        a: Sequence[Tensor],
        b: Sequence[Tensor],
        rho: Tensor,
        gap: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """κ₀ = 1 − φ/π."""
        after = _angle(gap) * (1.0 / pi)
        return 1.0 - after, after, rho * 0.0


@dataclass(frozen=True)
class Sign(ClosedForm):
    """σ(z) = −1, 0 or 1, as z is negative, 0 or positive."""

    type: Literal["sign"] = "sign"

    facts: ClassVar[Facts] = Facts(
        formula="−1 where z < 0, 1 where z > 0, 0 at 0",
        description="The sign; its pointwise derivative is 0, and nothing is learned below the last layer.",
        polynomial=False,
        homogeneous=True,
        smoothness="C^-1",
    )

    def value(self, z: Tensor) -> Tensor:
        """−1, 0 or 1."""
        return z.sign()

    def derivative(self, z: Tensor) -> Tensor:
        """0."""
        return z * 0.0

    def rows(self, root: Tensor) -> tuple[Tensor]:
        """√E[σ²] = 1, and 0 for a zero row."""
        return ((root > 0.0).to(root.dtype),)

    def moment(self, root: Double) -> Double:
        """1, and 0 for a zero row."""
        return Double.of((root.high > 0.0) * 1.0)

    @staticmethod
    def pair(
        p: Sequence[float],
        a: Sequence[Tensor],
        b: Sequence[Tensor],
        rho: Tensor,
        gap: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """(2/π) arcsin ρ = 1 − 2φ/π, an odd function of ρ."""
        after = _angle(gap) * (2.0 / pi)
        near = 1.0 - after
        return f.where(rho < 0.0, -near, near), after, rho * 0.0


def _angle(gap: Tensor) -> Tensor:
    """arccos |ρ|."""
    return f.angle(f.sqrt(gap * (2.0 - gap)), 1.0 - gap)
