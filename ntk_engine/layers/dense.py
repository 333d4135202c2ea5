"""The dense layer."""

from dataclasses import dataclass, replace
from typing import Annotated, ClassVar, Literal

from ntk_engine.fields import Count, Faults, Number
from ntk_engine.layers.base import Layer
from ntk_engine.layers.signal import Law, Signal


@dataclass(frozen=True, kw_only=True)
class Dense(Layer):
    """z = σ_w/√n W a + β b with n inputs a, and W, b iid N(0, 1) (Section 2, with a gain σ_w).

    `width` is the number of neurons z. In `standard` parametrization (Remark 1) the factors are the deviations of W and
    b instead: the same functions at initialisation, but another tangent kernel, which depends on n.
    """

    type: Literal["dense"] = "dense"
    sigma_w: Annotated[float, Number("scales the weights", above=0)] = 1.0
    beta: Annotated[float, Number("scales the biases", least=0)] = 0.1
    width: Annotated[int | None, Count("counts the neurons", optional=True)] = None
    parametrization: Literal["ntk", "standard"] = "ntk"
    dense: ClassVar[int] = 1

    def gain(self, inputs: int) -> float:
        """The factor of W a."""
        return self.sigma_w / inputs**0.5 if self.parametrization == "ntk" else 1.0

    @property
    def shift(self) -> float:
        """The factor of b."""
        return self.beta if self.parametrization == "ntk" else 1.0

    def after(self, signal: Signal, faults: Faults) -> Signal:
        """Fresh Gaussian neurons, whatever came before (Proposition 1); given the mask, where inputs were dropped."""
        before = super().after(signal, faults)
        if self.parametrization == "standard" and before.width is None and not before.raw:
            faults.add(
                "a dense layer in standard parametrization needs the width of the layer before it, because its tangent"
                " kernel depends on that"
            )
        return Signal(law=Law.GAUSSIAN, raw=False, own=True, dropped=before.dropped, width=self.width)

    def without_width(self, needed: bool) -> tuple[Layer, bool]:
        """The width stays for a later layer in standard parametrization alone."""
        return self if needed or self.width is None else replace(self, width=None), self.parametrization == "standard"
