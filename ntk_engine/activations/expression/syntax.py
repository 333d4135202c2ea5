"""The tree of an expression, what may stand in it, and its canonical text."""

from __future__ import annotations

from dataclasses import dataclass
from math import e, pi
from typing import TypeAlias

CONSTANTS = {"pi": pi, "e": e}

ARITIES = {
    **dict.fromkeys(("exp", "expm1", "log", "log1p", "sqrt", "sin", "cos", "sinh", "cosh", "tanh", "atan"), 1),
    **dict.fromkeys(("erf", "erfc", "Phi", "phi", "sigmoid", "softplus", "relu", "abs", "sign", "step"), 1),
    **dict.fromkeys(("max", "min"), 2),
    **dict.fromkeys(("clip", "where"), 3),
}

COMPARISONS = ("<", "<=", ">", ">=")

# How tightly operators bind: sums, products, a sign, powers; numbers and calls bind tightest.
_BINDING = {"+": 1, "-": 1, "*": 2, "/": 2, "neg": 3, "^": 4}
_ATOM = 5


@dataclass(frozen=True, slots=True)
class Number:
    """A finite number; those that were written are not negative."""

    value: float


@dataclass(frozen=True, slots=True)
class Variable:
    """z."""


@dataclass(frozen=True, slots=True)
class Call:
    """A function, constant, operator or comparison of its arguments; `neg` is the unary minus."""

    function: str
    arguments: tuple[Node, ...] = ()


Node: TypeAlias = Number | Variable | Call


def text(node: Node) -> str:
    """The canonical text: it parses to the same tree, and equal trees have equal texts."""
    if isinstance(node, Number):
        return repr(node.value).removesuffix(".0")
    if isinstance(node, Variable):
        return "z"
    name, parts = node.function, node.arguments
    if name in CONSTANTS:
        return name
    if name == "neg":
        return f"-{_inside(parts[0], _BINDING[name])}"
    if name == "^":
        return f"{_inside(parts[0], _ATOM)}^{_exponent(parts[1])}"
    if name in _BINDING:
        # Operators associate to the left, so that the right side needs parentheses where it binds no tighter.
        return f"{_inside(parts[0], _BINDING[name])} {name} {_inside(parts[1], _BINDING[name] + 1)}"
    if name in COMPARISONS:
        return f"{text(parts[0])} {name} {text(parts[1])}"
    return f"{name}({', '.join(map(text, parts))})"


def _inside(node: Node, least: int) -> str:
    """The text of an operand, in parentheses where it binds less tightly than `least`."""
    binding = _BINDING.get(node.function, _ATOM) if isinstance(node, Call) else _ATOM
    return text(node) if binding >= least else f"({text(node)})"


def _exponent(node: Node) -> str:
    if not isinstance(node, Number):
        raise TypeError("an exponent is a number")
    return str(int(node.value))
