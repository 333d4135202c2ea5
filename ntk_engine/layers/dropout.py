"""Dropout."""

from dataclasses import dataclass, replace
from typing import Annotated, Literal

from ntk_engine.fields import Faults, Number
from ntk_engine.layers.base import Layer
from ntk_engine.layers.signal import Law, Signal


@dataclass(frozen=True, kw_only=True)
class Dropout(Layer):
    """Every neuron of every input is set to 0 with probability `rate`, independently, or else divided by 1 − rate."""

    type: Literal["dropout"] = "dropout"
    rate: Annotated[float, Number("is the probability that a neuron is dropped", least=0, below=1)]

    def after(self, signal: Signal, faults: Faults) -> Signal:
        """Not Gaussian any more, but still centred where they were."""
        before = super().after(signal, faults)
        if self.neutral:
            return before
        return replace(before, law=min(before.law, Law.CENTRED), dropped=before.dropped or before.raw)

    @property
    def neutral(self) -> bool:
        """Where nothing is dropped."""
        return self.rate == 0
