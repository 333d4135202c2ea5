"""The Gaussian bump: σ(z) = a e^{bz²} with b < 0.

With X = −2bq of each row, E[σσ'] = a²/√((1 + X)(1 + X') − XX'ρ²) and E[σ²] = a²/√(1 + 2X), hence ρ_σ = 1/√h with
    h = h₁ + cc'(1 − ρ²),    h₁ = (1 + X + X')gg',    h₁² − 1 = (X − X')² g²g'²    for g = 1/√(1 + 2X) and c = Xg.
Every term is positive, and 1 − 1/√h = (h − 1)/(h + √h).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import TYPE_CHECKING, ClassVar, Literal

from ntk_engine.activations import formulas as f
from ntk_engine.activations.base import ClosedForm, Facts
from ntk_engine.activations.double_word import Double, settled, words
from ntk_engine.activations.parameters import number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

# Of √X: its square is still a number.
_MOST = 2.0**511


@dataclass(frozen=True)
class Gaussian(ClosedForm):
    """σ(z) = a e^{bz²}. Raises ValueError where one is no finite number, a is 0, or b is not negative."""

    a: float = 1.0
    b: float = -1.0
    type: Literal["gaussian"] = "gaussian"

    facts: ClassVar[Facts] = Facts(
        formula="a·exp(bz²), b < 0",
        description="A bump around 0, even and positive; its kernels are algebraic functions of those before.",
        polynomial=False,
        homogeneous=False,
        smoothness="C^inf",
    )
    nonnegative = True

    def __post_init__(self) -> None:
        for name in ("a", "b"):
            object.__setattr__(self, name, number(name, getattr(self, name)))
        if self.a == 0.0:
            raise ValueError("a must not be 0: the activation would be 0 everywhere")
        if self.b >= 0.0:
            raise ValueError(f"b must be negative, not {self.b!r}: E[σ²] would not be finite for every input")

    def value(self, z: Tensor) -> Tensor:
        """a e^{bz²}."""
        return (z * z * self.b).exp() * self.a

    def derivative(self, z: Tensor) -> Tensor:
        """2abz e^{bz²}."""
        return (z * z * self.b).exp() * z * (2.0 * self.a * self.b)

    def rows(self, root: Tensor) -> tuple[Tensor, ...]:
        """`rows_beside` nothing."""
        return self.rows_beside(root, root.detach() * 0.0)

    def rows_beside(self, root: Tensor, rest: Tensor) -> tuple[Tensor, ...]:
        """√E[σ²] = |a|√g, √X, g and c, and what rounding takes from √X."""
        scale = sqrt(-2.0 * self.b)
        x, least = settled((root * scale).clamp_max(_MOST), (words(root, rest) * scale).clip(0.0, _MOST))
        g = x.new_ones(()).hypot(x * sqrt(2.0)).reciprocal()
        return g.sqrt() * abs(self.a), x, g, x * (x * g), least

    def moment(self, root: Double) -> Double:
        """|a|/(1 + 2X)^¼."""
        return Double.of(abs(self.a)) / (root * root * (-4.0 * self.b) + 1.0).root().root()

    @staticmethod
    def pair(
        p: Sequence[float],
        a: Sequence[Tensor],
        b: Sequence[Tensor],
        rho: Tensor,
        gap: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """1/√h, (h − 1)/(h + √h) and cc'ρ/h^{3/2}."""
        (_, x_a, g_a, c_a, least_a), (_, x_b, g_b, c_b, least_b) = a, b
        least = c_a * g_b + c_b * g_a + g_a * g_b
        apart = ((x_a - x_b) + (least_a - least_b)) * g_a * ((x_a + x_b) * g_b)
        above = apart * apart / (least + 1.0) + c_a * c_b * (gap * (2.0 - gap))
        h = 1.0 + above
        root = f.sqrt(h)
        return 1.0 / root, above / (h + root), c_a * c_b / h * (rho / root)
