"""A wave whose kernel is that of radial basis functions: σ(z) = √2 sin(√(2γ) z + π/4) (Rahimi and Recht, 2007).

sin² π/4 = cos² π/4, so that the cosh and sinh of `sine` add up to an exponential: E[σσ'] = ρ_σ = e^{−γ(q + q' − 2s)}.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import pi, sqrt
from typing import TYPE_CHECKING, ClassVar, Literal

from ntk_engine.activations import formulas as f
from ntk_engine.activations.base import ClosedForm, Facts
from ntk_engine.activations.exponential import MOST, held, similarity
from ntk_engine.activations.parameters import number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor


@dataclass(frozen=True)
class Rbf(ClosedForm):
    """σ(z) = √2 sin(√(2γ) z + π/4). Raises ValueError where gamma is no positive number."""

    gamma: float = 1.0
    type: Literal["rbf"] = "rbf"

    facts: ClassVar[Facts] = Facts(
        formula="√2 sin(√(2·gamma) z + π/4)",
        description="A wave whose kernel is the Gaussian e^(−gamma|z − z'|²) of the preactivations.",
        polynomial=False,
        homogeneous=False,
        smoothness="C^inf",
    )
    nonnegative = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "gamma", number("gamma", self.gamma))
        if self.gamma <= 0.0:
            raise ValueError(f"gamma must be positive, not {self.gamma!r}")

    @property
    def parameters(self) -> tuple[float]:
        """√(2γ)."""
        return (sqrt(2.0 * self.gamma),)

    def value(self, z: Tensor) -> Tensor:
        """√2 sin(√(2γ) z + π/4)."""
        return (z * self.parameters[0] + pi / 4).sin() * sqrt(2.0)

    def derivative(self, z: Tensor) -> Tensor:
        """2√γ cos(√(2γ) z + π/4)."""
        return (z * self.parameters[0] + pi / 4).cos() * (2.0 * sqrt(self.gamma))

    def rows(self, root: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """`rows_beside` nothing."""
        return self.rows_beside(root, root.detach() * 0.0)

    def rows_beside(self, root: Tensor, rest: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """√E[σ²] = 1, and the words of √q."""
        return root.new_ones(root.shape) + root * 0.0, *held(root, rest, MOST / self.parameters[0])

    @staticmethod
    def pair(
        p: Sequence[float],
        a: Sequence[Tensor],
        b: Sequence[Tensor],
        rho: Tensor,
        gap: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """`similarity`."""
        return similarity(p[0], a[1:], b[1:], f.where(rho < 0.0, 2.0 - gap, gap))

    @classmethod
    def pair_nonnegative(
        cls,
        p: Sequence[float],
        a: Sequence[Tensor],
        b: Sequence[Tensor],
        rho: Tensor,
        gap: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """`similarity`."""
        return similarity(p[0], a[1:], b[1:], gap)
