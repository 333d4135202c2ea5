"""The spectral functions against their recursions, at 60 digits, and where there are no such times."""

import math

import mpmath
import pytest
import torch
from mpmath import mpf

from ntk_engine.function_space import Flow, GradientDescent

STEPS = [0, 1, 2, 3, 10, 101, 1000, 10**6, 10**9, 10**12, 10**15]
MOMENTA = [0.0, 0.25, 0.5, 0.9, 0.99]
EPS = 2.0**-52


def recursion(h: float, mu: float, steps: int) -> mpf:
    """e_s of e_{s+1} = (1 + μ − h) e_s − μ e_{s−1}, e_{−1} = e_0 = 1, by powers of its matrix."""
    step = mpmath.matrix([[1 + mpf(mu) - mpf(h), -mpf(mu)], [1, 0]])
    power = step**steps
    return power[0, 0] + power[0, 1]


def places(mu: float) -> list[float]:
    """ηλ: small ones, both double roots and beside them, and up to where it no longer converges."""
    slow, fast, edge = (1 - math.sqrt(mu)) ** 2, (1 + math.sqrt(mu)) ** 2, 2 * (1 + mu)
    near = [double * (1 + shift) for double in (slow, fast) for shift in (-1e-9, 0, 1e-9)]
    return sorted({0.0, 1e-18, 1e-12, 1e-6, 1e-3, 0.3, 1 - 1e-9, 1.0, 1 + mu, 1.5, *near, 0.97 * edge, 1.01 * edge})


@pytest.mark.parametrize("mu", MOMENTA)
@pytest.mark.parametrize("steps", STEPS)
def test_steps_are_the_recursion(mu: float, steps: int) -> None:
    """To the rounding of h = ηλ, times how e_s depends on it: |de/dh| by a difference at 60 digits."""
    dynamics, lam = GradientDescent(1.0, mu), torch.tensor(places(mu), dtype=torch.float64)
    found = dynamics.decay(lam, float(steps)).tolist()
    gains = dynamics.gain(lam, float(steps)).tolist()
    with mpmath.workdps(60):
        for h, value, gain in zip(lam.tolist(), found, gains, strict=True):
            exact, beside = recursion(h, mu, steps), recursion(float(h) * (1 + 1e-9), mu, steps)
            if abs(exact) > 1e300:
                assert math.copysign(1.0, value) == math.copysign(1.0, float(mpmath.sign(exact)))
                assert abs(value) > 1e290
                continue
            size = max(1.0, abs(float(exact)))
            # A root is √ of a product of which both factors are rounded: near a double root relative to √, below.
            allowed = 500 * EPS / (1 - mu) * size + 8 * EPS * 1e9 * abs(float(exact - beside))
            assert abs(float(value - exact)) <= allowed
            expected = (1 - exact) / mpf(h) if h else mpf(dynamics.gain_at_zero(float(steps)))
            assert abs(float(gain - expected)) <= (allowed / h if h > 1e-4 else 500 * EPS / (1 - mu) * abs(expected))


@pytest.mark.parametrize("t", [0.0, 1e-6, 1.0, 1e12])
def test_the_flow(t: float) -> None:
    lam = torch.tensor([0.0, 1e-300, 1e-18, 1e-12, 1e-3, 1.0, 1e3], dtype=torch.float64)
    with mpmath.workdps(60):
        exact = [mpmath.exp(-mpf(t) * mpf(value)) for value in lam.tolist()]
        gains = [
            (1 - d) / mpf(value) if value > 1e-20 else mpf(t) for d, value in zip(exact, lam.tolist(), strict=True)
        ]
    torch.testing.assert_close(Flow().decay(lam, t), lam.new_tensor([float(d) for d in exact]), rtol=1e-15, atol=1e-15)
    torch.testing.assert_close(Flow().gain(lam, t), lam.new_tensor([float(g) for g in gains]), rtol=1e-15, atol=0)


def test_at_infinity() -> None:
    """What converges is fitted; the null space is left; where there is no limit it is inf."""
    lam = torch.tensor([0.0, 1.0, 1.9, 2.0, 2.5, 3.5], dtype=torch.float64)
    inf = math.inf
    assert Flow().decay(lam, inf).tolist() == [1, 0, 0, 0, 0, 0]
    assert GradientDescent(1.0).decay(lam, inf).tolist() == [1, 0, 0, inf, inf, inf]
    assert GradientDescent(1.0, 0.5).decay(lam, inf).tolist() == [1, 0, 0, 0, 0, inf]
    for dynamics in (Flow(), GradientDescent(1.0), GradientDescent(1.0, 0.5)):
        assert dynamics.gain(lam[:3], inf).tolist() == [inf, 1.0, 1 / 1.9]


def test_times_are_whole_steps() -> None:
    descent = GradientDescent(0.1)
    for steps in (1, 3, 7, 10**6 + 1, 10**12 + 1):
        descent.check(0.1 * steps)
    with pytest.raises(ValueError, match=r"the time 0\.25 is no whole number of steps of 0\.1"):
        descent.check(0.25)
    for dynamics in (Flow(), descent):
        for t in (-1.0, math.nan):
            with pytest.raises(ValueError, match="from 0 to infinity"):
                dynamics.check(t)


@pytest.mark.parametrize("rate", [0.0, -1.0, math.inf, math.nan])
def test_learning_rates(rate: float) -> None:
    with pytest.raises(ValueError, match="learning rate"):
        GradientDescent(rate)


@pytest.mark.parametrize("momentum", [-0.1, 1.0, math.nan])
def test_momenta(momentum: float) -> None:
    with pytest.raises(ValueError, match="momentum"):
        GradientDescent(1.0, momentum)


@pytest.mark.parametrize("steps", [1, 2, 3, 100])
def test_what_is_said_to_be_convex_is(steps: int) -> None:
    """Second differences of what is left and of gains; odd powers of 1 − h bend down beyond h = 1."""
    lam = torch.linspace(0.01, 1.0, 200, dtype=torch.float64)
    for dynamics in (Flow(), GradientDescent(1.0)):
        assert dynamics.convex(1.0)
        for found in (dynamics.decay(lam, float(steps)), dynamics.gain(lam, float(steps))):
            assert float(found.diff().max()) <= 4 * EPS * steps
            assert float(found.diff().diff().min()) >= -8 * EPS * steps
    assert not GradientDescent(1.0).convex(1.01)
    assert not GradientDescent(1.0, 0.5).convex(0.5)
