"""Activations that are nearly 0 on the left and nearly z on the right: softplus, SiLU, Mish, ELU and SELU."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from ntk_engine.activations import formulas as f
from ntk_engine.activations.base import Facts
from ntk_engine.activations.numeric import Numeric

if TYPE_CHECKING:
    from torch import Tensor

# Klambauer, Unterthiner, Mayr, Hochreiter (2017): a mean of 0 and a variance of 1 reproduce themselves.
SELU_ALPHA = 1.6732632423543772848170429916717
SELU_SCALE = 1.0507009873554804934193349852946


def _facts(formula: str, description: str, smoothness: str) -> Facts:
    return Facts(formula, description, polynomial=False, homogeneous=False, smoothness=smoothness, closed_form=False)


@dataclass(frozen=True)
class Softplus(Numeric):
    """σ(z) = log(1 + e^z)."""

    type: Literal["softplus"] = "softplus"

    facts: ClassVar[Facts] = _facts("log(1 + exp(z))", "A smooth rectifier, positive everywhere.", "C^inf")

    def value(self, z: Tensor) -> Tensor:
        """max(z, 0) + log(1 + e^−|z|)."""
        return z.clamp_min(0.0) + f.decay(-z.abs()).log1p()

    def derivative(self, z: Tensor) -> Tensor:
        """1/(1 + e^−z)."""
        return z.sigmoid()


@dataclass(frozen=True)
class Silu(Numeric):
    """σ(z) = z/(1 + e^−z)."""

    type: Literal["silu"] = "silu"

    facts: ClassVar[Facts] = _facts("z/(1 + exp(-z))", "The sigmoid linear unit, or swish.", "C^inf")

    def value(self, z: Tensor) -> Tensor:
        """z/(1 + e^−z)."""
        return z * z.sigmoid()

    def derivative(self, z: Tensor) -> Tensor:
        """s(1 + z(1 − s)), s = 1/(1 + e^−z)."""
        return z.sigmoid() * (1.0 + z * (-z).sigmoid())


@dataclass(frozen=True)
class Mish(Numeric):
    """σ(z) = z tanh(log(1 + e^z))."""

    type: Literal["mish"] = "mish"

    facts: ClassVar[Facts] = _facts("z*tanh(log(1 + exp(z)))", "A smooth rectifier with a dip below 0.", "C^inf")

    def value(self, z: Tensor) -> Tensor:
        """z t, t = p(p + 2s)/(p² + 2ps + 2s²) with (p, s) = (1, e^−z) where z > 0, else (e^z, 1)."""
        p, s = _shares(z)
        return z * (p * (p + 2.0 * s) / (p * (p + 2.0 * s) + 2.0 * s * s))

    def derivative(self, z: Tensor) -> Tensor:
        """t + z t', t' = 4 (p + s) p s²/(p² + 2ps + 2s²)²."""
        p, s = _shares(z)
        part, rest = p * (p + 2.0 * s), 2.0 * s * s
        whole = part + rest
        return part / whole + z * (2.0 * (p + s) * p * rest) / (whole * whole)


def _shares(z: Tensor) -> tuple[Tensor, Tensor]:
    e, right = f.decay(-z.abs()), z > 0.0
    return e.masked_fill(right, 1.0), e.masked_fill(~right, 1.0)


@dataclass(frozen=True)
class Elu(Numeric):
    """σ(z) = z for z > 0, else e^z − 1 (α = 1)."""

    type: Literal["elu"] = "elu"

    facts: ClassVar[Facts] = _facts("z if z > 0 else exp(z) - 1", "The exponential linear unit with α = 1.", "C^1")
    kinks: ClassVar[tuple[float, ...]] = (0.0,)

    def value(self, z: Tensor) -> Tensor:
        """max(z, 0) + e^min(z, 0) − 1."""
        return z.clamp_min(0.0) + z.clamp_max(0.0).expm1()

    def derivative(self, z: Tensor) -> Tensor:
        """e^min(z, 0)."""
        return f.decay(z.clamp_max(0.0))


@dataclass(frozen=True)
class Selu(Numeric):
    """σ(z) = λz for z > 0, else λα(e^z − 1)."""

    type: Literal["selu"] = "selu"

    facts: ClassVar[Facts] = _facts(
        "1.0507*z if z > 0 else 1.0507*1.6733*(exp(z) - 1)",
        "The scaled exponential linear unit, whose constants keep a mean of 0 and a variance of 1.",
        "C^0",
    )
    kinks: ClassVar[tuple[float, ...]] = (0.0,)

    def value(self, z: Tensor) -> Tensor:
        """λ(max(z, 0) + α(e^min(z, 0) − 1))."""
        return (z.clamp_min(0.0) + z.clamp_max(0.0).expm1() * SELU_ALPHA) * SELU_SCALE

    def derivative(self, z: Tensor) -> Tensor:
        """λ where z > 0, λα e^z where z < 0."""
        left = f.decay(z.clamp_max(0.0)) * (z < 0.0) * SELU_ALPHA
        return (left + (z > 0.0)) * SELU_SCALE
