"""Elementary functions in two words, right to about 2^−95, of NumPy's arrays."""

from __future__ import annotations

from fractions import Fraction
from math import factorial, log, pi
from typing import Any

import numpy as np

from ntk_engine.activations.double_word import Double, exactly

# ln 2 and what rounding takes from it.
_LOG2 = Double(log(2.0), 2.3190468138462996e-17)
PI = Double(pi, 1.2246467991473532e-16)
# Halvings of an argument before its series, and the last powers that are added in one word.
_SQUARINGS, _HALVINGS = 8, 5
_EXP = [exactly(Fraction(1, factorial(n))) for n in range(12)]
_ARC = [exactly(Fraction((-1) ** n, 2 * n + 1)) for n in range(14)]


def exponential(x: Double) -> tuple[Double, Double]:
    """e^x and e^x − 1, for −745 ≤ x < 709; what is below −745 is taken for that.

    With x = k ln 2 + 2^8 r, of e^r − 1, squared eight times.
    """
    x = x.clip(-745.0, np.inf)
    k = np.rint(x.high / log(2.0))
    r = (x - _LOG2 * k) * 2.0**-_SQUARINGS
    less = _polynomial(_EXP[1:], r, 5) * r
    for _ in range(_SQUARINGS):
        less = less * (less + 2.0)
    power = k.astype(int)
    scale, raised = np.ldexp(1.0, power), ldexp(less, power)
    return raised + scale, raised + (Double.of(scale) - 1.0)


def ldexp(x: Double, power: Any) -> Double:
    """x 2^power."""
    return Double(np.ldexp(x.high, power), np.ldexp(x.low, power))


def arc_tangent(t: Double) -> Double:
    """arctan t for 0 ≤ t < 1e150: tan φ/2 = t/(1 + √(1 + t²)) five times, then the series."""
    for _ in range(_HALVINGS):
        t = t / ((t * t + 1.0).root() + 1.0)
    return _polynomial(_ARC, t * t, 7) * t * 2.0**_HALVINGS


def _polynomial(coefficients: list[Double], x: Double, doubles: int) -> Double:
    """Σ c_k x^k by Horner's rule, the first terms in two words."""
    rest = x.high * 0.0
    for c in coefficients[: doubles - 1 : -1]:
        rest = rest * x.high + c.high
    result = Double.of(rest)
    for c in coefficients[doubles - 1 :: -1]:
        result = result * x + c
    return result
