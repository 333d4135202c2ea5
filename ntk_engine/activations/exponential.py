"""The exponential: σ(z) = a e^{bz}, whose dual is an exponential of the squared distance.

E[σσ'] = a² e^{b²(q + q' + 2s)/2}, hence √E[σ²] = |a| e^{b²q} and ρ_σ = e^{−b²(q + q' − 2s)/2}.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from ntk_engine.activations import formulas as f
from ntk_engine.activations.base import ClosedForm, Facts
from ntk_engine.activations.double_functions import exponential
from ntk_engine.activations.parameters import number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from ntk_engine.activations.double_word import Double

MOST = 2.0**511
"""Of b√q: its square is still a number, and e^{−b²q} has long been 0."""
# √E[σ²] beyond which it has overflowed, and what is the least correlation of such a row.
_LARGEST, _LEAST = 1.7e308, 1e-300


@dataclass(frozen=True)
class Exp(ClosedForm):
    """σ(z) = a e^{bz}. Raises ValueError where one is no finite number, or 0."""

    a: float = 1.0
    b: float = 1.0
    type: Literal["exp"] = "exp"

    facts: ClassVar[Facts] = Facts(
        formula="a·exp(bz)",
        description="The exponential; normalised, its kernel is e^(−b²|z − z'|²/2) of the preactivations.",
        polynomial=False,
        homogeneous=False,
        smoothness="C^inf",
        domain="inputs with b²Σ(x, x) < 709 − log|a| before each activation; kernels overflow beyond",
    )
    nonnegative = True

    def __post_init__(self) -> None:
        for name in ("a", "b"):
            object.__setattr__(self, name, number(name, getattr(self, name)))
            if getattr(self, name) == 0.0:
                raise ValueError(f"{name} must not be 0: the activation would be constant")

    def value(self, z: Tensor) -> Tensor:
        """a e^{bz}."""
        return (z * self.b).exp() * self.a

    def derivative(self, z: Tensor) -> Tensor:
        """ab e^{bz}."""
        return (z * self.b).exp() * (self.a * self.b)

    @property
    def parameters(self) -> tuple[float]:
        """|b|."""
        return (abs(self.b),)

    def rows(self, root: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """`rows_beside` nothing."""
        return self.rows_beside(root, root.detach() * 0.0)

    def rows_beside(self, root: Tensor, rest: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """√E[σ²], infinite where it overflows, and the words of √q."""
        scaled = root * self.b
        return (scaled * scaled).exp() * abs(self.a), *held(root, rest, MOST / abs(self.b))

    def moment(self, root: Double) -> Double:
        """|a| e^{b²q}."""
        scaled = root * self.b
        return exponential(scaled * scaled)[0] * abs(self.a)

    @staticmethod
    def pair(
        p: Sequence[float],
        a: Sequence[Tensor],
        b: Sequence[Tensor],
        rho: Tensor,
        gap: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """`similarity`, and what is left of it beside a row that has overflowed."""
        return _left(a, b, *similarity(p[0], a[1:], b[1:], f.where(rho < 0.0, 2.0 - gap, gap)))

    @classmethod
    def pair_nonnegative(
        cls,
        p: Sequence[float],
        a: Sequence[Tensor],
        b: Sequence[Tensor],
        rho: Tensor,
        gap: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """`similarity`, and what is left of it beside a row that has overflowed."""
        return _left(a, b, *similarity(p[0], a[1:], b[1:], gap))


def _left(
    a: Sequence[Tensor], b: Sequence[Tensor], rho: Tensor, gap: Tensor, slope: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """With more than 0 for a correlation that has underflowed where √E[σ²] has overflowed: E[σσ'] > 0 is not 0."""
    lost = f.where(a[0] + b[0] > _LARGEST, rho * 0.0 + _LEAST, rho * 0.0)
    return f.where(rho < lost, lost, rho), gap, f.where(slope < lost, lost, slope)


def held(root: Tensor, rest: Tensor, most: float) -> tuple[Tensor, Tensor]:
    """The words of √q, or `most` where that is less."""
    return root.clamp_max(most), rest.where(root <= most, 0.0)


def similarity(scale: float, a: Sequence[Tensor], b: Sequence[Tensor], below: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """k = e^{−d²/2}, 1 − k and dk/dρ for d² = scale² ((√q − √q')² + 2√q√q'(1 − ρ)).

    a, b: the words of √q and √q'. below: 1 − ρ. Nothing in it cancels but √q − √q', which is exact where it does.
    """
    apart, product = ((a[0] - b[0]) + (a[1] - b[1])) * scale, a[0] * scale * (b[0] * scale)
    half = apart * apart * 0.5 + product * below
    after = f.exp(-half)
    return after, -f.expm1(-half), product * after
