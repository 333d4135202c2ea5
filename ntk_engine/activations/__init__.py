"""The registry of activations: a family is one file here, and its name in `AnyActivation`."""

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any, get_args

from ntk_engine.activations.base import Activation, ClosedForm, Facts
from ntk_engine.activations.erf import Erf
from ntk_engine.activations.gelu import Gelu
from ntk_engine.activations.relu import Relu

__all__ = ["ACTIVATIONS", "Activation", "AnyActivation", "ClosedForm", "Facts", "Relu", "describe", "parse"]

AnyActivation = Relu | Erf | Gelu

ACTIVATIONS: dict[str, type[AnyActivation]] = {family.type: family for family in get_args(AnyActivation)}


def parse(value: object) -> AnyActivation:
    """An activation from its name, from a mapping such as {"type": "relu"}, or as it is.

    Raises ValueError, with a sentence that names what is known, for anything else.
    """
    if isinstance(value, AnyActivation):
        return value
    given: Mapping[str, Any]
    given = {"type": value} if isinstance(value, str) else value if isinstance(value, Mapping) else {}
    name = given.get("type")
    if not isinstance(name, str) or name not in ACTIVATIONS:
        known = ", ".join(sorted(ACTIVATIONS))
        said = f"{name!r} is not a known activation" if "type" in given else "an activation needs a type"
        raise ValueError(f'{said}; name one of {known}, or write {{"type": "relu"}}')
    return _build(ACTIVATIONS[name], {str(key): item for key, item in given.items() if key != "type"})


def describe() -> list[dict[str, object]]:
    """Every activation's name, parameters with their defaults, and facts, as JSON values, ordered by name."""
    return [
        {
            "type": name,
            "parameters": {f.name: f.default for f in fields(family) if f.name != "type"},
            **asdict(family.facts),
        }
        for name, family in sorted(ACTIVATIONS.items())
    ]


def _build(family: type[AnyActivation], parameters: dict[str, Any]) -> AnyActivation:
    known = {field.name for field in fields(family)} - {"type"}
    unknown = sorted(set(parameters) - known)
    if unknown:
        takes = f"takes {', '.join(sorted(known))}" if known else "takes no parameters"
        raise ValueError(f"{family.type} {takes}; {', '.join(map(repr, unknown))} is unknown")
    return family(**parameters)
