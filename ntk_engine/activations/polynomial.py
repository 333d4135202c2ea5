"""Polynomials, whose duals are polynomials in the correlation; and the identity."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, partial
from math import factorial, sqrt
from typing import TYPE_CHECKING, ClassVar, Literal

from ntk_engine.activations.base import Activation, ClosedForm, Facts
from ntk_engine.activations.monomials import rows, ways
from ntk_engine.activations.parameters import integer, number
from ntk_engine.activations.series import Series

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from ntk_engine.activations.base import Dual

MOST = 20


class _Polynomial(Activation):
    """σ(z) = scale·Σ_n a_n z^n."""

    @property
    @abstractmethod
    def monomials(self) -> Sequence[float]:
        """a_0, a_1, …"""

    @property
    def scale(self) -> float:
        """The factor of all of them."""
        return 1.0

    def value(self, z: Tensor) -> Tensor:
        """Σ a_n z^n, by Horner's rule."""
        return _horner(self.monomials, z) * self.scale

    def derivative(self, z: Tensor) -> Tensor:
        """Σ n a_n z^{n−1}."""
        return _horner([n * a for n, a in enumerate(self.monomials)][1:] or [0.0], z) * self.scale

    def dual(self, least: float, most: float) -> Dual:
        """The finite series, for every root."""
        return self._series

    @cached_property
    def _series(self) -> Series:
        # An even polynomial of one sign has products ĉ_k ĉ'_k ≥ 0, of even k alone.
        even = not any(self.monomials[1::2])
        one_sign = min(self.monomials) >= 0.0 or max(self.monomials) <= 0.0
        return Series(partial(rows, self.monomials, self.scale), nonnegative=even and one_sign)


def _horner(coefficients: Sequence[float], z: Tensor) -> Tensor:
    result = z * 0.0 + coefficients[-1]
    for a in coefficients[-2::-1]:
        result = result * z + a
    return result


@dataclass(frozen=True)
class Polynomial(_Polynomial):
    """σ(z) = Σ_n coefficients[n] z^n.

    Raises ValueError where the coefficients are no list of 1 to 21 finite numbers, or all are 0.
    """

    coefficients: tuple[float, ...] = (0.0, 1.0)
    type: Literal["polynomial"] = "polynomial"

    facts: ClassVar[Facts] = Facts(
        formula="Σ coefficients[n] z^n",
        description="A polynomial of degree up to 20; its NTK is degenerate on many points.",
        polynomial=True,
        homogeneous=False,
        smoothness="C^inf",
    )

    def __post_init__(self) -> None:
        given: object = self.coefficients
        if not isinstance(given, list | tuple) or not 1 <= len(given) <= MOST + 1:
            raise ValueError(f"coefficients must be a list of 1 to {MOST + 1} numbers, not {given!r}")
        values = [number(f"coefficients[{n}]", a) for n, a in enumerate(given)]
        while values and values[-1] == 0.0:
            values.pop()
        if not values:
            raise ValueError("coefficients must not all be 0: the activation would be 0 everywhere")
        object.__setattr__(self, "coefficients", tuple(values))

    @property
    def monomials(self) -> tuple[float, ...]:
        """The coefficients."""
        return self.coefficients


@dataclass(frozen=True)
class Monomial(_Polynomial):
    """σ(z) = z^degree. Raises ValueError where degree is no integer from 0 to 20."""

    degree: int = 2
    type: Literal["monomial"] = "monomial"

    facts: ClassVar[Facts] = Facts(
        formula="z^degree",
        description="A power; its NTK is degenerate on many points.",
        polynomial=True,
        homogeneous=True,
        smoothness="C^inf",
    )

    def __post_init__(self) -> None:
        integer("degree", self.degree, 0, MOST)

    @property
    def monomials(self) -> tuple[float, ...]:
        """0, …, 0, 1."""
        return (0.0,) * self.degree + (1.0,)


@dataclass(frozen=True)
class Hermite(_Polynomial):
    """σ(z) = He_degree(z)/√degree!, of mean square 1 for variance 1. Raises ValueError as Monomial does."""

    degree: int = 2
    type: Literal["hermite"] = "hermite"

    facts: ClassVar[Facts] = Facts(
        formula="He_degree(z)/√(degree!)",
        description="A normalised Hermite polynomial (probabilists'); for variance 1 its dual is ρ^degree.",
        polynomial=True,
        homogeneous=False,
        smoothness="C^inf",
    )

    def __post_init__(self) -> None:
        integer("degree", self.degree, 0, MOST)

    @property
    def monomials(self) -> list[float]:
        """The coefficients of He_degree: whole numbers, with Σ_k (−1)^m n!/(2^m m! k!) z^k."""
        n = self.degree
        return [0.0 if (n - k) % 2 else (-1.0) ** ((n - k) // 2) * ways(n, k) for k in range(n + 1)]

    @property
    def scale(self) -> float:
        """1/√degree!."""
        return 1.0 / sqrt(factorial(self.degree))


@dataclass(frozen=True)
class Identity(ClosedForm):
    """σ(z) = z: a deep linear network."""

    type: Literal["identity"] = "identity"

    facts: ClassVar[Facts] = Facts(
        formula="z",
        description="No nonlinearity: a deep linear network, whose kernels have the rank of the inputs.",
        polynomial=True,
        homogeneous=True,
        smoothness="C^inf",
    )

    square_gain = Fraction(1)

    def value(self, z: Tensor) -> Tensor:
        """z."""
        return z * 1.0

    def derivative(self, z: Tensor) -> Tensor:
        """1."""
        return z * 0.0 + 1.0

    def rows(self, root: Tensor) -> tuple[Tensor]:
        """√q."""
        return (root,)

    @staticmethod
    def pair(
        p: Sequence[float],
        a: Sequence[Tensor],
        b: Sequence[Tensor],
        rho: Tensor,
        gap: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """ρ_σ = ρ."""
        return rho, gap, rho * 0.0 + 1.0
