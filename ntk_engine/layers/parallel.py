"""Branches side by side."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, Literal

from ntk_engine.fields import Count, Faults, Rule, Schema, instead
from ntk_engine.layers.base import Faulty, Inner, Layer, Layers, fold, simplify, without_widths
from ntk_engine.layers.joining import SOME_WIDTHS, Combine, join, shares
from ntk_engine.layers.signal import Signal

if TYPE_CHECKING:
    from ntk_engine.layers.reading import Reader


UNREAD = ((Faulty(),), (Faulty(),))


class Branches(Inner):
    """A list of two lists of layers or more."""

    def take(self, name: str, value: Any, faults: Faults) -> Any:
        if not isinstance(value, list | tuple) or len(value) < 2:
            faults.add(f"{name} must be a list of two lists of layers or more")
            return ()
        return tuple(super(Branches, self).take(name, branch, faults.at(i)) for i, branch in enumerate(value))

    def read(self, name: str, value: Any, reader: "Reader", faults: Faults, level: int) -> Any:
        if not isinstance(value, list | tuple):
            faults.add(f"{name} must be a list of lists of layers{instead(value)}")
            return UNREAD
        if not reader.takes(len(value), faults, level):
            return UNREAD
        return tuple(reader.layers("a branch", branch, faults.at(i), level) for i, branch in enumerate(value))

    def listed(self, layer: Any) -> Any:
        return tuple[tuple[layer, ...], ...]


class Weights(Rule):
    """Positive integers, or None."""

    def take(self, name: str, value: Any, faults: Faults) -> Any:
        if value is None:
            return None
        if not isinstance(value, list | tuple):
            faults.add(f"{name} must be a list of the branches' relative widths, such as [1, 2]")
            return value
        rule = Count("are the branches' relative widths")
        return tuple(rule.take(name, weight, faults.at(number)) for number, weight in enumerate(value))

    def schema(self) -> Schema:
        return {"description": "relative widths of branches that are concatenated, such as [1, 2]"}


@dataclass(frozen=True, kw_only=True)
class Parallel(Layer):
    """The sum or the product of what the branches make of the same neurons, or all of it side by side.

    Of neurons side by side, each branch has the share that `weights` say, or else the branches' widths, or else all the
    same. A list without layers is a branch that changes nothing.
    """

    type: Literal["parallel"] = "parallel"
    branches: Annotated[tuple[Layers, ...], Branches()]
    combine: Combine = "sum"
    weights: Annotated[tuple[int, ...] | None, Weights()] = None

    def __post_init__(self) -> None:
        super().__post_init__()
        faults = Faults()
        if self.weights is not None and self.combine != "concatenate":
            faults.at("weights").add(f"weights are for branches that are concatenated; a {self.combine} has none")
        elif self.weights is not None and len(self.weights) != len(self.branches):
            faults.at("weights").add(f"weights must be as many as the branches, {len(self.branches)}")
        faults.settle()

    @property
    def inner(self) -> tuple[Layers, ...]:
        """Its branches."""
        return self.branches

    @cached_property
    def text(self) -> str:
        """From the branches' own, so that it is made once however deep they are."""
        return json.dumps([self.type, self.combine, self.weights]) + "".join(map(_text, self.branches))

    def after(self, signal: Signal, faults: Faults) -> Signal:
        """What the branches' ends are together."""
        places = [faults.at("branches").at(number) for number in range(len(self.branches))]
        ends = [fold(*some) for some in self._entered(signal, places)]
        if self.combine == "concatenate":
            self._look_at_shares([end.width for end in ends], faults)
        return join(self.combine, signal, ends, places)

    def simplified(self, signal: Signal, *, finite: bool) -> tuple[Layers, Signal]:
        """Sums in sums and products in products are one, and the order of their branches is theirs no more."""
        quiet = [Faults() for _ in self.branches]
        found = [simplify(branch, start, finite=finite) for branch, start, _ in self._entered(signal, quiet)]
        branches, ends = [branch for branch, _ in found], [end for _, end in found]
        weights = None
        if self.combine == "concatenate":
            weights = shares([end.width for end in ends], self.weights)
            if not finite:
                branches, weights = _in_order(branches, weights)
        else:
            branches = sorted((part for branch in branches for part in self._parts(branch)), key=_text)
        made = replace(self, branches=tuple(branches), weights=weights)
        return (made,), join(self.combine, signal, ends, quiet)

    def without_width(self, needed: bool) -> tuple[Layer, bool]:
        """The branches without theirs."""
        found = [without_widths(branch, needed) for branch in self.branches]
        return replace(self, branches=tuple(branch for branch, _ in found)), any(needs for _, needs in found)

    def _entered(self, signal: Signal, places: Sequence[Faults]) -> list[tuple[Layers, Signal, Faults]]:
        """The branches, the neurons that enter them, and where their faults go."""
        start = replace(signal, own=False)
        return [(branch, start, place) for branch, place in zip(self.branches, places, strict=True)]

    def _parts(self, branch: Layers) -> tuple[Layers, ...]:
        """The branches of a branch that is nothing but another sum in a sum, or product in a product."""
        (only,) = branch if len(branch) == 1 else (None,)
        return only.branches if isinstance(only, Parallel) and only.combine == self.combine else (branch,)

    def _look_at_shares(self, widths: list[int | None], faults: Faults) -> None:
        if self.weights is None:
            if None in widths and any(widths):
                faults.add(SOME_WIDTHS)
        elif all(widths) and shares(widths) != shares(widths, self.weights):
            said = ", ".join(map(str, widths))
            faults.at("weights").add(f"weights must be in proportion to the branches' widths, {said}, or left out")


def _in_order(branches: list[Layers], weights: tuple[int, ...]) -> tuple[list[Layers], tuple[int, ...]]:
    pairs = sorted(zip(branches, weights, strict=True), key=lambda pair: (_text(pair[0]), pair[1]))
    return [branch for branch, _ in pairs], tuple(weight for _, weight in pairs)


def _text(branch: Layers) -> str:
    return f"[{','.join(layer.text for layer in branch)}]"
