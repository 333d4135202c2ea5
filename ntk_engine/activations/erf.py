"""The error function, whose dual is an arc sine (Williams, 1997).

With p = √(2q/(1 + 2q)) and g = 1/√(1 + 2q) of each row, R = pp', and C² = AA' for A = arcsin p² = (π/2) E[erf²],
    E[σσ'] = (2/π) arcsin Rρ,    E[σ'σ'] = (4/π) gg'/√(1 − R²ρ²),
    1 − |ρ_σ| = ((C − arcsin R) + (arcsin R − arcsin R|ρ|))/C
of which `arcs` has both differences without cancellation. A constant c is an even part beside it.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from math import pi, sqrt
from typing import TYPE_CHECKING, ClassVar, Literal

from ntk_engine.activations import arcs, parts
from ntk_engine.activations import formulas as f
from ntk_engine.activations.base import ClosedForm, Facts, Formula
from ntk_engine.activations.double_functions import PI
from ntk_engine.activations.double_word import Double, settled, words
from ntk_engine.activations.parameters import number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

# 4x² and 1/(1 + 2x²) are normal numbers up to it; erf is the sign there, but for pairs of less than 1/x between them.
_MOST = 2.0**509


@dataclass(frozen=True)
class Erf(ClosedForm):
    """σ(z) = a·erf(bz) + c. Raises ValueError where one is no finite number, or a or b is 0."""

    a: float = 1.0
    b: float = 1.0
    c: float = 0.0
    type: Literal["erf"] = "erf"

    facts: ClassVar[Facts] = Facts(
        formula="a·erf(bz) + c, erf(z) = 2/√π ∫_0^z exp(−t²) dt",
        description="A bounded sigmoid, odd where c = 0, whose kernels are in closed form.",
        polynomial=False,
        homogeneous=False,
        smoothness="C^inf",
    )

    def __post_init__(self) -> None:
        for name in ("a", "b", "c"):
            object.__setattr__(self, name, number(name, getattr(self, name)))
        for name in ("a", "b"):
            if getattr(self, name) == 0.0:
                raise ValueError(f"{name} must not be 0: the activation would be constant")

    def value(self, z: Tensor) -> Tensor:
        """a·erf(bz) + c."""
        return (z * self.b).erf() * self.a + self.c

    def derivative(self, z: Tensor) -> Tensor:
        """(2/√π) ab e^{−b²z²}."""
        scaled = z * self.b
        return f.decay(-scaled * scaled) * (2.0 / sqrt(pi) * self.a * self.b)

    def rows(self, root: Tensor) -> tuple[Tensor, ...]:
        """`rows_beside` nothing."""
        return self.rows_beside(root, root.detach() * 0.0)

    def rows_beside(self, root: Tensor, rest: Tensor) -> tuple[Tensor, ...]:
        """√E[σ²], the shares of erf and of c, and the row's arcs."""
        given = words(root, rest)
        x, least = settled((root * abs(self.b)).clamp_max(_MOST), (given * abs(self.b)).clip(0.0, _MOST))
        arc = arcs.rows(x, least)
        # √A = p (1 + m), where p is that of x itself: below the least root of `arcs`, m is 0.
        odd = x * (arc[2] * (1.0 + arc[4])) * (2.0 / sqrt(pi) * abs(self.a))
        exact = (self._odd(given), Double.of(abs(self.c))) if self.c else None
        return *parts.shares(odd, x.new_full(x.shape, abs(self.c)), exact), *arc

    def moment(self, root: Double) -> Double:
        """√(a² (2/π) A + c²)."""
        odd = self._odd(root)
        return parts.sum_of(odd, Double.of(self.c)) if self.c else odd

    def _odd(self, root: Double) -> Double:
        """|a| √E[erf²], the same to 1e-70 for all x > 1e70."""
        return arcs.root_of_arc((root * abs(self.b)).clip(0.0, 1e70)) * (Double.of(2.0) / PI).root() * abs(self.a)

    @staticmethod
    def pair(
        p: Sequence[float],
        a: Sequence[Tensor],
        b: Sequence[Tensor],
        rho: Tensor,
        gap: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Of erf ψ/C, (spread + δ)/C and R/(C cos ψ), C = √(AA'); then the constant beside it."""
        arc, inverse = arcs.arcs(a[5:], b[5:], rho, gap), a[10] * b[10]
        odd = arc.psi * inverse, (arc.spread + arc.delta) * inverse
        after, apart = parts.together(a[1:5], b[1:5], odd, (1.0, 0.0))
        return after, apart, a[1] * b[1] * (arc.product * inverse / arc.cosine)

    narrows = True

    def narrow(self, least: float, most: float) -> Formula:
        """With 1 − ρ_σ at ρ = 1 by polynomials, where these are exact."""
        # Found by its name, so that whoever reads architectures need not load torch.
        narrowed: Formula = import_module("ntk_engine.activations.narrow").erf(self, least, most)
        return narrowed
