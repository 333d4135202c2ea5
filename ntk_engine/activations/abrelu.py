"""Rectifiers with one slope on each side of 0: σ(z) = a·min(z, 0) + b·max(z, 0) (ABReLU, leaky ReLU, the modulus).

σ = αz + β|z| with α = (a + b)/2 and β = (b − a)/2, and E[z|z'|] = 0, so by E|zz'| of the arc-cosine kernel of order 1
(Section 4.1), with ψ = arccos |ρ|, c = −2ab/(a² + b²) and t = (b − a)²/((a² + b²) π),
    ρ_σ = t (sin ψ − ψ cos ψ) + (ρ where ρ ≥ 0, c|ρ| where ρ < 0),      dρ_σ/dρ = 1 − tψ, and tψ − c where ρ < 0.
1 − c = (a + b)²/(a² + b²) and 1 + c = (a − b)²/(a² + b²) are taken as they stand: for σ near |z| or z they are small.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from fractions import Fraction
from math import frexp, hypot, ldexp, pi, sqrt
from typing import TYPE_CHECKING, ClassVar, Literal

from ntk_engine.activations import formulas as f
from ntk_engine.activations.base import ClosedForm, Facts
from ntk_engine.activations.parameters import number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor


class TwoSlopes(ClosedForm):
    """σ(z) = a·min(z, 0) + b·max(z, 0) for the `slopes` (a, b)."""

    single = True

    @property
    @abstractmethod
    def slopes(self) -> tuple[float, float]:
        """(a, b)."""

    def __post_init__(self) -> None:
        a, b = self.slopes
        # ρ_σ ≥ c|ρ| where ρ < 0. The signs are compared, as ab may underflow.
        object.__setattr__(self, "nonnegative", min(a, b) <= 0.0 <= max(a, b))
        object.__setattr__(self, "square_gain", (Fraction(a) ** 2 + Fraction(b) ** 2) / 2)

    def value(self, z: Tensor) -> Tensor:
        """a·min(z, 0) + b·max(z, 0)."""
        a, b = self.slopes
        return z.clamp_max(0.0) * a + z.clamp_min(0.0) * b

    def derivative(self, z: Tensor) -> Tensor:
        """a where z < 0, b where z > 0, and 0 at the kink, where there is one."""
        a, b = self.slopes
        below, above = (-z).sign().clamp_min(0.0), z.sign().clamp_min(0.0)
        return below * a + above * b if a != b else below * 0.0 + a

    def rows(self, root: Tensor) -> tuple[Tensor]:
        """√E[σ²] = √((a² + b²)/2) √q."""
        a, b = self.slopes
        return (root * hypot(a * sqrt(0.5), b * sqrt(0.5)),)

    @property
    def parameters(self) -> tuple[float, float, float, float]:
        """c, t, 1 − c and 1 + c."""
        # Slopes may be as large or as small as floats are; powers of two leave their sum and difference exact.
        _, exponent = frexp(max(map(abs, self.slopes)))
        a, b = (ldexp(side, -exponent) for side in self.slopes)
        square, above, below = a * a + b * b, (b - a) * (b - a), (a + b) * (a + b)
        return -2.0 * a * b / square, above / square / pi, below / square, above / square

    @staticmethod
    def pair(
        p: Sequence[float],
        a: Sequence[Tensor],
        b: Sequence[Tensor],
        rho: Tensor,
        gap: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """As above; where ρ < 0, 1 − ρ_σ = 1 − c + c·gap − t(…) and 1 + ρ_σ = 1 + c − c·gap + t(…)."""
        phi, _, excess = f.arc(gap)
        bent, turned = excess * p[1], phi * p[1]
        opposite = rho < 0.0
        value = f.where(opposite, rho * -p[0], rho) + bent
        below = f.where(opposite, gap * p[0] + p[2], gap) - bent
        above = p[3] - gap * p[0] + bent
        return value, f.where(value < 0.0, above, below), f.where(opposite, turned - p[0], 1.0 - turned)

    @classmethod
    def pair_nonnegative(
        cls,
        p: Sequence[float],
        a: Sequence[Tensor],
        b: Sequence[Tensor],
        rho: Tensor,
        gap: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """1 − ρ_σ = gap − t (sin φ − φ cos φ), as for ReLU."""
        phi, _, excess = f.arc(gap)
        after = gap - excess * p[1]
        return 1.0 - after, after, 1.0 - phi * p[1]


@dataclass(frozen=True)
class ABRelu(TwoSlopes):
    """σ(z) = a·min(z, 0) + b·max(z, 0). Raises ValueError where a slope is no finite number, or both are 0."""

    a: float = -1.0
    b: float = 1.0
    type: Literal["abrelu"] = "abrelu"

    facts: ClassVar[Facts] = Facts(
        formula="a·min(z, 0) + b·max(z, 0)",
        description="A rectifier with one slope on each side of 0; a = 0, b = 1 is ReLU.",
        polynomial=False,
        homogeneous=True,
        smoothness="C^0",
    )

    def __post_init__(self) -> None:
        for name in ("a", "b"):
            object.__setattr__(self, name, number(name, getattr(self, name)))
        if self.a == 0.0 == self.b:
            raise ValueError("a and b must not both be 0: the activation would be 0 everywhere")
        super().__post_init__()

    @property
    def slopes(self) -> tuple[float, float]:
        """(a, b)."""
        return self.a, self.b


@dataclass(frozen=True)
class LeakyRelu(TwoSlopes):
    """σ(z) = z for z > 0 and negative_slope·z below. Raises ValueError where that is no finite number."""

    negative_slope: float = 0.01
    type: Literal["leaky_relu"] = "leaky_relu"

    facts: ClassVar[Facts] = Facts(
        formula="max(z, 0) + negative_slope·min(z, 0)",
        description="ReLU that lets a part of negative inputs through.",
        polynomial=False,
        homogeneous=True,
        smoothness="C^0",
    )

    def __post_init__(self) -> None:
        object.__setattr__(self, "negative_slope", number("negative_slope", self.negative_slope))
        super().__post_init__()

    @property
    def slopes(self) -> tuple[float, float]:
        """(negative_slope, 1)."""
        return self.negative_slope, 1.0


@dataclass(frozen=True)
class Abs(TwoSlopes):
    """σ(z) = |z|."""

    type: Literal["abs"] = "abs"

    facts: ClassVar[Facts] = Facts(
        formula="|z|",
        description="The modulus; opposite inputs are the same to it.",
        polynomial=False,
        homogeneous=True,
        smoothness="C^0",
    )

    @property
    def slopes(self) -> tuple[float, float]:
        """(−1, 1)."""
        return -1.0, 1.0
