"""The step and the sign, by the arc-cosine kernel of order 0."""

import pytest
import torch

from ntk_engine.activations.step import Sign, Step
from tests.ntk_engine.activations import exact, homogeneous
from tests.ntk_engine.activations.printed import kernel


@pytest.mark.parametrize("activation", [Step(), Sign()])
def test_duals(activation: Step | Sign) -> None:
    homogeneous.assert_expectations(activation, kernel(activation))
    homogeneous.assert_dual(activation, kernel(activation), 0)
    exact.assert_recorded(activation, [1.0])


def test_small_correlations_of_steps_are_right_relative_to_themselves() -> None:
    homogeneous.assert_opposite(
        Step(), kernel(Step()), [pair for pair in exact.pairs([1.0]) if pair.sign < 0 < pair.gap]
    )


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
