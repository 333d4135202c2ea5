"""Bounded, increasing activations: tanh, the logistic function, arctan, softsign and the hard tanh."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from ntk_engine.activations import formulas as f
from ntk_engine.activations.base import Facts
from ntk_engine.activations.numeric import Numeric

if TYPE_CHECKING:
    from torch import Tensor


def _facts(formula: str, description: str, smoothness: str) -> Facts:
    return Facts(formula, description, polynomial=False, homogeneous=False, smoothness=smoothness, closed_form=False)


@dataclass(frozen=True)
class Tanh(Numeric):
    """σ(z) = tanh z."""

    type: Literal["tanh"] = "tanh"

    facts: ClassVar[Facts] = _facts("tanh(z)", "The hyperbolic tangent: odd, between -1 and 1.", "C^inf")
    odd: ClassVar[bool] = True

    def value(self, z: Tensor) -> Tensor:
        """tanh z."""
        return z.tanh()

    def derivative(self, z: Tensor) -> Tensor:
        """1/cosh² z = 4e/(1 + e)², e = exp(−2|z|)."""
        e = f.decay(z.abs() * -2.0)
        return 4.0 * e / (1.0 + e).square()


@dataclass(frozen=True)
class Sigmoid(Numeric):
    """σ(z) = 1/(1 + e^−z)."""

    type: Literal["sigmoid"] = "sigmoid"

    facts: ClassVar[Facts] = _facts("1/(1 + exp(-z))", "The logistic function: between 0 and 1.", "C^inf")

    def value(self, z: Tensor) -> Tensor:
        """1/(1 + e^−z)."""
        return z.sigmoid()

    def derivative(self, z: Tensor) -> Tensor:
        """e/(1 + e)², e = exp(−|z|)."""
        e = f.decay(-z.abs())
        return e / (1.0 + e).square()


@dataclass(frozen=True)
class Arctan(Numeric):
    """σ(z) = arctan z."""

    type: Literal["arctan"] = "arctan"

    facts: ClassVar[Facts] = _facts("arctan(z)", "The arc tangent: odd, between -π/2 and π/2.", "C^inf")
    odd: ClassVar[bool] = True

    def value(self, z: Tensor) -> Tensor:
        """arctan z."""
        return z.atan()

    def derivative(self, z: Tensor) -> Tensor:
        """1/(1 + z²)."""
        return (1.0 + z.square()).reciprocal()


@dataclass(frozen=True)
class Softsign(Numeric):
    """σ(z) = z/(1 + |z|)."""

    type: Literal["softsign"] = "softsign"

    facts: ClassVar[Facts] = _facts("z/(1 + |z|)", "Odd, between -1 and 1, which it reaches slowly.", "C^1")
    odd: ClassVar[bool] = True
    kinks: ClassVar[tuple[float, ...]] = (0.0,)

    def value(self, z: Tensor) -> Tensor:
        """z/(1 + |z|)."""
        return z / (1.0 + z.abs())

    def derivative(self, z: Tensor) -> Tensor:
        """1/(1 + |z|)²."""
        return (1.0 + z.abs()).square().reciprocal()


@dataclass(frozen=True)
class HardTanh(Numeric):
    """σ(z) = min(max(z, −1), 1)."""

    type: Literal["hard_tanh"] = "hard_tanh"

    facts: ClassVar[Facts] = _facts("min(max(z, -1), 1)", "The identity, cut off at -1 and 1.", "C^0")
    odd: ClassVar[bool] = True
    kinks: ClassVar[tuple[float, ...]] = (-1.0, 1.0)
    piecewise_linear: ClassVar[bool] = True

    def value(self, z: Tensor) -> Tensor:
        """min(max(z, −1), 1)."""
        return z.clamp(-1.0, 1.0)

    def derivative(self, z: Tensor) -> Tensor:
        """1 where |z| < 1, else 0."""
        return (z.abs() < 1.0).to(z.dtype)
