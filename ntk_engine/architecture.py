"""What a network is: frozen dataclasses that load without torch, the engine's input language.

They are plain dataclasses that pydantic validates as they are (`TypeAdapter(Mlp)`); the marks on their fields speak
pydantic's protocol by method names alone, so nothing of it is imported here.
"""

import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Annotated, Any, ClassVar, Literal

from ntk_engine.activations import ACTIVATIONS, AnyActivation, Relu, parse

__all__ = ["Architecture", "ArchitectureError", "Mlp", "canonical", "mlp"]


class ArchitectureError(ValueError):
    """An architecture that does not exist; `faults` holds (field, sentence) for every fault of it at once."""

    def __init__(self, faults: tuple[tuple[str, str], ...]) -> None:
        super().__init__("; ".join(sentence for _, sentence in faults))
        self.faults = faults


class _Exact:
    """Mark of a field that takes its type alone: no "3" for 3, no true for 1."""

    def __get_pydantic_core_schema__(self, source: Any, handler: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
        return {**handler(source), "strict": True}


class _Named:
    """Mark of a field that takes an activation's name as a short form of {"type": name}."""

    def __get_pydantic_core_schema__(self, source: Any, handler: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
        return {
            "type": "function-before",
            "function": {"type": "no-info", "function": parse},
            "schema": handler(source),
        }

    def __get_pydantic_json_schema__(self, core: Any, handler: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
        return {"anyOf": [{"type": "string", "enum": sorted(ACTIVATIONS)}, handler(core["schema"])]}


_RELU = Relu()


@dataclass(frozen=True, kw_only=True)
class Mlp:
    """A dense network of depth L: L dense layers, L − 1 of them hidden; L = 1 is linear (Section 2, with a gain σ_w).

    `width`, of every hidden layer, matters to finite networks alone. Raises ArchitectureError.
    """

    __pydantic_config__: ClassVar[dict[str, object]] = {"extra": "forbid"}

    type: Literal["mlp"] = "mlp"
    depth: Annotated[int, _Exact()]
    activation: Annotated[AnyActivation, _Named()] = _RELU
    beta: Annotated[float, _Exact()] = 0.1
    sigma_w: Annotated[float, _Exact()] = 1.0
    width: Annotated[int, _Exact()] | None = None

    def __post_init__(self) -> None:
        faults = [fault for fault in _faults(self) if fault is not None]
        try:
            object.__setattr__(self, "activation", parse(self.activation))
        except ValueError as error:
            faults.append(("activation", str(error)))
        if faults:
            raise ArchitectureError(tuple(faults))


Architecture = Mlp


def mlp(
    depth: int,
    activation: AnyActivation | str | dict[str, Any] = "relu",
    beta: float = 0.1,
    sigma_w: float = 1.0,
    width: int | None = None,
) -> Mlp:
    """A dense network; `activation` is a name, a mapping with a `type`, or the dataclass. Raises ArchitectureError."""
    return Mlp(depth=depth, activation=activation, beta=beta, sigma_w=sigma_w, width=width)  # type: ignore[arg-type]


def canonical(arch: Architecture, *, finite: bool = True) -> dict[str, object]:
    """The architecture as JSON values, every field explicit: equal networks give equal values.

    `finite=False` leaves out what infinite width does not depend on.
    """
    value = asdict(arch) | {"beta": abs(float(arch.beta)), "sigma_w": float(arch.sigma_w)}
    return value if finite else {name: item for name, item in value.items() if name != "width"}


def _faults(arch: Mlp) -> list[tuple[str, str] | None]:
    return [
        None if arch.type == "mlp" else ("type", f'type must be "mlp", not {arch.type!r}'),
        None
        if _is_count(arch.depth)
        else ("depth", f"depth counts the dense layers and must be an integer of at least 1, not {arch.depth!r}"),
        None
        if _is_real(arch.beta) and arch.beta >= 0
        else ("beta", f"beta scales the biases and must be a finite number of at least 0, not {arch.beta!r}"),
        None
        if _is_real(arch.sigma_w) and arch.sigma_w > 0
        else ("sigma_w", f"sigma_w scales the weights and must be a finite number above 0, not {arch.sigma_w!r}"),
        None
        if arch.width is None or _is_count(arch.width)
        else (
            "width",
            f"width counts the neurons of a hidden layer and must be an integer of at least 1, or left out, "
            f"not {arch.width!r}",
        ),
    ]


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _is_real(value: object) -> bool:
    # Compared and not converted: an integer may be too large for a float.
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max
