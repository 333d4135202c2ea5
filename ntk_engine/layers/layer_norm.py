"""Layer normalisation."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from ntk_engine.layers.base import Layer
from ntk_engine.layers.signal import Law


@dataclass(frozen=True, kw_only=True)
class LayerNorm(Layer):
    """(z − mean)/deviation over the neurons of each input: in the limit z/√K(x, x), where the mean is zero."""

    type: Literal["layer_norm"] = "layer_norm"
    needs: ClassVar[Law] = Law.CENTRED
    because: ClassVar[str] = (
        "layer_norm needs neurons of mean zero, because it divides by √K(x, x); put a dense layer before it"
    )
