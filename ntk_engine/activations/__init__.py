"""The registry of activations: a family is one file here, and its name in `AnyActivation`."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, fields
from typing import Any, get_args

from ntk_engine.activations.abrelu import ABRelu, Abs, LeakyRelu
from ntk_engine.activations.base import Activation, ClosedForm, Evaluation, Facts
from ntk_engine.activations.erf import Erf
from ntk_engine.activations.exponential import Exp
from ntk_engine.activations.expression import Expression
from ntk_engine.activations.gaussian import Gaussian
from ntk_engine.activations.gelu import Gelu
from ntk_engine.activations.polynomial import Hermite, Identity, Monomial, Polynomial
from ntk_engine.activations.rbf import Rbf
from ntk_engine.activations.rectified_power import RectifiedPower
from ntk_engine.activations.rectifiers import Elu, Mish, Selu, Silu, Softplus
from ntk_engine.activations.relu import Relu
from ntk_engine.activations.sigmoids import Arctan, HardTanh, Sigmoid, Softsign, Tanh
from ntk_engine.activations.sine import Cos, Sin
from ntk_engine.activations.step import Sign, Step
from ntk_engine.fields import ArchitectureError

__all__ = [
    "ACTIVATIONS",
    "Activation",
    "AnyActivation",
    "ClosedForm",
    "Evaluation",
    "Facts",
    "Relu",
    "describe",
    "parse",
]

AnyActivation = (
    Relu
    | LeakyRelu
    | ABRelu
    | Abs
    | Step
    | Sign
    | RectifiedPower
    | Erf
    | Gelu
    | Sin
    | Cos
    | Rbf
    | Gaussian
    | Exp
    | Polynomial
    | Monomial
    | Hermite
    | Identity
    | Tanh
    | Sigmoid
    | Arctan
    | Softsign
    | HardTanh
    | Softplus
    | Silu
    | Mish
    | Elu
    | Selu
    | Expression
)

ACTIVATIONS: dict[str, type[AnyActivation]] = {family.type: family for family in get_args(AnyActivation)}


def parse(value: object) -> AnyActivation:
    """An activation from its name, from a mapping such as {"type": "relu"}, or as it is.

    Raises ArchitectureError, with a sentence that names what is known, for anything else.
    """
    if isinstance(value, AnyActivation):
        return value
    given: Mapping[str, Any]
    given = {"type": value} if isinstance(value, str) else value if isinstance(value, Mapping) else {}
    name = given.get("type")
    if not isinstance(name, str) or name not in ACTIVATIONS:
        known = ", ".join(sorted(ACTIVATIONS))
        said = f"{name!r} is not a known activation" if "type" in given else "an activation needs a type"
        raise ArchitectureError((("", f'{said}; name one of {known}, or write {{"type": "relu"}}'),))
    return _build(ACTIVATIONS[name], {str(key): item for key, item in given.items() if key != "type"})


def describe() -> list[dict[str, object]]:
    """Every activation's name and facts, as JSON values, ordered by name."""
    return [{"type": name, **asdict(family.facts)} for name, family in sorted(ACTIVATIONS.items())]


def _build(family: type[AnyActivation], parameters: dict[str, Any]) -> AnyActivation:
    known = [field.name for field in fields(family) if field.name != "type" and field.init]
    unknown = sorted(set(parameters) - set(known))
    if unknown:
        takes = f"takes {', '.join(known)}" if known else "takes no parameters"
        raise ArchitectureError(tuple((name, f"{family.type} {takes}; {name!r} is unknown") for name in unknown))
    made = {name: tuple(item) if isinstance(item, list) else item for name, item in parameters.items()}
    make: Callable[..., AnyActivation] = family
    try:
        return make(**made)
    except ArchitectureError:
        raise
    except ValueError as error:
        # Sentences begin with the parameter that they are about.
        name = next((name for name in known if str(error).startswith(name)), "")
        raise ArchitectureError(((name, str(error)),)) from error
    except TypeError as error:
        missing = next((name for name in known if name not in made), "")
        raise ArchitectureError(((missing, f"{family.type} needs {missing}"),)) from error
