"""Piecewise linear activations: against integrals over one variable at thirty digits, and against the quadrature."""

import mpmath
import pytest
import torch

from ntk_engine.activations import expectations as choice
from ntk_engine.activations.correlation import Quadrature
from ntk_engine.activations.numeric import Numeric
from ntk_engine.activations.piecewise_linear import PiecewiseLinear, jumps
from ntk_engine.activations.quadrature import Rule
from ntk_engine.activations.sigmoids import Tanh
from tests.ntk_engine.activations import exact
from tests.ntk_engine.activations.exact import EPS, Pair
from tests.ntk_engine.activations.hinges import CLIP, HAT, PIECES, UNEVEN, right

ROUNDINGS = 16.0
"""Units of eps: integrals of hundreds of terms that do not cancel."""


@pytest.mark.parametrize("sigma", [CLIP, UNEVEN, HAT], ids=["clip", "uneven", "hat"])
@pytest.mark.parametrize(
    "pair",
    [
        Pair(1.0, 1.3, 1.0, 0.1),
        Pair(1.0, 1.0, -1.0, 0.4),
        Pair(0.3, 3.0, 1.0, 0.6),
        Pair(1.0, 1.000001, 1.0, 1e-6),
        Pair(20.0, 30.0, -1.0, 0.01),
    ],
)
def test_pairs_are_those_of_thirty_digits(sigma: Numeric, pair: Pair) -> None:
    true = right(sigma, pair)
    found = exact.computed(choice.table(sigma, *sorted((pair.root_a, pair.root_b))), [pair])
    errors = [
        abs(float(found.rho[0]) - true[0]),
        abs(mpmath.sqrt(float(found.gap[0])) - mpmath.sqrt(true[1])),
        abs(float(found.slope[0]) - true[2]) / max(1, abs(true[2])),
    ]
    assert max(errors) <= ROUNDINGS * EPS, [float(error / EPS) for error in errors]


@pytest.mark.parametrize("sigma", [CLIP, UNEVEN])
@pytest.mark.parametrize("root", [1e-6, 0.1, 2.0, 1e3, pytest.param(1e6, marks=pytest.mark.slow)])
def test_pairs_are_those_of_the_quadrature(sigma: Numeric, root: float) -> None:
    some = [(root * f, psi, side) for f in (1.0, 1.0 + 1e-6, 1.5) for psi in (1e-9, 1e-3, 0.5, 1.5) for side in (0, 1)]
    roots = torch.tensor([(root, other) for other, _, _ in some], dtype=torch.float64)
    psi = torch.tensor([angle for _, angle, _ in some], dtype=torch.float64)
    turned = torch.tensor([side == 1 for _, _, side in some])
    # σ(√q z) is at most of the order of 1 + √q.
    scales, rule = 1.0 + roots, Rule(9.5)
    found, expected = (
        kind.pairs(roots, scales, psi, turned, rule)
        for kind in (PiecewiseLinear(sigma, PIECES[sigma]), Quadrature(sigma))
    )
    for x, y in zip(found[:2], expected[:2], strict=True):
        assert float((x.sqrt() - y.clamp_min(0.0).sqrt()).abs().max()) <= ROUNDINGS * EPS
    assert torch.allclose(found[2], expected[2], rtol=ROUNDINGS * EPS, atol=0.0)


def test_jumps_are_found() -> None:
    assert jumps(CLIP) == PIECES[CLIP]
    kinks, sizes = zip(*jumps(UNEVEN), strict=True)
    assert kinks == (-1.0, 0.0, 2.5)
    assert sizes == pytest.approx((1.0, -0.3, -1.5), rel=4 * EPS)
    assert jumps(Tanh()) is None


@pytest.mark.parametrize("sigma", [CLIP, UNEVEN])
def test_tables_of_equal_rows_are_those_of_single_pairs(sigma: Numeric) -> None:
    some = [Pair(0.8, 0.8, sign, gap) for gap in (0.0, 1e-12, 1e-3, 0.4, 1.0) for sign in (1.0, -1.0)]
    found = choice.table(sigma, 0.8, 0.8)
    one, many = exact.computed(found, some), exact.computed(found, some * 500)
    assert float((one.rho - many.rho[:10]).abs().max()) <= ROUNDINGS * EPS
    assert float((one.gap.sqrt() - many.gap[:10].sqrt()).abs().max()) <= ROUNDINGS * EPS
    assert float((one.slope - many.slope[:10]).abs().max()) <= ROUNDINGS * EPS


def test_derivatives() -> None:
    """Finite everywhere; those of ρ_σ by ρ are the slope, and those by the roots what a difference says."""
    found = choice.table(CLIP, 0.5, 1.5)
    gap = torch.tensor([0.0, 1e-9, 0.3, 0.9], dtype=torch.float64, requires_grad=True)
    a, b = (torch.full((4,), root, dtype=torch.float64, requires_grad=True) for root in (0.9, 1.2))
    after = found.correlate(found.rows(a), found.rows(b), 1.0 - gap, gap)
    for result in after:
        for derivative in torch.autograd.grad(result.sum(), (a, b, gap), retain_graph=True):
            assert derivative.isfinite().all()
    (by_gap,) = torch.autograd.grad(after.rho.sum(), gap, retain_graph=True)
    assert torch.allclose(by_gap[1:], -after.slope[1:], rtol=1e-9, atol=0.0)
    (by_root,) = torch.autograd.grad(after.rho.sum(), a)
    step = 1e-5
    moved = [found.correlate(found.rows(a + side), found.rows(b), 1.0 - gap, gap).rho for side in (-step, step)]
    assert torch.allclose(by_root, (moved[1] - moved[0]) / (2 * step), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("sigma", [CLIP, UNEVEN, HAT])
def test_rows_of_zeros_have_numbers(sigma: Numeric) -> None:
    some = [
        Pair(root, 0.0, sign, gap) for root in (0.0, 1e-170, 1.0) for sign in (1.0, -1.0) for gap in (0.0, 1e-9, 0.7)
    ]
    found = exact.computed(choice.table(sigma, 0.0, 1.0), some)
    assert all(bool(x.isfinite().all()) for x in found)
