"""Powers of the rectifier, by the arc-cosine kernels as Cho and Saul (2009) define them."""

from math import factorial

import pytest
import torch

from ntk_engine.activations.rectified_power import MOST, RectifiedPower
from ntk_engine.activations.relu import Relu
from ntk_engine.activations.step import Step
from tests.ntk_engine.activations import exact, homogeneous
from tests.ntk_engine.activations.exact import EPS, ROUNDINGS, Pair
from tests.ntk_engine.activations.printed import arc_cosine, kernel


@pytest.fixture(params=range(MOST + 1))
def power(request: pytest.FixtureRequest) -> int:
    return request.param


def test_the_definition_is_what_cho_and_saul_print() -> None:
    assert arc_cosine(0) == {(1, 0, 0): 1}
    assert arc_cosine(1) == {(0, 1, 0): 1, (1, 0, 1): 1}
    assert arc_cosine(2) == {(0, 1, 1): 3, (1, 2, 0): 1, (1, 0, 2): 3}  # 1 + 2 cos² = sin² + 3 cos²


def test_function(power: int) -> None:
    z = torch.tensor([-4.0, 0.0, 1e-3, 0.7, 3.0], dtype=torch.float64)
    values, slopes = RectifiedPower(power).value(z), RectifiedPower(power).derivative(z)
    assert values.tolist() == pytest.approx([0.0, 0.0, 1e-3**power, 0.7**power, 3.0**power], rel=4 * EPS)
    right = [power * x ** (power - 1) for x in (1e-3, 0.7, 3.0)]
    assert slopes.tolist() == pytest.approx([0.0, 0.0, *right], rel=4 * EPS)


def test_dual(power: int) -> None:
    activation, printed = RectifiedPower(power), kernel(RectifiedPower(power))
    homogeneous.assert_expectations(activation, printed)
    homogeneous.assert_dual(activation, printed, power)
    if power:
        homogeneous.assert_differentiable(activation, power)
    exact.assert_recorded(activation, [1.0])


def test_values_near_antipodes_are_right_relative_to_themselves(power: int) -> None:
    assert exact.computed(RectifiedPower(power), [Pair(1.0, 1.0, -1.0, 0.0)]).rho.item() == 0.0
    some = [pair for pair in exact.pairs([1.0]) if pair.sign < 0 < pair.gap]
    homogeneous.assert_opposite(RectifiedPower(power), kernel(RectifiedPower(power)), some)


def test_slopes_are_right_relative_to_themselves(power: int) -> None:
    some = [pair for pair in exact.pairs([1.0]) if pair.sign > 0]
    for pair, slope in zip(some, exact.computed(RectifiedPower(power), some).slope.tolist(), strict=True):
        right = homogeneous.exact(kernel(RectifiedPower(power)), pair).slope
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
