"""A factor."""

from dataclasses import dataclass, replace
from typing import Annotated, Literal

from ntk_engine.fields import Number
from ntk_engine.layers.base import Layer


@dataclass(frozen=True, kw_only=True)
class Scale(Layer):
    """c z: every kernel is multiplied by c²."""

    type: Literal["scale"] = "scale"
    factor: Annotated[float, Number("multiplies the neurons", nonzero=True)]

    @property
    def neutral(self) -> bool:
        """Where the factor is 1."""
        return self.factor == 1

    def in_limit(self) -> Layer:
        """Without its sign."""
        return replace(self, factor=abs(self.factor))
