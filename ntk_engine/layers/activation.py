"""An activation as a layer: σ, neuron by neuron."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar, Literal

from ntk_engine.activations import ACTIVATIONS, AnyActivation, parse
from ntk_engine.fields import ArchitectureError, Faults, Rule, Schema
from ntk_engine.layers.base import Layer
from ntk_engine.layers.signal import Law, Signal


class Named(Rule):
    """An activation; its name is a short form of {"type": name}."""

    def take(self, name: str, value: Any, faults: Faults) -> Any:
        kind = value.get("type") if isinstance(value, Mapping) else value
        try:
            if not isinstance(kind, str | AnyActivation):
                raise ValueError(f'{name} must be a name, or an object with a type such as {{"type": "relu"}}')
            return parse(value)
        except ArchitectureError as error:
            faults.extend(error)
        except ValueError as error:
            faults.add(str(error))
        return value

    def __get_pydantic_core_schema__(self, source: Any, handler: Callable[[Any], Schema]) -> Schema:
        return {
            "type": "function-before",
            "function": {"type": "no-info", "function": parse},
            "schema": handler(source),
        }

    def __get_pydantic_json_schema__(self, core: Any, handler: Callable[[Any], Schema]) -> Schema:
        return {"anyOf": [{"type": "string", "enum": sorted(ACTIVATIONS)}, handler(core["schema"])]}


@dataclass(frozen=True, kw_only=True)
class Nonlinearity(Layer):
    """σ of every neuron. In a list of layers its activation may stand for it: "relu", {"type": "relu"}."""

    type: Literal["activation"] = "activation"
    activation: Annotated[AnyActivation, Named()]
    needs: ClassVar[Law] = Law.GAUSSIAN
    because: ClassVar[str] = (
        "an activation needs Gaussian neurons, because its kernel is an expectation over them;"
        " put a dense layer just before it"
    )

    def after(self, signal: Signal, faults: Faults) -> Signal:
        """Any law: E[σ(z)] need not be zero."""
        return replace(super().after(signal, faults), law=Law.ANY)
