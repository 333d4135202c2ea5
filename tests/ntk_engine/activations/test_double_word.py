"""Arithmetic in two words against fractions and mpmath."""

from fractions import Fraction

import mpmath
import numpy as np
import pytest
from mpmath import mpf

from ntk_engine.activations.double_word import Double, exactly, root_of

RELATIVE = 2.0**-100


def numbers(count: int, seed: int) -> Double:
    """Of both signs and of sizes from 1e-9 to 1e9, their second words among them."""
    rng = np.random.default_rng(seed)
    high = rng.standard_normal(count) * 10.0 ** rng.uniform(-9, 9, count)
    return Double(high, high * 2.0**-54 * rng.uniform(-1, 1, count))


def value(x: Double, at: int) -> Fraction:
    return Fraction(float(x.high[at])) + Fraction(float(x.low[at]))


@pytest.mark.parametrize("operator", ["__add__", "__sub__", "__mul__", "__truediv__"])
def test_arithmetic(operator: str) -> None:
    x, y = numbers(500, 1), numbers(500, 2)
    # Terms that cancel to the last word, too.
    y = Double(np.concatenate([y.high[:250], -x.high[250:]]), np.concatenate([y.low[:250], x.low[250:] * 0.5]))
    found = getattr(x, operator)(y)
    for at in range(500):
        exact = getattr(value(x, at), operator)(value(y, at))
        assert abs(value(found, at) - exact) <= RELATIVE * abs(exact)


def test_roots() -> None:
    x = numbers(500, 3) * numbers(500, 3)
    found = x.root()
    for at in range(500):
        assert abs(value(found, at) ** 2 / value(x, at) - 1) <= 2 * RELATIVE
    zero = Double.of(np.zeros(1)).root()
    assert zero.high == zero.low == 0.0


def test_constants() -> None:
    third = exactly(Fraction(1, 3))
    assert abs(Fraction(third.high) + Fraction(third.low) - Fraction(1, 3)) <= RELATIVE
    root = root_of(Fraction(1, 2))
    with mpmath.workdps(50):
        assert abs(mpf(root.high) + mpf(root.low) - mpmath.sqrt(mpf(0.5))) <= RELATIVE


@pytest.mark.parametrize("power", [-1900, -1100, -1, 1, 1100, 2040])
def test_roots_of_squares_that_are_no_doubles(power: int) -> None:
    square = Fraction(3) * Fraction(2) ** power
    root = root_of(square)
    assert abs((Fraction(root.high) + Fraction(root.low)) ** 2 / square - 1) <= 2 * RELATIVE
    zero = root_of(Fraction(0))
    assert zero.high == zero.low == 0.0
