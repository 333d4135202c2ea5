"""What a layer is: data that checks itself, and what it does to what is known of the neurons. No computation."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from ntk_engine.fields import Faults, Rule, Schema, check, plain
from ntk_engine.layers.signal import SOME_WIDTH, Law, Signal

if TYPE_CHECKING:
    from ntk_engine.layers.reading import Reader

DROPPED = (
    "{} cannot follow dropped inputs, because these do not widen with the network: each mask leaves the neurons a"
    " covariance of its own, and the kernel of their mean is not the mean of the kernels; drop neurons of a hidden"
    " layer instead"
)

__all__ = ["Faulty", "Inner", "Layer", "Layers", "fold", "simplify", "without_widths"]


class Layer:
    """One step of a network. A family is one frozen dataclass with a `type: Literal[…]`, every field with its rule.

    Raises ArchitectureError for fields that are wrong.
    """

    __pydantic_config__: ClassVar[dict[str, object]] = {"extra": "forbid"}
    dense: ClassVar[int] = 0
    """What it adds to a network's depth: 1 for a layer with weights."""
    needs: ClassVar[Law] = Law.ANY
    """What the law of the neurons before it must be,"""
    because: ClassVar[str] = ""
    """and a sentence that says why."""
    type: str

    def __post_init__(self) -> None:
        check(self)

    @property
    def inner(self) -> "tuple[Layers, ...]":
        """The branches of layers that stand inside it."""
        return ()

    @property
    def neutral(self) -> bool:
        """Whether it changes nothing."""
        return False

    def after(self, signal: Signal, faults: Faults) -> Signal:
        """The neurons after it; where it cannot follow those before, `faults` learns why."""
        if signal.law < self.needs:
            faults.add(self.because)
        elif signal.dropped and self.needs > Law.ANY:
            faults.add(DROPPED.format("an activation" if self.type == "activation" else self.type))
            return replace(signal, dropped=False)  # said once
        return signal

    def in_limit(self) -> "Layer":
        """The layer as far as infinite width depends on it, its width apart."""
        return self

    def simplified(self, signal: Signal, *, finite: bool) -> "tuple[Layers, Signal]":
        """The layers of its canonical form, or of that of its limit, and the neurons after it."""
        layer = self if finite else self.in_limit()
        return () if layer.neutral else (layer,), self.after(signal, Faults())

    def without_width(self, needed: bool) -> "tuple[Layer, bool]":
        """The layer without a width that is not `needed` after it, and whether it needs the width before it."""
        return self, needed

    @cached_property
    def text(self) -> str:
        """The same for equal layers, and what branches are put into an order by."""
        return json.dumps(plain(self), sort_keys=True)

    def describe(self) -> dict[str, object]:
        """The layer as JSON values, every field explicit."""
        described: dict[str, object] = plain(self)
        return described


Layers = tuple[Layer, ...]


class Faulty(Layer):
    """Stands where a layer could not be read, so that the rest of the network is looked at all the same."""

    type = "faulty"

    def __post_init__(self) -> None:
        """It has no fields."""

    def after(self, signal: Signal, faults: Faults) -> Signal:
        """Neurons that anything can follow."""
        before = super().after(signal, faults)
        return replace(before, law=Law.GAUSSIAN, raw=False, own=True, dropped=False, mixed=False, width=SOME_WIDTH)


def fold(layers: Sequence[Layer], signal: Signal, faults: Faults) -> Signal:
    """The neurons after all of the layers; `faults` learns of each that cannot follow those before it."""
    for number, layer in enumerate(layers):
        signal = layer.after(signal, faults.at(number))
    return signal


def simplify(layers: Sequence[Layer], signal: Signal, *, finite: bool) -> tuple[Layers, Signal]:
    """The layers in canonical form, one after another, and the neurons after them."""
    found: list[Layer] = []
    for layer in layers:
        some, signal = layer.simplified(signal, finite=finite)
        found += some
    return tuple(found), signal


def without_widths(layers: Sequence[Layer], needed: bool) -> tuple[Layers, bool]:
    """The layers without the widths that the limit does not depend on, and whether the width before them is needed."""
    found: list[Layer] = []
    for layer in reversed(layers):
        kept, needed = layer.without_width(needed)
        found.append(kept)
    return tuple(reversed(found)), needed


class Inner(Rule):
    """A list of layers."""

    def take(self, name: str, value: Any, faults: Faults) -> Any:
        if not isinstance(value, list | tuple):
            faults.add(f"{name} must be a list of layers")
            return ()
        for number, layer in enumerate(value):
            if not isinstance(layer, Layer):
                faults.at(number).add("a layer must be an object of its class here")
        return tuple(value)

    def read(self, name: str, value: Any, reader: "Reader", faults: Faults, level: int) -> Any:
        """The field's value out of JSON."""
        return reader.layers(name, value, faults, level)

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Schema:
        # The registry imports every layer, and so this module.
        from ntk_engine.layers.reading import Reader, hints

        def read(value: object) -> object:
            faults = Faults()
            found = self.read("layers", value, Reader(), faults, 1)
            faults.settle()
            return found

        return {
            "type": "function-before",
            "function": {"type": "no-info", "function": read},
            "schema": handler.generate_schema(self.listed(hints())),
        }

    def __get_pydantic_json_schema__(self, core: Any, handler: Callable[[Any], Schema]) -> Schema:
        return handler(core["schema"])

    def listed(self, layer: Any) -> Any:
        """The field's type, from that of one layer."""
        return tuple[layer, ...]
