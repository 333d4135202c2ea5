"""ReLU: σ(z) = max(z, 0), whose duals are the arc-cosine kernels of order 0 and 1 (Section 4.1)."""

from __future__ import annotations

from dataclasses import dataclass
from math import factorial, pi, sqrt
from typing import TYPE_CHECKING, ClassVar, Literal

from ntk_engine.activations.base import Activation, Correlation, Facts

if TYPE_CHECKING:
    from torch import Tensor

# Below this 1 + ρ the pair counts as antipodal: π − φ < 0.26, where κ₁ ≤ 1.8e-3 and 1 − (1 − κ₁) starts to lose digits.
_ANTIPODAL = 2.0**-5
# sin ψ − ψ cos ψ = Σ_k (−1)^{k+1} 2k/(2k+1)! ψ^{2k+1}; seven terms are exact to 1e-18 relative for ψ < 0.26.
_SERIES = tuple((-1) ** (k + 1) * 2 * k / factorial(2 * k + 1) for k in range(1, 8))


@dataclass(frozen=True)
class Relu(Activation):
    """σ(z) = max(z, 0)."""

    type: Literal["relu"] = "relu"

    facts: ClassVar[Facts] = Facts(
        formula="max(z, 0)",
        description="The rectifier of the paper's experiments; its kernels are in closed form.",
        polynomial=False,
        homogeneous=True,
        smoothness="C^0",
    )

    def value(self, z: Tensor) -> Tensor:
        """max(z, 0)."""
        return z.clamp_min(0.0)

    def derivative(self, z: Tensor) -> Tensor:
        """1 where z > 0, else 0."""
        return (z > 0.0).to(z.dtype)

    def moment(self, root: Tensor) -> Tensor:
        """√E[σ²] = √(q/2)."""
        return root * sqrt(0.5)

    def correlate(
        self,
        root_a: Tensor,  # noqa: ARG002 (homogeneous: the roots say nothing)
        root_b: Tensor,  # noqa: ARG002
        before: Correlation,
        *,
        slope: bool,
    ) -> Correlation:
        """1 − κ₁ = u − (sin φ − φ cos φ)/π and κ₀ = 1 − φ/π, with cos φ = ρ; they depend on ρ alone.

        sin φ = √(uv) is accurate relative to itself at both ends, hence so is φ near 0: what rounding leaves moves φ by
        its last digits only, at this layer and at all that follow. The result has ρ ≥ 0, so v is not carried on.
        """
        antipodal = None if before.v is None else _antipodal(before.u, before.v)
        u = before.u
        sine = (u * before.antipodal()).sqrt_()
        cosine = 1.0 - u
        angle = sine.atan2(cosine)
        # At φ of the order of the last digit, the difference of equals may exceed u: the clamp keeps roots real.
        u = u.sub_(sine.sub_(cosine.mul_(angle)), alpha=1.0 / pi).clamp_min_(0.0)
        kappa_0 = angle.mul_(-1.0 / pi).add_(1.0) if slope else None
        if antipodal is None:
            return Correlation(u, slope=kappa_0)
        where, exact_0, exact_1 = antipodal
        u[where] = 1.0 - exact_1
        rho = 1.0 - u
        rho[where] = exact_1
        if kappa_0 is not None:
            kappa_0[where] = exact_0
        return Correlation(u, rho=rho, slope=kappa_0)


def _antipodal(u: Tensor, v: Tensor) -> tuple[Tensor, Tensor, Tensor] | None:
    """Where 1 + ρ is small, κ₀ = ψ/π and κ₁ = (sin ψ − ψ cos ψ)/π from ψ = π − φ, accurate relative to themselves."""
    where = v < _ANTIPODAL
    if not bool(where.any()):
        return None
    near = v[where]
    psi = (u[where] * near).sqrt_().atan2(1.0 - near)
    square = psi * psi
    series = square * 0.0
    for coefficient in reversed(_SERIES):
        series = series.mul_(square).add_(coefficient)
    return where, psi / pi, series.mul_(square).mul_(psi).div_(pi)
