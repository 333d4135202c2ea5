"""What kind of function an expression is: polynomial, odd, homogeneous, and where it bends."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ntk_engine.activations.expression.operations import ARRAYS
from ntk_engine.activations.expression.program import Program
from ntk_engine.activations.expression.recording import Array
from ntk_engine.activations.expression.syntax import Call, Node, Number

_EPS = 2.0**-52
# How far from a kink its two sides are compared, relative to the larger of it and 1.
_ASIDE = 2.0**-46
# Points in no simple relation to one another or to a grid, for what a coincidence might feign elsewhere.
_POINTS = np.concatenate([np.geomspace(1e-9, 1.0, 500), np.arange(1, 4000) * (8.0 / 4000) * 0.99731])


def is_polynomial(node: Node) -> bool:
    """Whether it is written as a polynomial in z."""
    if not isinstance(node, Call):
        return True
    parts = node.arguments
    match node.function:
        case "+" | "-" | "*" | "neg":
            return all(map(is_polynomial, parts))
        case "^":
            rising = isinstance(parts[1], Number) and parts[1].value >= 0.0
            return is_constant(node) or (rising and is_polynomial(parts[0]))
        case "/":
            return is_polynomial(parts[0]) and is_constant(parts[1])
    return is_constant(node)


def is_constant(node: Node) -> bool:
    """Whether z does not occur in it."""
    return all(map(is_constant, node.arguments)) if isinstance(node, Call) else isinstance(node, Number)


def is_odd(program: Program) -> bool:
    """Whether σ(−z) = −σ(z) at thousands of points, to rounding."""
    here, there = _run(program, _POINTS), _run(program, -_POINTS)
    return bool((np.abs(here + there) <= 8 * _EPS * np.maximum.accumulate(np.abs(here) + np.abs(there))).all())


def is_homogeneous(program: Program) -> bool:
    """Whether σ(2z) = 2^p σ(z) with one p ≥ 0 at thousands of points, to rounding."""
    points = np.concatenate([_POINTS, -_POINTS])
    here, twice = _run(program, points), _run(program, 2.0 * points)
    largest = np.argmax(np.abs(here))
    if here[largest] == 0.0 or not twice[largest] / here[largest] > 0.5:
        return False
    power = np.round(np.log2(twice[largest] / here[largest]))
    return bool((np.abs(twice - 2.0**power * here) <= 64 * _EPS * np.abs(twice)).all())


def corners(kinks: Sequence[float], value: Program, derivative: Program) -> tuple[Array, Array]:
    """Of the kinks those where σ jumps, and those where σ or σ' does: where they differ from side to side."""
    at = np.array(kinks)
    aside = _ASIDE * np.maximum(1.0, np.abs(at))
    around = at + np.linspace(-1.0, 1.0, 64)[:, None] * np.maximum(1.0, np.abs(at))
    slopes = np.abs(_run(derivative, around)).max(axis=0, initial=0.0)
    left, right = _run(value, at - aside), _run(value, at + aside)
    jumps = np.abs(left - right) > 4.0 * aside * slopes + 64.0 * _EPS * np.maximum(np.abs(left), np.abs(right))
    bends = np.abs(_run(derivative, at - aside) - _run(derivative, at + aside)) > 2.0**-30 * slopes
    return at[jumps], at[jumps | bends]


def _run(program: Program, z: Array) -> Array:
    return np.asarray(program.run(z, ARRAYS))
