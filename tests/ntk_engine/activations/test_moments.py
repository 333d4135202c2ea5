"""√E[σ²] in two words against printed formulas, and the functions it is made of."""

import mpmath
import numpy as np
import pytest
from mpmath import mpf

from ntk_engine.activations.base import ClosedForm
from ntk_engine.activations.double_functions import arc_tangent, exponential
from ntk_engine.activations.double_word import Double
from ntk_engine.activations.erf import Erf
from ntk_engine.activations.exponential import Exp
from ntk_engine.activations.gaussian import Gaussian
from ntk_engine.activations.polynomial import Identity
from ntk_engine.activations.rectified_power import RectifiedPower
from ntk_engine.activations.relu import Relu
from ntk_engine.activations.sine import Cos, Sin
from ntk_engine.activations.step import Sign, Step
from tests.ntk_engine.activations.printed import printed

RELATIVE = 2.0**-92
FAMILIES: list[ClosedForm] = [Relu(), Step(), Sign(), Identity(), *map(RectifiedPower, range(6))]
FAMILIES += [Erf(), Erf(2.0, 0.5, 0.3), Gaussian(), Gaussian(-2.0, -0.3), Exp(0.5, -1.5), Sin(2.0, 0.7), Cos(2.0, 0.7)]


def numbers(least: float, most: float) -> Double:
    high = np.geomspace(least, most, 60)
    return Double(high, high * 2.0**-54 * np.random.default_rng(0).uniform(-1, 1, 60))


def value(x: Double, at: int) -> mpf:
    return mpf(float(x.high[at])) + mpf(float(x.low[at]))


@pytest.mark.parametrize("activation", FAMILIES, ids=str)
def test_moments(activation: ClosedForm) -> None:
    roots = numbers(1e-8, 10.0 if isinstance(activation, Exp) else 1e8)
    found = activation.moment(roots)
    assert found is not None
    with mpmath.workdps(80):
        for at in range(60):
            q = value(roots, at) ** 2
            exact = mpmath.sqrt(printed(activation)(q, q, q))
            assert abs(value(found, at) - exact) <= RELATIVE * exact


@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_exponentials(sign: float) -> None:
    x = numbers(1e-200, 600.0) * sign
    found, less = exponential(x)
    with mpmath.workdps(80):
        for at in range(60):
            exact, exact_less = mpmath.exp(value(x, at)), mpmath.expm1(value(x, at))
            assert abs(value(found, at) - exact) <= RELATIVE * exact
            assert abs(value(less, at) - exact_less) <= RELATIVE * abs(exact_less)


def test_arc_tangents() -> None:
    t = numbers(1e-100, 1e100)
    found = arc_tangent(t)
    with mpmath.workdps(80):
        for at in range(60):
            exact = mpmath.atan(value(t, at))
            assert abs(value(found, at) - exact) <= RELATIVE * exact
