"""A skip connection."""

from dataclasses import dataclass, replace
from typing import Annotated, Literal

from ntk_engine.fields import Faults
from ntk_engine.layers.base import Inner, Layer, Layers, fold
from ntk_engine.layers.joining import join
from ntk_engine.layers.parallel import Parallel
from ntk_engine.layers.signal import Signal


@dataclass(frozen=True, kw_only=True)
class Residual(Layer):
    """z + f(z), where f are the layers: short for a sum of two branches, one of them without layers."""

    type: Literal["residual"] = "residual"
    layers: Annotated[Layers, Inner()]

    @property
    def inner(self) -> tuple[Layers, ...]:
        """The branches of the sum."""
        return ((), self.layers)

    def after(self, signal: Signal, faults: Faults) -> Signal:
        """The sum of what comes in and what the layers make of it."""
        start = replace(signal, own=False)
        end = fold(self.layers, start, faults.at("layers"))
        return join("sum", signal, [start, end], [faults, faults.at("layers")])

    def simplified(self, signal: Signal, *, finite: bool) -> tuple[Layers, Signal]:
        """The sum, spelled out."""
        return Parallel(branches=self.inner).simplified(signal, finite=finite)
