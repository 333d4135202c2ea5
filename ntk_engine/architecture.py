"""What a network is: frozen dataclasses that load without torch, the engine's input language.

A network is an `Mlp`, or a `Network`: any layers of `ntk_engine.layers`, in branches too. Both are plain dataclasses
that pydantic validates as they are (`TypeAdapter(Architecture)`).
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar, Literal

from ntk_engine.activations import AnyActivation, Evaluation, Relu
from ntk_engine.fields import ArchitectureError, Count, Faults, Number, Schema, check, instead, plain
from ntk_engine.layers import Dense, Layer, Layers, Nonlinearity, Serial
from ntk_engine.layers.activation import Named
from ntk_engine.layers.base import fold, simplify, without_widths
from ntk_engine.layers.reading import MOST_LEVELS, Reader, hints, too_deep
from ntk_engine.layers.signal import Signal

__all__ = [
    "Architecture",
    "ArchitectureError",
    "Evaluation",
    "Mlp",
    "Network",
    "activations",
    "canonical",
    "depth",
    "evaluations",
    "layers",
    "mlp",
    "parse",
    "simplified",
    "steps",
]

_RELU = Relu()


@dataclass(frozen=True, kw_only=True)
class Mlp:
    """A dense network of depth L: L dense layers, L − 1 of them hidden; L = 1 is linear (Section 2, with a gain σ_w).

    `width`, of every hidden layer, matters to finite networks alone. Raises ArchitectureError.
    """

    __pydantic_config__: ClassVar[dict[str, object]] = {"extra": "forbid"}

    type: Literal["mlp"] = "mlp"
    depth: Annotated[int, Count("counts the dense layers")]
    activation: Annotated[AnyActivation, Named()] = _RELU
    beta: Annotated[float, Number("scales the biases", least=0)] = 0.1
    sigma_w: Annotated[float, Number("scales the weights", above=0)] = 1.0
    width: Annotated[int | None, Count("counts the neurons of a hidden layer", optional=True)] = None

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True, kw_only=True)
class Network(Serial):
    """Layers from the inputs on, each of which can follow those before it. Raises ArchitectureError.

    Where outputs have several laws (after a concatenation), the kernel is their mean; after dropout, it is the mean
    over what is dropped.
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        faults = Faults()
        end = fold(self.layers, Signal(), faults.at("layers"))
        if end.raw:
            faults.at("layers").add("a network needs a dense layer, because it has no parameters without one")
        faults.settle()


class _Parsed:
    """Mark of an architecture in any of its forms."""

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Schema:
        # The list is there for the JSON Schema: what comes out of `parse` is never one.
        forms = {"type": "union", "choices": [handler(source), handler.generate_schema(list[hints()])]}  # type: ignore[misc]
        return {"type": "function-before", "function": {"type": "no-info", "function": parse}, "schema": forms}

    def __get_pydantic_json_schema__(self, core: Any, handler: Callable[[Any], Schema]) -> Schema:
        return handler(core["schema"])


Architecture = Annotated[Mlp | Network, _Parsed()]


def mlp(
    depth: int,
    activation: AnyActivation | str | dict[str, Any] = "relu",
    beta: float = 0.1,
    sigma_w: float = 1.0,
    width: int | None = None,
) -> Mlp:
    """A dense network; `activation` is a name, a mapping with a `type`, or the dataclass. Raises ArchitectureError."""
    return Mlp(depth=depth, activation=activation, beta=beta, sigma_w=sigma_w, width=width)  # type: ignore[arg-type]


def parse(value: object) -> Mlp | Network:
    """An architecture out of JSON: an object with a type, "mlp" or "serial", or a list of layers; or as it is.

    Layers are names, objects with a type, or objects of their classes. Raises ArchitectureError, with every fault where
    it stands in `value`.
    """
    if isinstance(value, Mlp | Network):
        return value
    faults = Faults()
    made = _read(value, faults)
    if isinstance(value, list | tuple):
        faults.found = [(path.removeprefix("layers").removeprefix("/"), said) for path, said in faults.found]
    faults.settle()
    assert made is not None
    return made


def _read(value: object, faults: Faults) -> Mlp | Network | None:
    if too_deep(value):
        faults.add(f"lists and objects stand at most {MOST_LEVELS} deep in one another")
        return None
    given = {"type": "serial", "layers": value} if isinstance(value, list | tuple) else value
    if not isinstance(given, Mapping):
        faults.add(f"an architecture is an object with a type, or a list of layers{instead(value)}")
        return None
    kind = given.get("type", "serial" if "layers" in given else "mlp")
    if kind == "mlp":
        return Reader().build(Mlp, given, faults, 0)
    if kind == "serial":
        return Reader().build(Network, given, faults, 0)
    faults.at("type").add(f'type must be "mlp" or "serial"{instead(kind)}')
    return None


