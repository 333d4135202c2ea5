"""Activations without a closed form: their expectations are series and quadratures of their values.

Whoever adds one writes σ and σ' as tensor functions and names the points where they are not smooth.
"""

from __future__ import annotations

from abc import abstractmethod
from importlib import import_module
from typing import TYPE_CHECKING

from ntk_engine.activations.base import Activation, Dual, Evaluation

if TYPE_CHECKING:
    from torch import Tensor

# More kinks than these are not worth a term for each pair of them.
MOST_KINKS = 8


class Numeric(Activation):
    """An activation that is known by its values; it must be hashable, and continuous."""

    @property
    def kinks(self) -> tuple[float, ...]:
        """The points where σ or one of its derivatives is not smooth, in any order."""
        return ()

    @property
    def odd(self) -> bool:
        """Whether σ(−z) = −σ(z): half of the work."""
        return False

    @property
    def piecewise_linear(self) -> bool:
        """Whether σ' is known to be constant between the kinks."""
        return False

    @property
    def evaluation(self) -> Evaluation:
        """Tables are smooth in the rows' roots, and kinks other than 0 are not."""
        if set(self.kinks) <= {0.0}:
            return Evaluation.TABLES
        few = self.piecewise_linear and len(set(self.kinks)) <= MOST_KINKS
        return Evaluation.PIECES if few else Evaluation.QUADRATURE

    @abstractmethod
    def value(self, z: Tensor) -> Tensor:
        """σ(z), of any shape, accurate relative to itself."""

    @abstractmethod
    def derivative(self, z: Tensor) -> Tensor:
        """σ'(z), of any shape; 0 at a kink."""

    def dual(self, least: float, most: float) -> Dual:
        """The expectations for rows whose roots lie in [least, most]; equal arguments give the same object.

        Raises ArithmeticError where the accuracy of the engine cannot be certified: σ jumps or is not square
        integrable, a kink was not named, or σ has features that the quadratures do not resolve.
        """
        # Found by its name, so that whoever reads architectures need not load torch.
        dual: Dual = import_module("ntk_engine.activations.expectations").expectations(self, least, most)
        return dual
