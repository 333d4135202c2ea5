"""The step and the sign, by the arc-cosine kernel of order 0."""

import mpmath
import pytest
import torch
from mpmath import mpf

from ntk_engine.activations.step import Sign, Step
from tests.ntk_engine.activations import exact, homogeneous


def _step(phi: mpf) -> tuple[mpf, mpf]:
    return (mpmath.pi - phi) / (2 * mpmath.pi), mpf(0)


def _sign(phi: mpf) -> tuple[mpf, mpf]:
    return 1 - 2 * phi / mpmath.pi, mpf(0)


FAMILY = [(Step(), _step), (Sign(), _sign)]


@pytest.mark.parametrize(("activation", "kernel"), FAMILY)
def test_duals(activation: Step | Sign, kernel: homogeneous.Kernel) -> None:
    homogeneous.assert_expectations(activation, kernel)
    homogeneous.assert_dual(activation, kernel, 0)
    exact.assert_recorded(activation, [1.0])


def test_small_correlations_of_steps_are_right_relative_to_themselves() -> None:
    homogeneous.assert_opposite(Step(), _step, [pair for pair in exact.pairs([1.0]) if pair.sign < 0 < pair.gap])


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
