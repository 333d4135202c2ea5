"""Duals by series and quadrature: activations whose printed dual is known, computed from their values alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from math import inf

import mpmath
import pytest
import torch
from mpmath import mpf

from ntk_engine.activations import expectations as choice
from ntk_engine.activations.abrelu import Abs, LeakyRelu
from ntk_engine.activations.base import Activation, Dual
from ntk_engine.activations.correlation import _outer_edges
from ntk_engine.activations.erf import Erf
from ntk_engine.activations.exponential import Exp
from ntk_engine.activations.gelu import Gelu
from ntk_engine.activations.numeric import Numeric
from ntk_engine.activations.quadrature import Rule
from ntk_engine.activations.rectified_power import RectifiedPower
from ntk_engine.activations.rectifiers import Elu, Silu
from ntk_engine.activations.series import Series
from ntk_engine.activations.sigmoids import HardTanh, Tanh
from ntk_engine.activations.sine import Sin
from ntk_engine.activations.step import Step
from ntk_engine.activations.table import Table
from tests.ntk_engine.activations import exact
from tests.ntk_engine.activations.exact import EPS, Pair, pairs
from tests.ntk_engine.activations.printed import both

ROUNDINGS = 24.0
"""Units of eps: 16 of sums of thousands of terms that do not cancel, then of 24 polynomials in ψ and as many in
the roots; and 8 of two factors σ or σ', each of which a processor's vector maths may give to 4.
"""
MANY = 4096
"""Pairs for which a table pays."""


@dataclass(frozen=True)
class Known(Numeric):
    """An activation with a closed form, of which only the values are shown."""

    activation: Activation
    kinks: tuple[float, ...] = ()
    odd: bool = False

    def value(self, z: torch.Tensor) -> torch.Tensor:
        return self.activation.value(z)

    def derivative(self, z: torch.Tensor) -> torch.Tensor:
        return self.activation.derivative(z)


ERF, GELU, SIN = Known(Erf(), odd=True), Known(Gelu()), Known(Sin(), odd=True)
LEAKY, ABS, SQUARE = (
    Known(activation, (0.0,)) for activation in (LeakyRelu(negative_slope=0.1), Abs(), RectifiedPower(power=2))
)
ALL = [ERF, GELU, LEAKY, ABS, SQUARE]


def dual(sigma: Numeric, some: Sequence[Pair]) -> Dual:
    roots = [root for pair in some for root in (pair.root_a, pair.root_b)]
    return choice.table(sigma, min(roots), max(roots))


def assert_exact(sigma: Known, found: Dual, some: Sequence[Pair], copies: int = 1) -> None:
    """As `exact.assert_pairs`, with the printed slope, which holds at ρ = ±1 too; so many copies are computed."""
    own = cache(lambda root: _right(sigma.activation, Pair(root, root, 1.0, 0.0))[2])
    for pair, values in zip(some, zip(*exact.computed(found, list(some) * copies), strict=False), strict=False):
        rho, gap, slope = (mpf(float(value)) for value in values)
        right = _right(sigma.activation, pair)
        scale = max(abs(right[2]), mpmath.sqrt(own(pair.root_a) * own(pair.root_b)))
        errors = (
            abs(rho - right[0]),
            abs(mpmath.sqrt(2 * gap) - mpmath.sqrt(2 * right[1])),
            abs(slope - right[2]) / scale,
        )
        assert max(errors) <= ROUNDINGS * EPS, (pair, [float(error / EPS) for error in errors])


def _right(activation: Activation, pair: Pair) -> tuple[mpf, mpf, mpf]:
    with mpmath.workdps(90):
        a, b, expectations = mpf(pair.root_a), mpf(pair.root_b), both(activation)
        scale = mpmath.sqrt(expectations(a * a, a * a, a * a)[0] * expectations(b * b, b * b, b * b)[0])
        value, slope = expectations(a * a, b * b, pair.sign * (1 - mpf(pair.gap)) * a * b)
        gap = 1 - abs(value / scale)
        return value / scale, gap if gap > mpf(10) ** -60 else mpf(0), slope * a * b / scale


@pytest.mark.parametrize("sigma", ALL, ids=lambda s: type(s.activation).__name__)
def test_pairs_one_by_one(sigma: Known) -> None:
    some = pairs((1e-6, 0.3, 3.0, 1e3, 1e6))
    assert_exact(sigma, dual(sigma, some), some)


@pytest.mark.parametrize("sigma", ALL, ids=lambda s: type(s.activation).__name__)
@pytest.mark.parametrize("roots", [(1.0,), (1e-5, 1e-1)])
def test_pairs_by_tables(sigma: Known, roots: tuple[float, ...]) -> None:
    some = pairs(roots)
    found = dual(sigma, some)
    assert_exact(sigma, found, some, copies=MANY // len(some) + 1)
    assert isinstance(found, Table) and found.error <= ROUNDINGS * EPS


@pytest.mark.parametrize("sigma", ALL, ids=lambda s: type(s.activation).__name__)
@pytest.mark.parametrize("root", [1e-6, 30.0])
def test_tables_of_equal_rows(sigma: Known, root: float) -> None:
    some = [pair for pair in pairs((root,)) if pair.root_a == pair.root_b]
    assert_exact(sigma, dual(sigma, some), some, copies=MANY // len(some))


@pytest.mark.slow
@pytest.mark.parametrize("sigma", ALL, ids=lambda s: type(s.activation).__name__)
@pytest.mark.parametrize("roots", [(0.5, 1.0), (1.0, 3.0), (20.0, 30.0), (1e3,), (1e6,)])
def test_large_tables(sigma: Known, roots: tuple[float, ...]) -> None:
    some = pairs(roots)
    assert_exact(sigma, dual(sigma, some), some, copies=6 * MANY // len(some))


@pytest.mark.parametrize(("sigma", "most"), [(ERF, 0.6), (GELU, 0.9), (SIN, 1.3)])
def test_pairs_by_series(sigma: Known, most: float) -> None:
    some = [pair for pair in pairs((1e-6, 1e-3, 0.3, most)) if max(pair.root_a, pair.root_b) <= most]
    found = sigma.dual(1e-6, most)
    assert isinstance(found, Series)
    assert found.error <= ROUNDINGS * EPS
    assert_exact(sigma, found, some)


def test_the_choice_of_a_dual() -> None:
    assert isinstance(Tanh().dual(0.0, 0.8), Series)
    assert isinstance(Tanh().dual(0.5, 3.0), Table)
    assert isinstance(Elu().dual(0.1, 0.2), Table)
    assert Tanh().dual(0.5, 0.8) is Tanh().dual(0.5, 0.8)


def test_what_is_used_does_not_depend_on_what_was_used_before() -> None:
    some = pairs((0.7, 1.0))
    fresh, used = (choice.table(Elu(), 0.7, 1.3) for _ in range(2))
    exact.computed(used, some * (MANY // len(some) + 1))
    for x, y in zip(exact.computed(fresh, some), exact.computed(used, some), strict=True):
        assert torch.equal(x, y)


def test_tables_and_single_pairs_agree_for_tiles() -> None:
    root = torch.linspace(0.8, 1.0, 40, dtype=torch.float64)
    found = choice.table(Silu(), 0.8, 1.0)
    rows = found.rows(root)
    a, b = [item[:, None] for item in rows], [item[None, :] for item in rows]
    gap = torch.linspace(0.0, 1.0, 1600, dtype=torch.float64).reshape(40, 40)
    rho = (1.0 - gap) * torch.where(torch.arange(40) % 2 == 0, 1.0, -1.0)
    tile = found.correlate(a, b, rho, gap)
    for i, j in ((0, 0), (3, 17), (20, 20), (39, 1)):
        one = found.correlate([x[i] for x in rows], [x[j] for x in rows], rho[i, j], gap[i, j])
        for x, y in zip(tile, one, strict=True):
            assert float(x[i, j]) == pytest.approx(float(y), abs=ROUNDINGS * EPS)


@pytest.mark.parametrize("sigma", [Tanh(), Elu()])
@pytest.mark.parametrize("roots", [(0.0, 1.0), (0.0, 0.0)])
def test_zero_rows(sigma: Numeric, roots: tuple[float, float]) -> None:
    found = sigma.dual(*roots)
    a = torch.tensor(roots, dtype=torch.float64, requires_grad=True)
    rows = found.rows(a)
    for gap in (0.0, 0.5, 1.0):
        gaps = torch.full((2,), gap, dtype=torch.float64)
        after = found.correlate([x[:1] for x in rows], rows, 1.0 - gaps, gaps)
        derivative = torch.autograd.grad(sum(x.sum() for x in (*after, rows[0])), a, retain_graph=True)[0]
        assert all(bool(x.isfinite().all()) for x in (*after, derivative))


@pytest.mark.parametrize("sigma", ALL, ids=lambda s: type(s.activation).__name__)
def test_derivatives(sigma: Known) -> None:
    """Finite for duplicates and antipodes too; those of ρ_σ and its gap by ρ are ± the slope."""
    some = [pair for pair in pairs((0.9,), (0.0, 1e-9, 1e-3, 1.0)) if pair.root_b < 1.1]
    a, b, gap = (torch.tensor([p[k] for p in some], dtype=torch.float64, requires_grad=True) for k in (0, 1, 3))
    sign = torch.tensor([pair.sign for pair in some], dtype=torch.float64)
    found = dual(sigma, some)
    after = found.correlate(found.rows(a), found.rows(b), sign * (1.0 - gap), gap)
    for result in after:
        for derivative in torch.autograd.grad(result.sum(), (a, b, gap), retain_graph=True):
            assert derivative.isfinite().all()
    by_rho, by_gap = (torch.autograd.grad(x.sum(), gap, retain_graph=True)[0] for x in (after.rho, after.gap))
    assert torch.allclose(by_rho, -sign * after.slope, rtol=1e-10, atol=1e-10)
    # Where ρ_σ is 0, the gap is as smooth as |ρ_σ|.
    some_rho = after.rho.abs() > 1e-6
    right = sign * after.rho.sign() * after.slope
    assert torch.allclose(by_gap[some_rho], right[some_rho], rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(("least", "most"), [(1e-150, 1e-150), (1e150, 1e150)])
def test_extreme_rows(least: float, most: float) -> None:
    """Far from 1 a rectifier is its homogeneous limit: relu for large roots, the identity for small ones."""
    found = Silu().dual(least, most)
    rows = found.rows(torch.tensor([least, most], dtype=torch.float64))
    for root, moment in zip((least, most), rows[0].tolist(), strict=True):
        assert moment == pytest.approx(root * (0.5 if root < 1.0 else 0.5**0.5), rel=ROUNDINGS * EPS)
    gap = torch.tensor([0.0, 1e-12, 0.3], dtype=torch.float64)
    after = found.correlate([x[1:] for x in rows], [x[1:] for x in rows], 1.0 - gap, gap)
    limit = Known(RectifiedPower(power=1)) if most > 1.0 else SIN
    for k in range(3):
        root = 1.0 if most > 1.0 else 1e-30
        right = _right(limit.activation, Pair(root, root, 1.0, float(gap[k])))
        assert [float(x[k]) for x in after] == pytest.approx([float(x) for x in right], abs=ROUNDINGS * EPS)


@dataclass(frozen=True)
class _Wrong(Known):
    """σ' is not the derivative of σ."""

    def derivative(self, z: torch.Tensor) -> torch.Tensor:
        return super().derivative(z) * 1.001


