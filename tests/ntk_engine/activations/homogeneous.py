"""What is asked of σ with σ(cz) = c^p σ(z), c > 0: its dual is a function of the angle.

A kernel is a function φ ↦ (E[σσ'], E[σ'σ']) for variances 1, as it is printed, on mpmath's numbers.
"""

from collections.abc import Callable, Sequence

import mpmath
import pytest
import torch
from mpmath import mpf

from ntk_engine.activations.base import ClosedForm
from tests.ntk_engine.activations.exact import EPS, ROUNDINGS, Numbers, Pair, computed, expectation, pairs

Kernel = Callable[[mpf], tuple[mpf, mpf]]
# Roots do not matter; a few have to show it.
PAIRS = [*pairs([1.0]), *pairs([1e-6, 1e6], [1e-3])]


def exact(kernel: Kernel, pair: Pair) -> Numbers:
    """ρ_σ, its gap and the slope; printed kernels of order 5 cancel to φ^11, 1e-99 in some pairs."""
    with mpmath.workdps(180):
        value, slope = kernel(mpmath.acos(pair.sign * (1 - mpf(pair.gap))))
        scale, _ = kernel(mpf(0))
        gap = 1 - abs(value / scale)
        # What rounding leaves of an exact 0 is below every gap that a double leads to.
        return Numbers(value / scale, gap if gap > mpf(10) ** -50 else mpf(0), slope / scale)


def assert_dual(activation: ClosedForm, kernel: Kernel, power: int) -> None:
    """ρ_σ is right as it is, the gap relative to itself, and the slope relative to the one at ρ = 1."""
    steep = max(1, exact(kernel, Pair(1.0, 1.0, 1.0, 0.0)).slope)
    for pair, values in zip(PAIRS, zip(*computed(activation, PAIRS), strict=True), strict=True):
        rho, gap, slope = (mpf(float(value)) for value in values)
        right = exact(kernel, pair)
        assert abs(rho - right.rho) <= ROUNDINGS * EPS, pair
        assert abs(gap - right.gap) <= ROUNDINGS * EPS * right.gap, pair
        assert abs(slope - right.slope) <= ROUNDINGS * EPS * steep, pair
    for root in (0.0, 1e-50, 1e-6, 1.0, 1e6, 1e50):
        moment = mpmath.sqrt(kernel(mpf(0))[0]) * mpf(root) ** power if root else 0
        values = activation.rows(torch.tensor(root, dtype=torch.float64))
        assert abs(values[0].item() - moment) <= ROUNDINGS * EPS * moment


def assert_opposite(activation: ClosedForm, kernel: Kernel, some: Sequence[Pair]) -> None:
    """ρ_σ and the slope are right relative to themselves near antipodes."""
    for pair, values in zip(some, zip(*computed(activation, some), strict=True), strict=True):
        rho, _, slope = (mpf(float(value)) for value in values)
        right = exact(kernel, pair)
        assert abs(rho - right.rho) <= ROUNDINGS * EPS * abs(right.rho), pair
        assert abs(slope - right.slope) <= ROUNDINGS * EPS * abs(right.slope), pair


def assert_expectations(activation: ClosedForm, kernel: Kernel) -> None:
    """The printed kernel is E[σσ'] and E[σ'σ'] of the activation's functions, by quadrature."""
    for rho in (0.3, -0.8):
        value, slope = kernel(mpmath.acos(mpf(rho)))
        assert expectation(activation.value, 1.0, 1.0, rho) == pytest.approx(float(value), rel=1e-12, abs=1e-13)
        assert expectation(activation.derivative, 1.0, 1.0, rho) == pytest.approx(float(slope), rel=1e-12, abs=1e-13)


def assert_differentiable(dual: ClosedForm, power: int) -> None:
    """Derivatives are finite for duplicates and antipodes too; those of ρ_σ and its gap are ± the slope."""
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
