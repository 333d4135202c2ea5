"""Layers one after another."""

from dataclasses import dataclass
from typing import Annotated, Literal

from ntk_engine.fields import Faults
from ntk_engine.layers.base import Inner, Layer, Layers, fold, simplify
from ntk_engine.layers.signal import Signal


@dataclass(frozen=True, kw_only=True)
class Serial(Layer):
    """The layers, from the first to the last."""

    type: Literal["serial"] = "serial"
    layers: Annotated[Layers, Inner()]

    @property
    def inner(self) -> tuple[Layers, ...]:
        """Its one branch."""
        return (self.layers,)

    def after(self, signal: Signal, faults: Faults) -> Signal:
        """What the last of them leaves."""
        return fold(self.layers, signal, faults.at("layers"))

    def simplified(self, signal: Signal, *, finite: bool) -> tuple[Layers, Signal]:
        """Its layers themselves."""
        return simplify(self.layers, signal, finite=finite)
