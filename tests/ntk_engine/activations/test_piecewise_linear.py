"""Piecewise linear activations: against integrals over one variable at thirty digits, and against the quadrature."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import mpmath
import numpy as np
import pytest
import torch
from mpmath import mpf

from ntk_engine.activations import expectations as choice
from ntk_engine.activations import parse
from ntk_engine.activations.correlation import Quadrature
from ntk_engine.activations.numeric import Numeric
from ntk_engine.activations.piecewise_linear import PiecewiseLinear, jumps
from ntk_engine.activations.quadrature import Rule
from ntk_engine.activations.sigmoids import HardTanh, Tanh
from tests.ntk_engine.activations import exact
from tests.ntk_engine.activations.exact import EPS, Pair

ROUNDINGS = 16.0
"""Units of eps: integrals of hundreds of terms that do not cancel."""


@dataclass(frozen=True)
class Hinges(Numeric):
    """σ(z) = 0.2z + Σ J_j max(z − c_j, 0)."""

    hinges: tuple[tuple[float, float], ...]

    @property
    def kinks(self) -> tuple[float, ...]:  # type: ignore[override]
        return tuple(c for c, _ in self.hinges)

    def value(self, z: torch.Tensor) -> torch.Tensor:
        return sum((jump * (z - c).clamp_min(0.0) for c, jump in self.hinges), start=0.2 * z)

    def derivative(self, z: torch.Tensor) -> torch.Tensor:
        return sum((jump * (z > c).to(z.dtype) for c, jump in self.hinges), start=0.2 + 0.0 * z)


CLIP, UNEVEN = HardTanh(), Hinges(((-1.0, 1.0), (0.0, -0.3), (2.5, -1.5)))
HAT = parse({"type": "expression", "expression": "relu(1 - abs(z))"})
PIECES = {CLIP: [(-1.0, 1.0), (1.0, -1.0)], UNEVEN: list(UNEVEN.hinges), HAT: [(-1.0, 1.0), (0.0, -2.0), (1.0, 1.0)]}
START = {CLIP: (0.0, -1.0), UNEVEN: (0.2, 0.0), HAT: (0.0, 0.0)}
"""Slope and value at −∞, less the slope times z."""


Piece = tuple[mpf, mpf, mpf, mpf]


def _pieces(sigma: Numeric, order: int) -> list[Piece]:
    """Low and high end, level and slope of σ (order 0) or σ' (order 1) on each piece."""
    slope, level = (mpf(number) for number in START[sigma])
    pieces = []
    for low, high in pairwise([(-mpmath.inf, 0.0), *PIECES[sigma], (mpmath.inf, 0.0)]):
        if mpmath.isfinite(low[0]):
            slope, level = slope + mpf(low[1]), level - mpf(low[1]) * mpf(low[0])
        pieces.append((mpf(low[0]), mpf(high[0]), slope if order else level, mpf(0) if order else slope))
    return pieces


def _right(sigma: Numeric, pair: Pair) -> tuple[mpf, mpf, mpf]:
    """ρ_σ, 1 − |ρ_σ| and the slope, from integrals over z of what is expected given z, at thirty digits."""
    with mpmath.workdps(30):
        a, b, rho = mpf(pair.root_a), mpf(pair.root_b), pair.sign * (1 - mpf(pair.gap))
        rest = mpmath.sqrt(1 - rho * rho)
        value, slope = [_product(_pieces(sigma, order), a, b, rho, rest) for order in (0, 1)]
        scale = mpmath.sqrt(_square(sigma, a) * _square(sigma, b))
        return value / scale, 1 - abs(value / scale), slope * a * b / scale


def _square(sigma: Numeric, root: mpf) -> mpf:
    """E[σ²]."""
    return mpmath.fsum(
        _integral(lambda z, c=level, s=slope: (c + s * root * z) ** 2, low / root, high / root, ())
        for low, high, level, slope in _pieces(sigma, 0)
    )


def _product(pieces: list[Piece], a: mpf, b: mpf, rho: mpf, rest: mpf) -> mpf:
    """E f(√q z) f(√q' z')."""
    layers = [(low / b + k * rest) / rho for low, _, _, _ in pieces[1:] for k in (-9, -3, 0, 3, 9)]
    return mpmath.fsum(
        _integral(
            lambda z, c=level, s=slope: (c + s * a * z) * _given(pieces, rho * z, rest, b), low / a, high / a, layers
        )
        for low, high, level, slope in pieces
        if level or slope
    )


def _integral(g: Callable[[mpf], mpf], low: mpf, high: mpf, also: Sequence[mpf]) -> mpf:
    """E[g(z); low < z < high], by rules of 24 points between edges; beyond 11 there is nothing."""
    low, high = max(low, mpf(-11)), min(high, mpf(11))
    edges = sorted({low, high, *(mpf(x) for x in (*range(-11, 12), *also) if low < x < high)})
    nodes = _rule()
    return mpmath.fsum(
        w * (y - x) * g(x + (y - x) * t) * mpmath.npdf(x + (y - x) * t) for x, y in pairwise(edges) for t, w in nodes
    )


@cache
def _rule() -> list[tuple[mpf, mpf]]:
    """The Gauss-Legendre rule of 24 points on [0, 1], at thirty digits."""
    with mpmath.workdps(30):
        roots = [mpmath.findroot(lambda t: mpmath.legendre(24, t), x) for x in np.polynomial.legendre.leggauss(24)[0]]
        return [((x + 1) / 2, 1 / ((1 - x * x) * mpmath.diff(lambda t: mpmath.legendre(24, t), x) ** 2)) for x in roots]


def _given(pieces: list[Piece], mean: mpf, rest: mpf, root: mpf) -> mpf:
    """E f(√q' (mean + rest v)), by the moments of v on each piece."""
    total = mpf(0)
    for low, high, level, slope in pieces:
        start, stop = ((end / root - mean) / rest for end in (low, high))
        share = mpmath.ncdf(stop) - mpmath.ncdf(start)
        total += (level + slope * root * mean) * share
        total += slope * root * rest * (mpmath.npdf(start) - mpmath.npdf(stop)) if slope else 0
    return total


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
    right = _right(sigma, pair)
    found = exact.computed(choice.table(sigma, *sorted((pair.root_a, pair.root_b))), [pair])
    errors = [
        abs(float(found.rho[0]) - right[0]),
        abs(mpmath.sqrt(float(found.gap[0])) - mpmath.sqrt(right[1])),
        abs(float(found.slope[0]) - right[2]) / max(1, abs(right[2])),
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
    found, right = (
        kind.pairs(roots, scales, psi, turned, rule)
        for kind in (PiecewiseLinear(sigma, PIECES[sigma]), Quadrature(sigma))
    )
    for x, y in zip(found[:2], right[:2], strict=True):
        assert float((x.sqrt() - y.clamp_min(0.0).sqrt()).abs().max()) <= ROUNDINGS * EPS
    assert torch.allclose(found[2], right[2], rtol=ROUNDINGS * EPS, atol=0.0)


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
