"""The step and the sign, by the arc-cosine kernel of order 0."""

import mpmath
import pytest
import torch
from mpmath import mpf

from ntk_engine.activations.step import Sign, Step
from tests.ntk_engine.activations import exact
from tests.ntk_engine.activations.exact import EPS, ROUNDINGS


def _step(q: mpf, p: mpf, s: mpf) -> mpf:
    return (mpmath.pi - mpmath.acos(s / mpmath.sqrt(q * p))) / (2 * mpmath.pi)


def _sign(q: mpf, p: mpf, s: mpf) -> mpf:
    return 1 - 2 * mpmath.acos(s / mpmath.sqrt(q * p)) / mpmath.pi


FAMILY = [(Step(), _step), (Sign(), _sign)]


@pytest.mark.parametrize(("activation", "printed"), FAMILY)
def test_duals(activation: Step | Sign, printed: exact.PrintedDual) -> None:
    some = exact.pairs([1e-6, 1.0, 1e6])
    for pair, values in zip(some, zip(*exact.computed(activation, some), strict=True), strict=True):
        with mpmath.workdps(60):
            right = printed(mpf(1), mpf(1), pair.sign * (1 - mpf(pair.gap)))
            right /= printed(mpf(1), mpf(1), mpf(1))
            value, gap, slope = (mpf(float(x)) for x in values)
            assert abs(value - right) <= ROUNDINGS * EPS
            assert abs(gap - (1 - abs(right))) <= ROUNDINGS * EPS * (1 - abs(right))
            assert slope == 0


def test_small_correlations_of_steps_are_right_relative_to_themselves() -> None:
    some = [pair for pair in exact.pairs([1.0]) if pair.sign < 0]
    for pair, value in zip(some, exact.computed(Step(), some).rho.tolist(), strict=True):
        with mpmath.workdps(60):
            right = 2 * _step(mpf(1), mpf(1), mpf(pair.gap) - 1)
            assert abs(value - right) <= ROUNDINGS * EPS * right


@pytest.mark.parametrize(("activation", "printed"), FAMILY)
def test_printed_duals_are_expectations(activation: Step | Sign, printed: exact.PrintedDual) -> None:
    for a, b, rho in [(1.0, 1.0, 0.3), (0.5, 1.7, -0.8), (1.3, 0.1, 0.0)]:
        right = float(printed(mpf(a) ** 2, mpf(b) ** 2, mpf(a) * b * rho))
        assert exact.expectation(activation.value, a, b, rho) == pytest.approx(right, rel=1e-12, abs=1e-13)


@pytest.mark.parametrize(("activation", "printed"), FAMILY)
def test_moments(activation: Step | Sign, printed: exact.PrintedDual) -> None:
    exact.assert_moments(activation, printed, [1e-300, 1e-6, 1.0, 1e300])
    assert exact.moment(activation, 0.0) == 0.0


@pytest.mark.parametrize(("activation", "printed"), FAMILY)
def test_formulas_record(activation: Step | Sign, printed: exact.PrintedDual) -> None:
    exact.assert_recorded(activation, [1.0])


@pytest.mark.parametrize("activation", [Step(), Sign()])
def test_derivatives_are_finite(activation: Step | Sign) -> None:
    gap = torch.tensor([0.0, 0.0, 1e-18, 0.5, 1.0], dtype=torch.float64, requires_grad=True)
    rho = torch.tensor([1.0, -1.0, 1.0, -0.5, 0.0], dtype=torch.float64, requires_grad=True)
    after = activation.correlate([], [], rho, gap)
    for result in after:
        for derivative in torch.autograd.grad(result.sum(), (rho, gap), retain_graph=True, allow_unused=True):
            assert derivative is None or bool(derivative.isfinite().all())


def test_functions() -> None:
    z = torch.tensor([-2.0, -0.0, 0.0, 1e-300, 3.0], dtype=torch.float64)
    assert Step().value(z).tolist() == [0.0, 0.0, 0.0, 1.0, 1.0]
    assert Sign().value(z).tolist() == [-1.0, 0.0, 0.0, 1.0, 1.0]
    assert Step().derivative(z).tolist() == Sign().derivative(z).tolist() == [0.0] * 5
