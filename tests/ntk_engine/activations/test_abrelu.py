"""Rectifiers with two slopes, by the arc-cosine kernels of order 0 and 1: σ(z) = b z₊ − a (−z)₊."""

import mpmath
import pytest
import torch
from mpmath import mpf

from ntk_engine.activations.abrelu import ABRelu, Abs, LeakyRelu, TwoSlopes
from ntk_engine.activations.relu import Relu
from tests.ntk_engine.activations import exact, homogeneous
from tests.ntk_engine.activations.exact import EPS, ROUNDINGS, Pair
from tests.ntk_engine.activations.printed import kernel

FAMILY = [
    Abs(),
    LeakyRelu(),
    LeakyRelu(0.3),
    LeakyRelu(-0.2),
    LeakyRelu(1e-9),
    LeakyRelu(1 + 1e-9),
    ABRelu(),
    ABRelu(2.0, 2.0),
    ABRelu(-1.0, 1.0 - 1e-7),
    ABRelu(0.5, -3.0),
    ABRelu(1.0, 0.0),
]


@pytest.fixture(params=FAMILY, ids=repr)
def activation(request: pytest.FixtureRequest) -> TwoSlopes:
    return request.param


def test_function(activation: TwoSlopes) -> None:
    a, b = activation.slopes
    z = torch.tensor([-4.0, -1e-3, 0.0, 0.7, 3.0], dtype=torch.float64)
    assert activation.value(z).tolist() == [-4.0 * a, -1e-3 * a, 0.0, 0.7 * b, 3.0 * b]
    assert activation.derivative(z).tolist() == [a, a, a if a == b else 0.0, b, b]


def test_dual(activation: TwoSlopes) -> None:
    printed = kernel(activation)
    homogeneous.assert_expectations(activation, printed)
    homogeneous.assert_dual(activation, printed, 1)
    homogeneous.assert_differentiable(activation, 1)
    exact.assert_recorded(activation, [1.0])


@pytest.mark.parametrize("activation", [a for a in FAMILY if a.dual(1.0, 1.0).nonnegative], ids=repr)
def test_dual_where_correlations_are_not_negative(activation: TwoSlopes) -> None:
    some = [pair for pair in exact.pairs([1.0]) if pair.sign > 0]
    rho, gap = _columns(some)
    results = activation.pair_nonnegative(activation.parameters, [], [], rho, gap)
    for pair, *values in zip(some, *results, strict=True):
        right = homogeneous.exact(kernel(activation), pair)
        value, after, slope = (mpf(x.item()) for x in values)
        assert abs(value - right.rho) <= ROUNDINGS * EPS
        assert abs(mpmath.sqrt(2 * after) - mpmath.sqrt(2 * right.gap)) <= ROUNDINGS * EPS
        assert abs(slope - right.slope) <= ROUNDINGS * EPS


def _columns(some: list[Pair]) -> tuple[torch.Tensor, ...]:
    return tuple(
        torch.tensor(column, dtype=torch.float64) for column in zip(*((p.rho, p.gap) for p in some), strict=True)
    )


def test_signs_of_correlations_are_told() -> None:
    rho = torch.linspace(-1.0, 1.0, 2001, dtype=torch.float64)
    for activation in FAMILY:
        after, _, _ = activation.pair(activation.parameters, [], [], rho, 1.0 - rho.abs())
        assert activation.dual(1.0, 1.0).nonnegative == bool((after >= 0.0).all())


@pytest.mark.parametrize("slope", [0.0, 1e-12, -1e-12, -0.5, 0.01])
def test_small_correlations_are_right_relative_to_themselves(slope: float) -> None:
    printed = kernel(LeakyRelu(slope))
    some = [pair for pair in exact.pairs([1.0]) if pair.sign < 0 < pair.gap < 1e-2]
    # Where ρ_σ or the slope changes sign, two terms cancel.
    plain = [
        pair
        for pair, (rho, _, turned) in ((pair, homogeneous.exact(printed, pair)) for pair in some)
        if min(abs(rho), abs(turned)) > 0.1 * abs(slope)
    ]
    assert plain
    homogeneous.assert_opposite(LeakyRelu(slope), printed, plain)


def test_relu_is_one_of_them() -> None:
    rho = torch.tensor([-1.0, -0.999, -0.3, 0.0, 0.5, 1.0 - 1e-12, 1.0], dtype=torch.float64)
    ours = ABRelu(0.0, 1.0)
    for left, right in zip(
        ours.correlate([], [], rho, 1.0 - rho.abs()), Relu().correlate([], [], rho, 1.0 - rho.abs()), strict=True
    ):
        assert torch.allclose(left, right, rtol=8 * EPS, atol=2 * EPS)


@pytest.mark.parametrize("size", [5e-324, 1e-200, 1e200, 1.7e308])
def test_slopes_of_any_size(size: float) -> None:
    assert ABRelu(-size, size).parameters == pytest.approx(Abs().parameters, rel=4 * EPS)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), "1", None, True, 10**400])
def test_slopes_that_are_no_numbers_are_refused_by_name(bad: object) -> None:
    for make, name in (
        (lambda: ABRelu(a=bad), "a must"),
        (lambda: ABRelu(b=bad), "b must"),
        (lambda: LeakyRelu(bad), "negative_slope must"),
    ):
        with pytest.raises(ValueError, match=f"^{name} be a finite number"):
            make()


def test_nothing_at_all_is_refused() -> None:
    with pytest.raises(ValueError, match="a and b must not both be 0"):
        ABRelu(0.0, -0.0)


def test_parameters_have_one_form() -> None:
    assert ABRelu(-1, 1) == ABRelu() and isinstance(ABRelu(-1, 1).a, float)
    assert str(LeakyRelu(-0.0)) == str(LeakyRelu(0.0))
