"""Derivatives of duals that do not depend on the roots."""

import torch

from ntk_engine.activations.base import ClosedForm
from tests.ntk_engine.activations.exact import pairs


def assert_differentiable(dual: ClosedForm, power: int) -> None:
    """As in `exact`; and √E[σ²] is a multiple of √q^power."""
    some = pairs([1.0], (0.0, 1e-9, 1e-3, 1.0))
    sign, gap = (torch.tensor([pair[k] for pair in some], dtype=torch.float64) for k in (2, 3))
    gap.requires_grad_()
    after = dual.correlate([], [], sign * (1.0 - gap), gap)
    for result in after:
        (by_gap,) = torch.autograd.grad(result.sum(), gap, retain_graph=True)
        assert by_gap.isfinite().all()
    (by_gap,) = torch.autograd.grad(after.rho.sum(), gap, retain_graph=True)
    assert torch.allclose(by_gap, -sign * after.slope, rtol=1e-9, atol=1e-9)
    (by_gap,) = torch.autograd.grad(after.gap.sum(), gap)
    assert torch.allclose(by_gap, sign * after.rho.sign() * after.slope, rtol=1e-9, atol=1e-9)
    root = torch.tensor([0.0, 1e-3, 2.0], dtype=torch.float64, requires_grad=True)
    moment = dual.rows(root)[0]
    (by_root,) = torch.autograd.grad(moment.sum(), root)
    assert by_root.isfinite().all()
    assert torch.allclose(by_root[1:], power * (moment / root)[1:], rtol=1e-14, atol=0.0)
