"""The slow twin of expressions: Python's own parser reads them, and mpmath evaluates them; and random expressions."""

import ast
from collections.abc import Callable
from itertools import product
from typing import Any, NamedTuple

import mpmath
from hypothesis import strategies as st
from mpmath import mpf

EPS = 2.0**-52
ROUNDING = 8 * EPS
"""What an operation may be wrong by, relative to its result: a function of a library by less than 4 eps, twice over."""

CONSTANTS = {"pi": mpmath.pi, "e": mpmath.e}
ONE: dict[str, Callable[[Any], Any]] = {
    **{name: getattr(mpmath, name) for name in ("exp", "expm1", "log", "log1p", "sqrt", "sin", "cos", "sinh", "cosh")},
    **{name: getattr(mpmath, name) for name in ("tanh", "atan", "erf", "erfc", "sign")},
    "Phi": mpmath.ncdf,
    "phi": mpmath.npdf,
    "sigmoid": lambda u: 1 / (1 + mpmath.exp(-u)),
    "softplus": lambda u: mpmath.log1p(mpmath.exp(u)),
    "relu": lambda u: max(u, mpf(0)),
    "abs": abs,
    "step": lambda u: mpf(u > 0),
}
MORE: dict[str, Callable[..., Any]] = {"max": max, "min": min, "clip": lambda u, low, high: min(max(u, low), high)}
OPERATORS: dict[type, Callable[..., Any]] = {
    ast.Add: lambda u, v: u + v,
    ast.Sub: lambda u, v: u - v,
    ast.Mult: lambda u, v: u * v,
    ast.Div: lambda u, v: u / v,
    ast.Pow: lambda u, n: u ** int(n),
    ast.USub: lambda u: -u,
    ast.UAdd: lambda u: u,
    ast.Lt: lambda u, v: u < v,
    ast.LtE: lambda u, v: u <= v,
    ast.Gt: lambda u, v: u > v,
    ast.GtE: lambda u, v: u >= v,
}


class UndefinedError(ArithmeticError):
    """Rounding decides what the value is, or there is none, or a double cannot hold what comes in between."""


class Ball(NamedTuple):
    """A number, and how far the one that doubles give in its place may be from it."""

    middle: Any
    radius: Any

    def ends(self) -> tuple[Any, ...]:
        return self.middle, self.middle - self.radius, self.middle + self.radius


def tree(source: str) -> ast.expr:
    """Python's reading of it."""
    return ast.parse(source.strip().replace("^", "**"), mode="eval").body


def value(node: ast.expr, z: mpf) -> Any:
    """σ(z), to mpmath's precision."""
    return _walk(node, z, lambda f, *parts: f(*parts), mpf)


def slope(source: str, z: mpf) -> Any:
    """σ'(z), by differences."""
    node = tree(source)
    return mpmath.diff(lambda at: value(node, at), z)


def ball(node: ast.expr, z: float) -> Ball:
    """σ(z), and a bound on the rounding of doubles. Raises UndefinedError."""
    try:
        return _walk(node, Ball(mpf(z), mpf(0)), _rounded, lambda number: Ball(mpf(number), abs(mpf(number)) * EPS))
    except (ValueError, ZeroDivisionError, TypeError, OverflowError) as error:
        raise UndefinedError from error


def _walk(node: ast.expr, z: Any, apply: Callable[..., Any], number: Callable[[Any], Any]) -> Any:
    match node:
        case ast.Constant(value=constant):
            return number(float(constant))
        case ast.Name(id="z"):
            return z
        case ast.Name(id=name):
            return number(CONSTANTS[name])
        case ast.UnaryOp(op=op, operand=operand):
            return apply(OPERATORS[type(op)], _walk(operand, z, apply, number))
        case ast.BinOp(left=left, op=ast.Pow(), right=right):
            exponent = int(value(right, mpf(0)))
            power = apply(lambda u: u ** abs(exponent), _walk(left, z, apply, number))
            return power if exponent >= 0 else apply(OPERATORS[ast.Div], number(1), power)
        case ast.BinOp(left=left, op=op, right=right) | ast.Compare(left=left, ops=[op], comparators=[right]):
            return apply(OPERATORS[type(op)], _walk(left, z, apply, number), _walk(right, z, apply, number))
        case ast.Call(func=ast.Name(id="where"), args=[condition, yes, no]):
            # The branch that is not taken need not make sense.
            return _walk(yes if _walk(condition, z, apply, number) else no, z, apply, number)
        case ast.Call(func=ast.Name(id=name), args=parts):
            arguments = [_walk(part, z, apply, number) for part in parts]
            if name in ("phi", "Phi"):  # They are functions of what u/√2 is rounded to.
                arguments = [apply(OPERATORS[ast.Mult], arguments[0], number(1))]
            return apply(ONE[name] if name in ONE else MORE[name], *arguments)
    raise AssertionError(ast.dump(node))


def _rounded(function: Callable[..., Any], *parts: Ball) -> Any:
    """The function of balls: how far it gets at their ends, and its own rounding."""
    if function is OPERATORS[ast.Div] and abs(parts[1].middle) <= parts[1].radius:
        raise UndefinedError
    results = [function(*ends) for ends in product(*(part.ends() for part in parts))]
    if isinstance(results[0], bool):
        if len(set(results)) > 1:
            raise UndefinedError
        return results[0]
    if not all(isinstance(result, mpf) and abs(result) < 1e300 for result in results):
        raise UndefinedError
    spread = max(abs(result - results[0]) for result in results)
    return Ball(results[0], 2 * spread + ROUNDING * abs(results[0]) + mpf(2) ** -1070)


_NUMBERS = st.sampled_from(["0", "1", "2", "0.5", "3.25", "1e-3", ".1", "7.", "pi", "e", "12.5E-1"])
_LEAVES = st.one_of(st.just("z"), st.just("z"), _NUMBERS)


def _grown(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    blank = st.sampled_from(["", " "])
    return st.one_of(
        st.builds("{}({})".format, st.sampled_from(sorted(ONE)), inner),
        st.builds("({}{}{}{}{})".format, inner, blank, st.sampled_from("+-*/"), blank, inner),
        st.builds("{}{}{}".format, inner, st.sampled_from([" + ", "-", "*", " /"]), inner),
        st.builds("({}){}{}".format, inner, st.sampled_from(["^", "**"]), st.integers(-3, 4)),
        st.builds("-{}".format, inner),
        st.builds("+({})".format, inner),
        st.builds("{}({}, {})".format, st.sampled_from(["max", "min"]), inner, inner),
        st.builds("clip({},{} , {})".format, inner, inner, inner),
        st.builds(
            "where({} {} {}, {}, {})".format, inner, st.sampled_from(["<", "<=", ">", ">="]), inner, inner, inner
        ),
    )


EXPRESSIONS = st.recursive(_LEAVES, _grown, max_leaves=8).filter(lambda text: len(text) <= 200)
"""Texts of the language, whatever they mean."""
