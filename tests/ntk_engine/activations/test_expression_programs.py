"""Any expression's values and derivatives, against a twin that shares nothing with them."""

from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from mpmath import mpf

from ntk_engine.activations.expression.derivative import differentiate
from ntk_engine.activations.expression.operations import TENSORS
from ntk_engine.activations.expression.parser import parse
from ntk_engine.activations.expression.program import Program, apply
from ntk_engine.activations.expression.recording import Recording, probes
from tests.ntk_engine.activations import expressions
from tests.ntk_engine.activations.expressions import UndefinedError


@given(expressions.EXPRESSIONS, st.floats(-6, 6))
@settings(max_examples=500, deadline=None)
def test_values_of_any_expression(source: str, z: float) -> None:
    steps = _recorded(source)
    with mpmath.workdps(50):
        try:
            right = expressions.ball(expressions.tree(source), z)
        except UndefinedError:
            assume(False)
        computed = steps.steps.program(steps.result).run(torch.tensor([z], dtype=torch.float64), TENSORS).item()
        assert abs(computed - right.middle) <= right.radius


@given(expressions.EXPRESSIONS, st.floats(-3, 3))
@settings(max_examples=300, deadline=None)
def test_derivatives_of_any_expression(source: str, z: float) -> None:
    """The steps of the derivative, taken by mpmath, are the derivative that mpmath takes of the twin."""
    steps = _recorded(source)
    slope = differentiate(steps.steps, steps.result, frozenset(steps.variables))
    with mpmath.workdps(120):
        at = mpf(z) + mpf("0.00123456789")  # off the kinks
        try:
            right, inexact = expressions.slope(source, at), expressions.ball(expressions.tree(source), float(at))
        except (UndefinedError, ValueError, ZeroDivisionError, OverflowError, TypeError):
            assume(False)
        assume(abs(right) < 1e200 and inexact.radius < 1)
        assert abs(_taken(steps.steps.program(slope), at) - right) <= mpf(10) ** -30 * (1 + abs(right))


def test_a_branch_is_differentiated_as_if_it_stood_alone() -> None:
    steps = _recorded("where(z < 0, expm1(z), sin(z))")
    slope = steps.steps.program(differentiate(steps.steps, steps.result, frozenset(steps.variables)))
    functions = [step.function for step in slope.steps if step.function != "number"]
    assert sorted(functions) == ["<", "cos", "exp", "where", "where", "where", "z"]


def _recorded(source: str) -> Recording:
    with np.errstate(all="ignore"):
        return Recording(parse(source), probes(()))


MPMATH: dict[str, Callable[..., Any]] = {
    **expressions.ONE,
    **expressions.MORE,
    "+": lambda u, v: u + v,
    "-": lambda u, v: u - v,
    "*": lambda u, v: u * v,
    "/": lambda u, v: u / v,
    "neg": lambda u: -u,
    "<": lambda u, v: u < v,
    "<=": lambda u, v: u <= v,
    ">": lambda u, v: u > v,
    ">=": lambda u, v: u >= v,
    "number": lambda z, number: _exact(number),
    "^": lambda u, n: u ** int(n),
    "chain": lambda outer, inner: outer * inner,
    "where": lambda condition, yes, no: yes if condition else no,
}


def _exact(number: float) -> Any:
    """The constant that a double stands for."""
    tangent = 2 / mpmath.sqrt(mpmath.pi)
    known = {float(constant): +constant for constant in (mpmath.pi, mpmath.e, tangent, -tangent)}
    return known.get(number, mpf(number))


def _taken(program: Program, z: mpf) -> Any:
    """The program's result, at mpmath's precision; steps of branches that are not taken may have none."""
    results: list[Any] = [z]
    for step in program.steps[1:]:
        try:
            results.append(apply(step, results, MPMATH))
        except (ValueError, ZeroDivisionError, TypeError):
            results.append(None)
    return results[program.result]
