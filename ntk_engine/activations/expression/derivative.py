"""Symbolic differentiation: to the steps of an expression, those of its derivative are added."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import pi, sqrt

from ntk_engine.activations.expression.program import Steps

_Rule = Callable[[Steps, int, int], int]

# f'(u), from the steps of u and of f(u).
_RULES: Mapping[str, _Rule] = {
    "exp": lambda s, u, f: f,
    "expm1": lambda s, u, f: s.add("exp", u),
    "log": lambda s, u, f: s.add("/", s.number(1.0), u),
    "log1p": lambda s, u, f: s.add("/", s.number(1.0), s.add("+", s.number(1.0), u)),
    "sin": lambda s, u, f: s.add("cos", u),
    "cos": lambda s, u, f: s.add("neg", s.add("sin", u)),
    "sinh": lambda s, u, f: s.add("cosh", u),
    "cosh": lambda s, u, f: s.add("sinh", u),
    "tanh": lambda s, u, f: _bell(s, s.add("*", s.number(2.0), u)),
    "atan": lambda s, u, f: s.add("/", s.number(1.0), s.add("+", s.number(1.0), s.add("*", u, u))),
    "erf": lambda s, u, f: _gaussian(s, u, 2.0 / sqrt(pi)),
    "erfc": lambda s, u, f: _gaussian(s, u, -2.0 / sqrt(pi)),
    "Phi": lambda s, u, f: s.add("phi", u),
    "phi": lambda s, u, f: s.add("chain", f, s.add("neg", u)),
    "sigmoid": lambda s, u, f: s.add("*", f, s.add("sigmoid", s.add("neg", u))),
    "softplus": lambda s, u, f: s.add("sigmoid", u),
    "relu": lambda s, u, f: s.add("step", u),
    "abs": lambda s, u, f: s.add("sign", u),
}


def differentiate(steps: Steps, result: int, variables: frozenset[int]) -> int:
    """The index of dσ/dz, for the index of σ; `variables` are the steps that are z itself, in one branch or another."""
    d = _Differentials(steps)
    of: list[int | None] = []
    for index in range(result + 1):
        of.append(steps.number(1.0) if index in variables else d.of_step(index, of))
    return d.known(of[result])


class _Differentials:
    """The rules of differentiation; None is a derivative that is 0 everywhere."""

    def __init__(self, steps: Steps) -> None:
        self.steps = steps

    def of_step(self, index: int, of: list[int | None]) -> int | None:
        name, arguments, exponent = self.steps.list[index]
        inner = [of[argument] for argument in arguments]
        if exponent is not None:
            return self.power(arguments[0], exponent, inner[0]) if name == "^" else None
        if name in _RULES:
            outer = None if inner[0] is None else _RULES[name](self.steps, arguments[0], index)
            return self.chain(outer, inner[0])
        match name:
            case "+":
                return self.sum(inner[0], inner[1])
            case "-":
                return self.sum(inner[0], self.negative(inner[1]))
            case "neg":
                return self.negative(inner[0])
            case "*":
                return self.sum(self.product(inner[0], arguments[1]), self.product(inner[1], arguments[0]))
            case "/":
                # (u' − f v')/v: no square of v can overflow.
                above = self.sum(inner[0], self.negative(self.chain(index, inner[1])))
                return None if above is None else self.steps.add("/", above, arguments[1])
            case "sqrt":
                # u' vanishes with √u where u underflows.
                half = self.steps.add("/", self.steps.number(0.5), index)
                return None if inner[0] is None else self.chain(inner[0], half)
            case "max" | "min":
                condition = self.steps.add(">" if name == "max" else "<", *arguments)
                return self.choice(condition, inner[0], inner[1])
            case "where":
                return self.choice(arguments[0], inner[1], inner[2])
        return None

    def power(self, base: int, exponent: float, inner: int | None) -> int | None:
        if inner is None or exponent == 0.0 or exponent == 1.0:
            return inner if exponent else None
        less = base if exponent == 2.0 else self.steps.add("^", base, parameter=exponent - 1.0)
        outer = self.steps.add("*", self.steps.number(exponent), less)
        return self.chain(outer, inner) if exponent < 0.0 else self.product(inner, outer)

    def chain(self, outer: int | None, inner: int | None) -> int | None:
        """f'(u) u'."""
        if outer is None or inner is None:
            return None
        if self.steps.list[inner].function == "number":
            return self.product(inner, outer)
        return self.steps.add("chain", outer, inner)

    def product(self, differential: int | None, factor: int) -> int | None:
        one = self.steps.number(1.0)
        if differential is None or factor == one:
            return differential
        return factor if differential == one else self.steps.add("*", differential, factor)

    def sum(self, left: int | None, right: int | None) -> int | None:
        if left is None or right is None:
            return left if right is None else right
        return self.steps.add("+", left, right)

    def negative(self, differential: int | None) -> int | None:
        return None if differential is None else self.steps.add("neg", differential)

    def choice(self, condition: int, yes: int | None, no: int | None) -> int | None:
        if yes == no:
            return yes
        return self.steps.add("where", condition, self.known(yes), self.known(no))

    def known(self, differential: int | None) -> int:
        return self.steps.number(0.0) if differential is None else differential


def _bell(steps: Steps, u: int) -> int:
    """4 sigmoid(u) sigmoid(−u) = 1/cosh²(u/2), of which nothing overflows."""
    sides = steps.add("*", steps.add("sigmoid", u), steps.add("sigmoid", steps.add("neg", u)))
    return steps.add("*", steps.number(4.0), sides)


def _gaussian(steps: Steps, u: int, factor: float) -> int:
    """factor · e^{−u²}."""
    return steps.add("*", steps.number(factor), steps.add("exp", steps.add("neg", steps.add("*", u, u))))
