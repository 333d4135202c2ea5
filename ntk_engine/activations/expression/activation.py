"""σ(z) as its user writes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from ntk_engine.activations.base import Facts
from ntk_engine.activations.expression.compiled import Compiled, compile_expression
from ntk_engine.activations.expression.operations import TENSORS
from ntk_engine.activations.numeric import Numeric

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Expression(Numeric):
    """σ(z) as an expression in z; `kinks` are the points where it is not smooth and that do not follow from it.

    Both are brought into one form: the canonical text, and all kinks in rising order. Raises ValueError.
    """

    expression: str
    kinks: tuple[float, ...] = ()
    type: Literal["expression"] = "expression"

    facts: ClassVar[Facts] = Facts(
        formula="the expression",
        description="An activation of one's own: any expression in z.",
        polynomial=False,
        homogeneous=False,
        smoothness="C^0",
        closed_form=False,
        domain="depends on the expression",
    )

    def __post_init__(self) -> None:
        compiled = compile_expression(self.expression, self.kinks)
        # Beside the fields: neither compared nor shown.
        object.__setattr__(self, "_compiled", compiled)
        object.__setattr__(self, "expression", compiled.text)
        object.__setattr__(self, "kinks", compiled.kinks)
        object.__setattr__(self, "facts", compiled.facts)

    @property
    def odd(self) -> bool:
        """Whether σ(−z) = −σ(z), by comparison at thousands of points."""
        return self._programs.odd

    @property
    def piecewise_linear(self) -> bool:
        """Whether σ is affine between its kinks, by the rules of `kinks`."""
        return self._programs.affine

    def value(self, z: Tensor) -> Tensor:
        """σ(z), of any shape."""
        value: Tensor = self._programs.value.run(z, TENSORS)
        return value

    def derivative(self, z: Tensor) -> Tensor:
        """σ'(z), of any shape; 0 where it does not exist."""
        slope: Tensor = self._programs.derivative.run(z, TENSORS)
        for kink in self._programs.bends:
            slope = slope.masked_fill(z == kink, 0.0)
        return slope

    @property
    def _programs(self) -> Compiled:
        programs: Compiled = vars(self)["_compiled"]
        return programs
