"""The kinks of an expression, where they follow from its tree.

abs, relu, sign, step, max, min, clip and where change over where a difference of theirs passes 0. As long as that is
piecewise affine in z, its zeros are quotients of coefficients; other differences are left to `survey`.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from math import inf, isfinite
from typing import NamedTuple, TypeAlias

import numpy as np

from ntk_engine.activations.expression.operations import ARRAYS
from ntk_engine.activations.expression.syntax import COMPARISONS, CONSTANTS, Call, Node, Number, Variable, text

MAX_KINKS = 16
"""Kinks of an expression, named and found: its expectations are integrated piece by piece."""


class Found(NamedTuple):
    """The kinks that follow from the tree, and those functions whose kinks do not."""

    kinks: frozenset[float]
    unknown: tuple[Call, ...]


_Line: TypeAlias = tuple[float, float]


def find(node: Node) -> Found:
    """The kinks of a tree. Raises ValueError where there are more than MAX_KINKS of them."""
    if not isinstance(node, Call):
        return Found(frozenset(), ())
    parts = [find(part) for part in node.arguments]
    unknown = [function for part in parts for function in part.unknown]
    kinks = frozenset().union(*(part.kinks for part in parts))
    for difference in differences(node):
        roots = _roots(difference, kinks)
        if roots is None:
            unknown.append(node)
        else:
            kinks |= roots
    if len(kinks) > MAX_KINKS:
        raise ValueError(f"expression may have {MAX_KINKS} kinks, and {_short(node)} has more")
    return Found(kinks, tuple(unknown))


def differences(node: Call) -> list[Node]:
    """What a function that is not smooth changes over at the zeros of; none for others."""
    name, parts = node.function, node.arguments
    match name:
        case "abs" | "relu" | "sign" | "step":
            return [parts[0]]
        case "max" | "min":
            return [Call("-", parts)]
        case "clip":
            raised = Call("max", parts[:2])
            return [Call("-", parts[:2]), Call("-", (raised, parts[2]))]
        case "where":
            assert isinstance(parts[0], Call)
            return [Call("-", parts[0].arguments)]
    return []


def is_piecewise_affine(tree: Node, kinks: Iterable[float]) -> bool:
    """Whether it is affine between the kinks, as far as its form tells."""
    return _roots(tree, kinks) is not None


def _roots(node: Node, kinks: Iterable[float]) -> frozenset[float] | None:
    """The zeros of a piecewise affine function that has its kinks among these; None where it is no such function."""
    edges = [-inf, *sorted(kinks), inf]
    roots = set()
    for low, high in pairwise(edges):
        line = _line(node, _between(low, high))
        if line is None:
            return None
        root = -line[1] / line[0] if line[0] else inf
        if isfinite(root) and low <= root <= high:
            roots.add(root + 0.0)
    return frozenset(roots)


def _between(low: float, high: float) -> float:
    if isfinite(low) and isfinite(high):
        return low / 2 + high / 2
    return high - abs(high) - 1.0 if isfinite(high) else low + abs(low) + 1.0 if isfinite(low) else 0.0


def _line(node: Node, at: float) -> _Line | None:
    """(a, b) of the piece a·z + b that holds around `at`; None where the function is not affine there."""
    if isinstance(node, Number):
        return 0.0, node.value
    if isinstance(node, Variable):
        return 1.0, 0.0
    lines = [_line(part, at) for part in node.arguments]
    found = [line for line in lines if line is not None]
    return _combine(node, found, at) if len(found) == len(lines) else None


def _combine(node: Call, lines: list[_Line], at: float) -> _Line | None:
    name = node.function
    values = [a * at + b for a, b in lines]
    match name:
        case "+" | "-":
            sign = 1.0 if name == "+" else -1.0
            return lines[0][0] + sign * lines[1][0], lines[0][1] + sign * lines[1][1]
        case "neg":
            return -lines[0][0], -lines[0][1]
        case "*" if not lines[0][0]:
            return lines[0][1] * lines[1][0], lines[0][1] * lines[1][1]
        case "*" if not lines[1][0]:
            return lines[1][1] * lines[0][0], lines[1][1] * lines[0][1]
        case "/" if not lines[1][0] and lines[1][1]:
            return lines[0][0] / lines[1][1], lines[0][1] / lines[1][1]
        case "^" if lines[1][1] == 1.0:
            return lines[0]
        case "abs":
            return lines[0] if values[0] > 0.0 else (-lines[0][0], -lines[0][1])
        case "relu":
            return lines[0] if values[0] > 0.0 else (0.0, 0.0)
        case "sign" | "step":
            return 0.0, float(ARRAYS[name](values[0]))
        case "max" | "min":
            return lines[int(values[1] > values[0] if name == "max" else values[1] < values[0])]
        case "clip":
            raised = int(values[1] > values[0])
            return lines[2] if values[2] < values[raised] else lines[raised]
        case "where":
            return lines[1] if values[0] else lines[2]
        case _ if name in COMPARISONS:
            return 0.0, float(ARRAYS[name](*values))
    return (0.0, _constant(name, [b for _, b in lines])) if not any(a for a, _ in lines) else None


def _constant(name: str, values: list[float]) -> float:
    if name in CONSTANTS:
        return CONSTANTS[name]
    return float(ARRAYS[name](*map(np.float64, values)))


def _short(node: Node) -> str:
    whole = text(node)
    return whole if len(whole) <= 60 else f"{whole[:60]}..."
