"""What the recursion asks of an activation, in units in which nothing overflows or cancels.

A pair of preactivations (z, z') ~ N(0, [[q, Σ], [Σ, q']]) is described by the roots √q and √q' and by the correlation
ρ = Σ/√(qq'), kept as ρ and as its gap 1 − |ρ|: near ρ = ±1, ρ itself has already lost what the kernel depends on.
Gain and bias of a layer are not an activation's business. Tensors are reached through their methods alone, so that
torch is needed to compute and not to import. All of it is float64, whatever the inputs were, but for `Formula.single`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from ntk_engine.activations.double_word import root_of

if TYPE_CHECKING:
    from fractions import Fraction

    from torch import Tensor

    from ntk_engine.activations.double_word import Double


class Evaluation(Enum):
    """How the expectations of pairs are found, from the fastest to the slowest."""

    CLOSED = "a formula"
    TABLES = "a series or tables"
    PIECES = "elementary integrals, pair by pair"
    QUADRATURE = "quadrature, pair by pair"


@dataclass(frozen=True, slots=True)
class Facts:
    """What a user may want to know of a family of activations before choosing it."""

    formula: str
    description: str
    polynomial: bool
    """Proposition 2 (a positive definite NTK on the sphere, for L ≥ 2) asks for an activation that is none."""
    homogeneous: bool
    """σ(cz) = c^p σ(z) for every c > 0: with β = 0 correlations do not depend on the inputs' norms."""
    smoothness: str
    """The smoothness class of σ: `C^-1` (jumps), `C^0` (continuous, kinks allowed), `C^1`, …, `C^inf`."""
    closed_form: bool = True
    """Whether its Gaussian expectations are elementary functions; otherwise they are series and quadrature."""
    domain: str = "every finite input"
    """The inputs for which the kernels are finite."""


class After(NamedTuple):
    """Pairs after an activation."""

    rho: Tensor
    """ρ_σ = E[σσ']/√(E[σ²] E[σ'²])."""
    gap: Tensor
    """1 − |ρ_σ|."""
    slope: Tensor
    """dρ_σ/dρ = E[σ'σ'] √(qq') / √(E[σ²] E[σ'²])."""


class Dual(ABC):
    """The Gaussian expectations of an activation, for rows whose roots lie in some range."""

    nonnegative: bool = False
    """Whether ρ ≥ 0 after the activation, whatever it was before."""
    square_gain: Fraction | None = None
    """E[σ²]/q where that is a constant."""
    error: float = 0.0
    """What series and quadratures leave, beside rounding: relative to itself of √E[σ²], of the angle arccos ρ_σ, and of
    the slope in units of √(κκ'), κ and κ' being the slopes of both rows at ρ = 1. Measured, by a finer rule."""

    @abstractmethod
    def rows(self, root: Tensor) -> Sequence[Tensor]:
        """What one row brings to its pairs, each of the shape of `root` = √q: √E[σ(z)²] first, then what pairs need.

        No overflow or underflow where √E[σ²] is representable; differentiable in `root`.
        """

    def rows_beside(self, root: Tensor, rest: Tensor) -> Sequence[Tensor]:
        """`rows` for √q = root + rest, where `rest` is what rounding took from √q."""
        return self.rows(root)

    def moment(self, root: Double) -> Double | None:
        """√E[σ²] in two words, for √q = `root` (n); None where it is known to the digits of `rows` alone.

        Whatever is no number where squares of the root are none.
        """
        return None if self.square_gain is None else root * root_of(self.square_gain)

    @abstractmethod
    def correlate(self, a: Sequence[Tensor], b: Sequence[Tensor], rho: Tensor, gap: Tensor) -> After:
        """The correlation after the activation and its slope, from the one before.

        a, b: `rows` of the two sides, broadcastable to ρ and its gap. The gap is right relative to itself, or as far as
        an error of a few units of the last digit in the angle arccos |ρ_σ| moves it: to eps·√gap. A pair with a zero
        row may get anything finite where σ(0) = 0.
        """


class Formula(Dual):
    """Expectations that are elementary functions of what rows bring and the correlation.

    The pair formula is written once, with arithmetic, comparisons and the functions of `formulas`; it is evaluated on
    tensors (any device, differentiable) and, recorded operation by operation, compiled for the processor.
    """

    single: ClassVar[bool] = False
    """Whether `pair` may be compiled for float32, too: it asks nothing of numbers' bits and magnifies no angles."""

    @property
    def parameters(self) -> tuple[float, ...]:
        """The numbers that `pair` reads; formulas are compiled once for all of them."""
        return ()

    @property
    def whole(self) -> Formula:
        """The formula of the same activation for rows of all roots: rows of this one begin with rows of that."""
        return self

    def beside(self, root: Tensor, rest: Tensor) -> Sequence[Tensor]:
        """What follows them, if anything."""
        return ()

    @staticmethod
    @abstractmethod
    def pair(
        p: Sequence[float], a: Sequence[Tensor], b: Sequence[Tensor], rho: Tensor, gap: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """`correlate` with the `parameters` given. No Python branch may depend on a tensor or a parameter."""

    @classmethod
    def pair_nonnegative(
        cls, p: Sequence[float], a: Sequence[Tensor], b: Sequence[Tensor], rho: Tensor, gap: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """`pair` where ρ ≥ 0 before the activation and after it; it serves only where a family has one of its own."""
        return cls.pair(p, a, b, rho, gap)

    def correlate(self, a: Sequence[Tensor], b: Sequence[Tensor], rho: Tensor, gap: Tensor) -> After:
        """The pair formula, evaluated."""
        return After(*self.pair(self.parameters, a, b, rho, gap))


class Activation(ABC):
    """A pointwise nonlinearity σ. A family is one frozen dataclass of its parameters, with a `type: Literal[...]`."""

    facts: ClassVar[Facts]

    @property
    def evaluation(self) -> Evaluation:
        """What an entry of a kernel costs here, for rows of any norms."""
        return Evaluation.CLOSED

    @abstractmethod
    def value(self, z: Tensor) -> Tensor:
        """σ(z), of any shape."""

    @abstractmethod
    def derivative(self, z: Tensor) -> Tensor:
        """σ'(z), of any shape; 0 at a kink or jump."""

    @abstractmethod
    def dual(self, least: float, most: float) -> Dual:
        """The expectations for rows whose roots lie in [least, most]."""


class ClosedForm(Activation, Formula):
    """An activation whose expectations are a formula, for rows of all roots."""

    def dual(self, least: float, most: float) -> Formula:
        """Itself: a closed form holds for every root."""
        return self

    narrows: ClassVar[bool] = False
    """Whether `narrow` gives anything else than itself."""

    def narrow(self, least: float, most: float) -> Formula:
        """The same for rows whose roots lie in [least, most] alone, where that takes less work."""
        return self