FAULTS = [
    (Known(Step(), (0.0,)), 1.0, 1.0, "jumps at z = 0"),
    (Known(Exp()), 30.0, 30.0, "converge|not finite"),
    (Known(Exp()), 3.0, inf, "not finite"),
    (Known(RectifiedPower(power=1)), 1.0, 1.0, "named kinks"),
    (SIN, 1e3, 1e3, "scale of 1"),
    (Tanh(), 1.0, 1e15, "magnifies angles"),
    (HardTanh(), 1e20, 1e20, "magnifies angles"),
]


@pytest.mark.parametrize(("sigma", "least", "most", "said"), FAULTS)
def test_what_cannot_be_certified_is_refused(sigma: Numeric, least: float, most: float, said: str) -> None:
    with pytest.raises(ArithmeticError, match=said):
        sigma.dual(least, most)


@pytest.mark.parametrize("sigma", [_Wrong(Erf(), odd=True), _Wrong(LeakyRelu(negative_slope=0.1), (0.0,))])
def test_a_wrong_derivative_is_noticed(sigma: Numeric) -> None:
    some = [Pair(1.0, 1.0, 1.0, 0.3)] * MANY
    with pytest.raises(ArithmeticError, match="certain to"):
        exact.computed(sigma.dual(1.0, 1.0), some)


def test_edges_of_panels_are_symmetric_in_derivatives_too() -> None:
    """Rows of one norm have equal edges, which sorting may take in any order."""
    one, rule = torch.ones(1, dtype=torch.float64), Rule(9.0)
    share, spread = one * 0.8, one * 0.6

    def edges(roots: torch.Tensor) -> torch.Tensor:
        return _outer_edges(HardTanh(), roots, share, spread, rule)

    roots = torch.full((1, 3), 1.7, dtype=torch.float64)
    slope = torch.autograd.functional.jacobian(edges, roots)
    assert torch.equal(edges(roots), -edges(roots).flip(-1))
    assert bool(slope.any())
    assert torch.equal(slope, -slope.flip(1))
