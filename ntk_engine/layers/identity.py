"""The identity."""

from dataclasses import dataclass
from typing import Literal

from ntk_engine.layers.base import Layer


@dataclass(frozen=True, kw_only=True)
class Identity(Layer):
    """What comes in goes out."""

    type: Literal["identity"] = "identity"

    @property
    def neutral(self) -> bool:
        """Always."""
        return True
