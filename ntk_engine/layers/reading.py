"""Layers out of JSON: every fault at once, and no further than the limits."""

from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any, TypeVar

from ntk_engine.activations import ACTIVATIONS, Activation, AnyActivation
from ntk_engine.fields import LONGEST_SHOWN, ArchitectureError, Faults, instead, rules
from ntk_engine.layers import LAYERS, AnyLayer, Nonlinearity
from ntk_engine.layers.base import Faulty, Inner, Layer, Layers

Built = TypeVar("Built")
MOST_LAYERS = 10_000
MOST_NESTED = 20
# Of JSON in JSON, parameters of activations included.
MOST_LEVELS = 100


class Reader:
    """Reads one network, and counts its layers."""

    def __init__(self) -> None:
        self.count = 0

    def layers(self, name: str, value: object, faults: Faults, level: int) -> Layers:
        """The layers of a list that stands in `level` others; Faulty where one cannot be read."""
        if not isinstance(value, list | tuple):
            faults.add(f"{name} must be a list of layers{instead(value)}")
            return (Faulty(),)
        if not self.takes(len(value), faults, level):
            return (Faulty(),)
        return tuple(self.layer(item, faults.at(number), level) for number, item in enumerate(value))

    def takes(self, count: int, faults: Faults, level: int) -> bool:
        """Whether so many more layers or branches, in `level` lists, are within the limits."""
        self.count += count
        if self.count > MOST_LAYERS:
            faults.add(f"a network has at most {MOST_LAYERS:,} layers, branches included")
        elif level > MOST_NESTED:
            faults.add(f"layers stand at most {MOST_NESTED} deep in one another")
        return self.count <= MOST_LAYERS and level <= MOST_NESTED

    def layer(self, value: object, faults: Faults, level: int) -> Layer:
        """A layer from its name, from an object with a type, or as it is; an activation is a layer too."""
        if isinstance(value, Layer):
            return value
        if isinstance(value, Activation):
            value = {"type": "activation", "activation": value}
        given = {"type": value} if isinstance(value, str) else value
        if not isinstance(given, Mapping) or not isinstance(given.get("type"), str):
            row = '; a list in a list is {"type": "serial", "layers": […]}' if isinstance(value, list | tuple) else ""
            faults.add(f'a layer is a name such as "relu", or an object with a type{row}')
            return Faulty()
        name = given["type"]
        if name in LAYERS:
            return self.build(LAYERS[name], given, faults, level) or Faulty()
        if name in ACTIVATIONS:
            return self._activation(given, faults)
        where = faults if isinstance(value, str) else faults.at("type")
        where.add(f"the type of a layer is one of {', '.join(sorted({*LAYERS, *ACTIVATIONS}))}{instead(name)}")
        return Faulty()

    def build(self, family: type[Built], given: Mapping[Any, Any], faults: Faults, level: int) -> Built | None:
        """The dataclass of these fields, or None where it cannot be made; `faults` learns why."""
        known = rules(family)
        needed = [field.name for field in fields(family) if field.default is MISSING]  # type: ignore[arg-type]
        for name in needed:
            if name not in given:
                faults.at(name).add(f"{name} is missing")
        for name in given:
            if name not in known:
                faults.at(name).add(f"{str(name)[:LONGEST_SHOWN]} is not a field here; there are {', '.join(known)}")
        inside = {
            name: rule.read(name, given[name], self, faults.at(name), level + 1)
            for name, rule in known.items()
            if name in given and isinstance(rule, Inner)
        }
        values = {name: given[name] for name in known if name in given} | inside
        checked = len(faults.found)
        values = {name: known[name].take(name, value, faults.at(name)) for name, value in values.items()}
        if len(faults.found) > checked or not all(name in values for name in needed):
            return None
        try:
            return family(**values)
        except ArchitectureError as error:
            faults.extend(error)
        return None

    def _activation(self, given: Mapping[Any, Any], faults: Faults) -> Layer:
        """An activation that stands in a list as itself."""
        found = Faults()
        activation = rules(Nonlinearity)["activation"].take("activation", given, found)
        if not found.found:
            return Nonlinearity(activation=activation)
        faults.extend(ArchitectureError(tuple(found.found)))
        return Faulty()


def too_deep(value: object) -> bool:
    """Whether lists and objects stand more than MOST_LEVELS deep in one another; without recursion."""
    level = [value]
    for _ in range(MOST_LEVELS):
        level = [inner for item in level for inner in _inside(item)]
    return bool(level)


def _inside(value: object) -> list[Any]:
    if isinstance(value, Mapping):
        return list(value.values())
    return list(value) if isinstance(value, list | tuple) else []


def hints() -> Any:
    """The type of what may stand in a list of layers, for its schema."""
    return AnyLayer | AnyActivation | str