def simplified(arch: Mlp | Network, *, finite: bool = True) -> Mlp | Network:
    """The one form of all equal networks: an Mlp where it is one, else a Network of few kinds of layers.

    What has no effect is gone, as are `serial` and `residual`; sums in sums and products in products are one, their
    branches in one order. Not `finite`: without what infinite width does not depend on.
    """
    if isinstance(arch, Mlp):
        return arch if finite else replace(arch, width=None)
    found, _ = simplify(arch.layers, Signal(), finite=finite)
    if not finite:
        found, _ = without_widths(found, needed=False)
        # Branches stand in the order of what is left of them.
        found, _ = simplify(found, Signal(), finite=finite)
    return _as_mlp(found) or Network(layers=found)


def canonical(arch: Mlp | Network, *, finite: bool = True) -> dict[str, object]:
    """The architecture as JSON values, every field explicit: equal networks give equal values.

    `finite=False` leaves out what infinite width does not depend on.
    """
    value: dict[str, object] = plain(simplified(arch, finite=finite))
    return value if finite else _without_width(value)


def layers(arch: Mlp | Network) -> Iterator[Layer]:
    """The layers of the network's one form, from the inputs on; those of an Mlp are made as they are asked for."""
    if isinstance(arch, Network):
        plainest = simplified(arch)
        yield from plainest.layers if isinstance(plainest, Network) else layers(plainest)
        return
    hidden = Dense(beta=arch.beta, sigma_w=arch.sigma_w, width=arch.width)
    activation = Nonlinearity(activation=arch.activation)
    made = 1
    while made < arch.depth:  # range would not take any integer
        yield hidden
        yield activation
        made += 1
    yield replace(hidden, width=None)


def depth(arch: Mlp | Network) -> int:
    """L, the largest number of dense layers on any path from the inputs to the outputs."""
    return arch.depth if isinstance(arch, Mlp) else _depth(arch.layers)


def steps(arch: Mlp | Network) -> int:
    """The number of layers on all paths together: L dense ones and L − 1 activations in an Mlp."""
    return 2 * arch.depth - 1 if isinstance(arch, Mlp) else _steps(arch.layers)


def evaluations(arch: Mlp | Network) -> Counter[Evaluation]:
    """How many activation layers there are on all paths together, by how their expectations are found."""
    if isinstance(arch, Mlp):
        return Counter({arch.activation.evaluation: arch.depth - 1})
    return Counter(activation.evaluation for activation in _activations(arch.layers))


def activations(arch: Mlp | Network) -> tuple[AnyActivation, ...]:
    """The activations of the network, each of them once."""
    if isinstance(arch, Mlp):
        return (arch.activation,) if arch.depth > 1 else ()
    return tuple(dict.fromkeys(_activations(arch.layers)))


def _depth(some: Layers) -> int:
    return sum(layer.dense + max(map(_depth, layer.inner), default=0) for layer in some)


def _steps(some: Layers) -> int:
    return sum(sum(map(_steps, layer.inner)) if layer.inner else 1 for layer in some)


def _activations(some: Layers) -> Iterator[AnyActivation]:
    for layer in some:
        if isinstance(layer, Nonlinearity):
            yield layer.activation
        for branch in layer.inner:
            yield from _activations(branch)


def _as_mlp(some: Layers) -> Mlp | None:
    """The short form of dense, (activation, dense)*, where all that are alike are equal."""
    first, *_ = some
    hidden, between, last = some[:-1:2], some[1::2], some[-1]
    if not isinstance(first, Dense) or first.parametrization == "standard" or last != replace(first, width=None):
        return None
    if len(some) % 2 == 0 or any(layer != first for layer in hidden) or any(layer != between[0] for layer in between):
        return None
    activation = between[0] if between else Nonlinearity(activation=_RELU)
    if not isinstance(activation, Nonlinearity):
        return None
    width = first.width if hidden else None
    return Mlp(
        depth=len(hidden) + 1, activation=activation.activation, beta=first.beta, sigma_w=first.sigma_w, width=width
    )


def _without_width(value: Any) -> Any:
    """JSON values without the widths that are null."""
    if isinstance(value, dict):
        kept = {name: item for name, item in value.items() if name != "width" or item is not None}
        return {name: _without_width(item) for name, item in kept.items()}
    return [_without_width(item) for item in value] if isinstance(value, list) else value
