"""From images to vectors."""

from dataclasses import dataclass
from typing import Literal

from ntk_engine.layers.base import Layer


@dataclass(frozen=True, kw_only=True)
class Flatten(Layer):
    """Every position and channel becomes a neuron; vectors stay what they are."""

    type: Literal["flatten"] = "flatten"

    @property
    def neutral(self) -> bool:
        """Always: dense layers take images as vectors, and what they make are vectors."""
        return True
