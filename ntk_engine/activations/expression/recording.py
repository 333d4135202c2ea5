"""From a tree to steps, evaluated on a grid of probes along the way."""

from __future__ import annotations

from math import inf
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from ntk_engine.activations.expression.operations import ARRAYS
from ntk_engine.activations.expression.program import Steps, apply
from ntk_engine.activations.expression.syntax import CONSTANTS, Call, Node, Number, Variable

Array: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]
Mask: TypeAlias = np.ndarray[Any, np.dtype[np.bool_]]

NEAR = 40.0
"""Where |z| is at most this, every expression must be finite: a standard normal variable never exceeds it."""
FAR = 1e8
"""The largest |z| that is looked at; beyond `NEAR`, expressions may overflow."""

# Distances from 0 and from kinks.
_CLOSE = [1e-300, 1e-200, 1e-100, 1e-50, 1e-30, 1e-20, *np.logspace(-16, -2, 15)]
_SPACING = 1 / 32


def probes(kinks: tuple[float, ...]) -> Array:
    """Points of the real line in rising order: a grid, powers of a number, and what is close to 0 and to kinks."""
    near = np.arange(-NEAR, NEAR + _SPACING, _SPACING)
    far = np.geomspace(NEAR, FAR, 200)
    close = [
        k + side * step for k in (0.0, *kinks) for step in _CLOSE for side in (-max(1.0, abs(k)), max(1.0, abs(k)))
    ]
    beside = [side for k in kinks for side in (k, np.nextafter(k, -inf), np.nextafter(k, inf))]
    return np.unique(np.concatenate([near, far, -far, close, beside])) + 0.0


class Watched(NamedTuple):
    """An argument on whose zeros something depends."""

    of: Call
    """Divisions, powers, log, log1p and sqrt, or what is not smooth."""
    step: int
    z: int
    """The step that is z in its branch."""


class Recording:
    """The steps of a tree, their values at the probes, and what has to be watched."""

    def __init__(self, tree: Node, points: Array) -> None:
        self.steps = Steps()
        self.values: list[Any] = [points]
        self.variables = {0}
        self.divisors: list[Watched] = []
        self.changes: list[Watched] = []
        self.result = self.record(tree, 0)

    def add(self, function: str, *arguments: int, parameter: float | None = None) -> int:
        index = self.steps.add(function, *arguments, parameter=parameter)
        if index == len(self.values):
            self.values.append(apply(self.steps.list[index], self.values, ARRAYS))
        return index

    def number(self, value: float) -> int:
        return self.add("number", 0, parameter=value)

    def record(self, node: Node, z: int) -> int:
        """The index of a node's result; `z` is the step that is z in this branch."""
        if isinstance(node, Variable):
            return z
        if isinstance(node, Number):
            return self.number(node.value)
        name = node.function
        if name in CONSTANTS:
            return self.number(CONSTANTS[name])
        parts = [self.record(part, z) for part in node.arguments[: 1 if name in ("^", "where") else None]]
        self.watch(node, parts, z)
        if name == "where":
            return self.branches(node, parts[0], z)
        if name == "^":
            assert isinstance(node.arguments[1], Number)
            return self.add(name, parts[0], parameter=node.arguments[1].value)
        if name == "clip":
            return self.add("min", self.add("max", *parts[:2]), parts[2])
        return self.add(name, *parts)

    def watch(self, node: Call, parts: list[int], z: int) -> None:
        """Note on what a node depends."""
        match node.function:
            case "/":
                self.divisors.append(Watched(node, parts[1], z))
            case "^" if isinstance(node.arguments[1], Number) and node.arguments[1].value < 0.0:
                self.divisors.append(Watched(node, parts[0], z))
            case "log" | "sqrt":
                self.divisors.append(Watched(node, parts[0], z))
            case "log1p":
                self.divisors.append(Watched(node, self.add("+", parts[0], self.number(1.0)), z))
        self.changes += [Watched(node, difference, z) for difference in self.differences(node.function, parts)]

    def differences(self, name: str, parts: list[int]) -> list[int]:
        """What a function that is not smooth changes over at the zeros of, as in `kinks.differences`."""
        match name:
            case "abs" | "relu" | "sign" | "step":
                return [parts[0]]
            case "max" | "min":
                return [self.add("-", *parts)]
            case "clip":
                return [self.add("-", *parts[:2]), self.add("-", self.add("max", *parts[:2]), parts[2])]
            case "where":
                return [self.add("-", *self.steps.list[parts[0]].arguments)]
        return []

    def branches(self, node: Call, condition: int, z: int) -> int:
        """where(condition, yes, no): each branch sees z where it is taken and, elsewhere, a point where it is.

        So neither its values nor its gradients can be anything but finite because of the other branch's z.
        """
        holds = np.broadcast_to(self.values[condition], self.values[0].shape)
        here = self.values[z]
        if holds.all() or not holds.any():
            inside, outside = z, z
        else:
            inside = self.add("where", condition, z, self.number(_tame(here[holds])))
            outside = self.add("where", condition, self.number(_tame(here[~holds])), z)
            self.variables |= {inside, outside}
        yes, no = self.record(node.arguments[1], inside), self.record(node.arguments[2], outside)
        return self.add("where", condition, yes, no)


def _tame(points: Array) -> float:
    """Of these points the one nearest to 1 or −1."""
    return float(points[np.argmin(np.abs(np.abs(points) - 1.0))])
