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
from tests.ntk_engine.activations import exact, homogeneous
from tests.ntk_engine.activations.exact import EPS, ROUNDINGS, Pair

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


def _j(power: int, phi: mpf) -> mpf:
    psi, sine, cosine = mpmath.pi - phi, mpmath.sin(phi), mpmath.cos(phi)
    return sum(c * psi**i * sine**j * cosine**k for (i, j, k), c in _definition(power).items())


def _kernel(power: int) -> homogeneous.Kernel:
    def kernel(phi: mpf) -> tuple[mpf, mpf]:
        slope = power**2 * _j(power - 1, phi) if power else mpf(0)
        return _j(power, phi) / (2 * mpmath.pi), slope / (2 * mpmath.pi)

    return kernel


@pytest.fixture(params=range(MOST + 1))
def power(request: pytest.FixtureRequest) -> int:
    return request.param


def test_the_definition_is_what_cho_and_saul_print() -> None:
    assert _definition(0) == {(1, 0, 0): 1}
    assert _definition(1) == {(0, 1, 0): 1, (1, 0, 1): 1}
    assert _definition(2) == {(0, 1, 1): 3, (1, 2, 0): 1, (1, 0, 2): 3}  # 1 + 2 cos² = sin² + 3 cos²


def test_function(power: int) -> None:
    z = torch.tensor([-4.0, 0.0, 1e-3, 0.7, 3.0], dtype=torch.float64)
    values, slopes = RectifiedPower(power).value(z), RectifiedPower(power).derivative(z)
    assert values.tolist() == pytest.approx([0.0, 0.0, 1e-3**power, 0.7**power, 3.0**power], rel=4 * EPS)
    right = [power * x ** (power - 1) for x in (1e-3, 0.7, 3.0)]
    assert slopes.tolist() == pytest.approx([0.0, 0.0, *right], rel=4 * EPS)


def test_dual(power: int) -> None:
    activation, kernel = RectifiedPower(power), _kernel(power)
    homogeneous.assert_expectations(activation, kernel)
    homogeneous.assert_dual(activation, kernel, power)
    if power:
        homogeneous.assert_differentiable(activation, power)
    exact.assert_recorded(activation, [1.0])


def test_values_near_antipodes_are_right_relative_to_themselves(power: int) -> None:
    assert exact.computed(RectifiedPower(power), [Pair(1.0, 1.0, -1.0, 0.0)]).rho.item() == 0.0
    some = [pair for pair in exact.pairs([1.0]) if pair.sign < 0 < pair.gap]
    homogeneous.assert_opposite(RectifiedPower(power), _kernel(power), some)


def test_slopes_are_right_relative_to_themselves(power: int) -> None:
    some = [pair for pair in exact.pairs([1.0]) if pair.sign > 0]
    for pair, slope in zip(some, exact.computed(RectifiedPower(power), some).slope.tolist(), strict=True):
        right = homogeneous.exact(_kernel(power), pair).slope
        assert abs(slope - right) <= ROUNDINGS * EPS * right


@pytest.mark.parametrize(("power", "other"), [(0, Step()), (1, Relu())])
def test_powers_that_have_names(power: int, other: Step | Relu) -> None:
    some = exact.pairs([1.0, 1e3])
    for ours, theirs in zip(exact.computed(RectifiedPower(power), some), exact.computed(other, some), strict=True):
        # Either is right to 8 eps of itself, and where it is a difference from 1 to 8 eps.
        assert torch.allclose(ours, theirs, rtol=16 * EPS, atol=2 * EPS)
    roots = torch.tensor([0.0, 1e-9, 1.0, 30.0], dtype=torch.float64)
    assert torch.allclose(RectifiedPower(power).rows(roots)[0], other.rows(roots)[0], rtol=4 * EPS, atol=0.0)


def test_moments_are_those_of_half_the_gaussian(power: int) -> None:
    odd_factorial = factorial(2 * power) // (2**power * factorial(power))
    assert exact.moment(RectifiedPower(power), 1.0) ** 2 == pytest.approx(odd_factorial / 2, rel=8 * EPS)


@pytest.mark.parametrize("bad", [-1, 6, 1.0, "2", None, True])
def test_other_powers_are_refused_by_name(bad: object) -> None:
    with pytest.raises(ValueError, match=r"^power must be an integer from 0 to 5"):
        RectifiedPower(bad)
