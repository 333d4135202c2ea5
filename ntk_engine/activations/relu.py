"""ReLU: σ(z) = max(z, 0), whose duals are the arc-cosine kernels of order 0 and 1 (Section 4.1)."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import pi, sqrt
from typing import TYPE_CHECKING, ClassVar, Literal

from ntk_engine.activations import formulas as f
from ntk_engine.activations.base import ClosedForm, Facts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor


@dataclass(frozen=True)
class Relu(ClosedForm):
    """σ(z) = max(z, 0)."""

    type: Literal["relu"] = "relu"

    facts: ClassVar[Facts] = Facts(
        formula="max(z, 0)",
        description="The rectifier of the paper's experiments; its kernels are in closed form.",
        polynomial=False,
        homogeneous=True,
        smoothness="C^0",
    )
    nonnegative = True
    square_gain = Fraction(1, 2)
    single = True

    def value(self, z: Tensor) -> Tensor:
        """max(z, 0)."""
        return z.clamp_min(0.0)

    def derivative(self, z: Tensor) -> Tensor:
        """1 where z > 0, else 0."""
        return z.sign().clamp_min(0.0)  # a third of the time of a comparison

    def rows(self, root: Tensor) -> tuple[Tensor]:
        """√E[σ²] = √(q/2)."""
        return (root * sqrt(0.5),)

    @staticmethod
    def pair(
        p: Sequence[float],
        a: Sequence[Tensor],
        b: Sequence[Tensor],
        rho: Tensor,
        gap: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """κ₁ = (sin φ + (π − φ) cos φ)/π and κ₀ = 1 − φ/π; where ρ < 0, by ψ = π − φ: (sin ψ − ψ cos ψ)/π and ψ/π."""
        phi, _, excess = f.arc(gap)
        excess, turned = excess * (1.0 / pi), phi * (1.0 / pi)
        opposite = rho < 0.0
        after = f.where(opposite, 1.0 - excess, gap - excess)
        return f.where(opposite, excess, 1.0 - after), after, f.where(opposite, turned, 1.0 - turned)

    @classmethod
    def pair_nonnegative(
        cls,
        p: Sequence[float],
        a: Sequence[Tensor],
        b: Sequence[Tensor],
        rho: Tensor,
        gap: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """1 − κ₁ = gap − (sin φ − φ cos φ)/π.

        sin φ = √(gap (2 − gap)) is accurate relative to itself, hence so are φ and the excess, and the difference, at
        least half of the gap: no error grows over ten thousand layers but by its own size.
        """
        phi, _, excess = f.arc(gap)
        after = gap - excess * (1.0 / pi)
        return 1.0 - after, after, 1.0 - phi * (1.0 / pi)
