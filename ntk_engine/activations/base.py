"""What the recursion asks of an activation, in units in which nothing overflows or cancels.

A pair of preactivations (z, z') ~ N(0, [[q, Σ], [Σ, q']]) is described by the roots √q and √q' and by the correlation
ρ = Σ/√(qq'), kept as u = 1 − ρ and v = 1 + ρ: near ρ = ±1, ρ itself has already lost what the kernel depends on.
Gain and bias of a layer are not an activation's business. Tensors are reached through their methods alone, so that
torch is needed to compute and not to import.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True)
class Facts:
    """What a user may want to know of an activation before choosing it."""

    formula: str
    description: str
    polynomial: bool
    """Proposition 2 (a positive definite NTK on the sphere, for L ≥ 2) asks for an activation that is none."""
    homogeneous: bool
    """σ(cz) = cσ(z) for every c > 0: with β = 0 the kernels scale with the inputs, and correlations do not."""
    smoothness: str
    """The smoothness class of σ: `C^0` (continuous, kinks allowed), `C^1`, …, `C^inf`."""


@dataclass(frozen=True, slots=True)
class Correlation:
    """Correlations ρ of pairs, broadcast to one shape; each field is accurate relative to itself.

    `v` is None where ρ is bounded away from −1, so that 2 − u does; `rho` is None where 1 − u is as good. `slope` is
    the derivative's dual in the same units, E[σ'σ'] √q √q' / √(E[σ²] E[σ'²]), and None where it was not asked for.
    """

    u: Tensor
    v: Tensor | None = None
    rho: Tensor | None = None
    slope: Tensor | None = None

    def antipodal(self) -> Tensor:
        """1 + ρ; a new tensor where it is not carried."""
        return self.v if self.v is not None else 2.0 - self.u


class Activation(ABC):
    """A pointwise nonlinearity σ with its Gaussian expectations.

    A family is one frozen dataclass of its parameters, with a `type: Literal[...]` field that names it.
    """

    facts: ClassVar[Facts]

    @abstractmethod
    def value(self, z: Tensor) -> Tensor:
        """σ(z), of any shape."""

    @abstractmethod
    def derivative(self, z: Tensor) -> Tensor:
        """σ'(z), of any shape; 0 at a kink."""

    @abstractmethod
    def moment(self, root: Tensor) -> Tensor:
        """√E[σ(z)²] for z ~ N(0, root²); any shape, no overflow where the result is representable."""

    @abstractmethod
    def correlate(self, root_a: Tensor, root_b: Tensor, before: Correlation, *, slope: bool) -> Correlation:
        """The correlation of (σ(z), σ(z')) from the one of (z, z'), and the slope where asked.

        `root_a` and `root_b` are √q and √q', broadcastable to the shape of `before`, whose tensors are given up: they
        may be overwritten. A pair with a zero root may get any finite correlation where σ(0) = 0.
        """
