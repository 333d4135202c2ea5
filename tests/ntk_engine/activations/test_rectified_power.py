"""Powers of the rectifier, by the arc-cosine kernels as Cho and Saul (2009) define them."""

from functools import cache
from math import factorial

import mpmath
import pytest
import torch
from mpmath import mpf

from ntk_engine.activations.rectified_power import MOST, RectifiedPower
from ntk_engine.activations.relu import Relu
from ntk_engine.activations.step import Step
from tests.ntk_engine.activations import exact
from tests.ntk_engine.activations.exact import EPS, ROUNDINGS
from tests.ntk_engine.activations.homogeneous import assert_differentiable

# Coefficients of (π − φ)^i sin^j φ cos^k φ, by (i, j, k).
Sum = dict[tuple[int, int, int], int]


def _by_angle_over_sine(terms: Sum) -> Sum:
    """(1/sin φ) ∂/∂φ of such a sum."""
    result: Sum = {}
    for (i, j, k), c in terms.items():
        for key, factor in (
            ((i - 1, j - 1, k), -c * i),
            ((i, j - 2, k + 1), c * j),
            ((i, j, k - 1), -c * k),
        ):
            if factor:
                result[key] = result.get(key, 0) + factor
    return result


@cache
def _definition(power: int) -> Sum:
    """J_p = (−1)^p sin^{2p+1}φ (1/sin φ ∂/∂φ)^p (π − φ)/sin φ."""
    terms: Sum = {(1, -1, 0): 1}
    for _ in range(power):
        terms = _by_angle_over_sine(terms)
    return {(i, j + 2 * power + 1, k): (-1) ** power * c for (i, j, k), c in terms.items()}


def _printed(power: int) -> exact.PrintedDual:
    def dual(q: mpf, p: mpf, s: mpf) -> mpf:
        # At an angle of 1e-9 from π, terms of the order of 1 cancel to 1e-99.
        with mpmath.workdps(mpmath.mp.dps + 120):
            phi = mpmath.acos(s / mpmath.sqrt(q * p))
            sine, cosine = mpmath.sin(phi), mpmath.cos(phi)
            j_p = sum(c * (mpmath.pi - phi) ** i * sine**j * cosine**k for (i, j, k), c in _definition(power).items())
            return mpmath.sqrt(q * p) ** power * j_p / (2 * mpmath.pi)

    return dual


@pytest.fixture(params=range(MOST + 1))
def power(request: pytest.FixtureRequest) -> int:
    return request.param


def test_the_definition_is_what_cho_and_saul_print() -> None:
    assert _definition(0) == {(1, 0, 0): 1}
    assert _definition(1) == {(0, 1, 0): 1, (1, 0, 1): 1}
    assert _definition(2) == {(0, 1, 1): 3, (1, 2, 0): 1, (1, 0, 2): 3}  # 1 + 2 cos² = sin² + 3 cos²


def test_function(power: int) -> None:
    exact.assert_function(
        RectifiedPower(power), lambda z: mpf(z > 0) if power == 0 else max(z, mpf(0)) ** power, [-4.0, 1e-3, 0.7, 3.0]
    )
    zero = torch.zeros(1, dtype=torch.float64)
    assert RectifiedPower(power).value(zero).item() == RectifiedPower(power).derivative(zero).item() == 0.0


@pytest.mark.parametrize("power", range(1, MOST + 1))
def test_dual(power: int) -> None:
    activation, printed = RectifiedPower(power), _printed(power)
    exact.assert_printed(activation, printed)
    exact.assert_moments(activation, printed, [1e-50, 1e-6, 1.0, 1e6, 1e50])
    # Roots do not matter; few have to show it.
    exact.assert_pairs(activation, printed, [*exact.pairs([1.0]), *exact.pairs([1e-6, 1e6], [1e-3])])
    exact.assert_relative_gaps(activation, printed, [1.0])
    assert_differentiable(activation, power)
    exact.assert_recorded(activation, [1.0])


def test_values_near_antipodes_are_right_relative_to_themselves(power: int) -> None:
    assert exact.computed(RectifiedPower(power), [exact.Pair(1.0, 1.0, -1.0, 0.0)]).rho.item() == 0.0
    some = [pair for pair in exact.pairs([1.0]) if pair.sign < 0 < pair.gap]
    values, _, slopes = exact.computed(RectifiedPower(power), some)
    for pair, value, slope in zip(some, values.tolist(), slopes.tolist(), strict=True):
        with mpmath.workdps(60):
            scale, rho = _printed(power)(mpf(1), mpf(1), mpf(1)), mpf(pair.gap) - 1
            right = _printed(power)(mpf(1), mpf(1), rho) / scale
            assert abs(value - right) <= ROUNDINGS * EPS * right
            if power:
                right = power**2 * _printed(power - 1)(mpf(1), mpf(1), rho) / scale
                assert abs(slope - right) <= ROUNDINGS * EPS * right


def test_the_slope_is_the_kernel_of_one_order_less(power: int) -> None:
    if power == 0:
        return
    some = [pair for pair in exact.pairs([1.0]) if pair.sign > 0]
    for pair, slope in zip(some, exact.computed(RectifiedPower(power), some).slope.tolist(), strict=True):
        with mpmath.workdps(60):
            scale, rho = _printed(power)(mpf(1), mpf(1), mpf(1)), 1 - mpf(pair.gap)
            right = power**2 * _printed(power - 1)(mpf(1), mpf(1), rho) / scale
            assert abs(slope - right) <= ROUNDINGS * EPS * right


@pytest.mark.parametrize(("power", "other"), [(0, Step()), (1, Relu())])
def test_powers_that_have_names(power: int, other: Step | Relu) -> None:
    some = exact.pairs([1.0, 1e3])
    for ours, theirs in zip(exact.computed(RectifiedPower(power), some), exact.computed(other, some), strict=True):
        # Either is right to 8 eps of itself, and where it is a difference from 1 to 8 eps.
        assert torch.allclose(ours, theirs, rtol=16 * EPS, atol=2 * EPS)
    roots = torch.tensor([0.0, 1e-9, 1.0, 30.0], dtype=torch.float64)
    assert torch.allclose(RectifiedPower(power).rows(roots)[0], other.rows(roots)[0], rtol=4 * EPS, atol=0.0)


def test_moments_of_zero_rows_are_zero(power: int) -> None:
    assert exact.moment(RectifiedPower(power), 0.0) == 0.0


def test_moments_are_those_of_half_the_gaussian(power: int) -> None:
    odd_factorial = factorial(2 * power) // (2**power * factorial(power))
    assert exact.moment(RectifiedPower(power), 1.0) ** 2 == pytest.approx(odd_factorial / 2, rel=8 * EPS)


@pytest.mark.parametrize("bad", [-1, 6, 1.0, "2", None, True])
def test_other_powers_are_refused_by_name(bad: object) -> None:
    with pytest.raises(ValueError, match=r"^power must be an integer from 0 to 5"):
        RectifiedPower(bad)
