"""Activations without a closed form, family by family: functions, and pairs by a product of two rules at 19 digits."""

from collections.abc import Callable
from functools import cache
from math import log, sqrt
from typing import Any

import mpmath
import numpy as np
import pytest
import torch
from mpmath import mpf

from ntk_engine.activations.numeric import Numeric
from ntk_engine.activations.rectifiers import SELU_ALPHA, SELU_SCALE, Elu, Mish, Selu, Silu, Softplus
from ntk_engine.activations.sigmoids import Arctan, HardTanh, Sigmoid, Softsign, Tanh
from tests.ntk_engine.activations import exact
from tests.ntk_engine.activations.exact import EPS, Pair

Array = np.ndarray[Any, Any]
FAMILIES: dict[Numeric, Callable[[mpf], mpf]] = {
    Tanh(): mpmath.tanh,
    Sigmoid(): lambda z: 1 / (1 + mpmath.exp(-z)),
    Arctan(): mpmath.atan,
    Softsign(): lambda z: z / (1 + abs(z)),
    HardTanh(): lambda z: min(max(z, mpf(-1)), mpf(1)),
    Softplus(): lambda z: mpmath.log(1 + mpmath.exp(z)),
    Silu(): lambda z: z / (1 + mpmath.exp(-z)),
    Mish(): lambda z: z * mpmath.tanh(mpmath.log(1 + mpmath.exp(z))),
    Elu(): lambda z: z if z > 0 else mpmath.expm1(z),
    Selu(): lambda z: mpf(SELU_SCALE) * (z if z > 0 else mpf(SELU_ALPHA) * mpmath.expm1(z)),
}


def _selu(z: Array) -> Array:
    return SELU_SCALE * np.where(z > 0, z, SELU_ALPHA * np.expm1(np.minimum(z, 0)))


def _mish_slope(z: Array) -> Array:
    t = np.tanh(np.logaddexp(0, z))
    return t + z * (1 - t * t) / (1 + np.exp(-z))


TWINS: dict[Numeric, tuple[Callable[[Array], Array], Callable[[Array], Array]]] = {
    Tanh(): (np.tanh, lambda z: 1 / np.cosh(z) ** 2),
    Sigmoid(): (lambda z: 1 / (1 + np.exp(-z)), lambda z: np.exp(-z) / (1 + np.exp(-z)) ** 2),
    Arctan(): (np.arctan, lambda z: 1 / (1 + z * z)),
    Softsign(): (lambda z: z / (1 + abs(z)), lambda z: 1 / (1 + abs(z)) ** 2),
    HardTanh(): (lambda z: np.clip(z, -1, 1), lambda z: (abs(z) < 1).astype(z.dtype)),
    Softplus(): (lambda z: np.logaddexp(0, z), lambda z: 1 / (1 + np.exp(-z))),
    Silu(): (lambda z: z / (1 + np.exp(-z)), lambda z: (1 + np.exp(-z) + z * np.exp(-z)) / (1 + np.exp(-z)) ** 2),
    Mish(): (lambda z: z * np.tanh(np.logaddexp(0, z)), _mish_slope),
    Elu(): (lambda z: np.where(z > 0, z, np.expm1(np.minimum(z, 0))), lambda z: np.exp(np.minimum(z, 0))),
    Selu(): (_selu, lambda z: SELU_SCALE * np.where(z > 0, 1, SELU_ALPHA * np.exp(np.minimum(z, 0)))),
}
"""σ and σ' on numpy's extended precision."""
POINTS = (-300.0, -30.0, -3.0, -0.7, -1e-3, -1e-150, 1e-150, 1e-3, 0.7, 3.0, 30.0, 300.0)
each = pytest.mark.parametrize("sigma", FAMILIES, ids=lambda sigma: sigma.type)


@each
def test_functions(sigma: Numeric) -> None:
    z = torch.tensor(POINTS, dtype=torch.float64)
    with mpmath.workdps(400):
        values = [float(FAMILIES[sigma](mpf(point))) for point in POINTS]
        slopes = [float(mpmath.diff(FAMILIES[sigma], mpf(point), h=mpf(10) ** -200)) for point in POINTS]
    # Exponentials magnify the last digit of their argument as many times as that is.
    digits = [8.0 + 4.0 * abs(point) for point in POINTS]
    for computed, right in ((sigma.value(z), values), (sigma.derivative(z), slopes)):
        for value, expected, some in zip(computed.tolist(), right, digits, strict=True):
            assert value == pytest.approx(expected, rel=some * EPS, abs=1e-300)


@each
def test_functions_do_not_overflow(sigma: Numeric) -> None:
    z = torch.tensor([-1e150, -1e3, 0.0, 1e3, 1e150], dtype=torch.float64, requires_grad=True)
    for values in (sigma.value(z), sigma.derivative(z)):
        assert values.isfinite().all()
    (by_z,) = torch.autograd.grad(sigma.value(z).sum(), z)
    # autograd has a side at a kink, and σ' by definition none.
    assert torch.allclose(by_z[[0, 1, 3, 4]], sigma.derivative(z)[[0, 1, 3, 4]])


@each
def test_oddness_and_kinks_are_what_they_say(sigma: Numeric) -> None:
    z = torch.linspace(0.01, 5.0, 200, dtype=torch.float64)
    assert sigma.odd == torch.allclose(sigma.value(-z), -sigma.value(z))
    for kink in sigma.kinks:
        assert sigma.derivative(torch.tensor([kink], dtype=torch.float64)).isfinite().all()


def _wide(x: object) -> np.longdouble:
    return np.longdouble(mpmath.nstr(mpf(x), 25))


@cache
def _rule() -> tuple[Array, Array]:
    """The Gauss-Legendre rule of 24 points on [0, 1], in extended precision."""
    with mpmath.workdps(30):
        roots = [mpmath.findroot(lambda t: mpmath.legendre(24, t), x) for x in np.polynomial.legendre.leggauss(24)[0]]
        weights = [1 / ((1 - x * x) * mpmath.diff(lambda t: mpmath.legendre(24, t), x) ** 2) for x in roots]
        return np.array([_wide((x + 1) / 2) for x in roots]), np.array([_wide(w) for w in weights])


def _nodes(edges: Array) -> tuple[Array, Array]:
    """Nodes and weights times the normal density between edges in rising order, row by row."""
    nodes, weights = _rule()
    low, width = edges[:, :-1, None], np.diff(edges)[..., None]
    x, w = (item.reshape(len(edges), -1) for item in (low + width * nodes, width * weights))
    return x, w * np.exp(-x * x / 2) / np.sqrt(2 * _wide(mpmath.pi))


def brute(sigma: Numeric, pair: Pair) -> tuple[np.longdouble, np.longdouble, np.longdouble]:
    """ρ_σ, 1 − |ρ_σ| and the slope, by a product of two rules in z and w, z' = ρz + √(1 − ρ²) w, with 19 digits."""
    a, b, gap = _wide(pair.root_a), _wide(pair.root_b), _wide(pair.gap)
    rho, rest = pair.sign * (1 - gap), np.sqrt(gap * (2 - gap))
    even = np.arange(-9, 9.5, 0.75).astype(np.longdouble)
    kinks = [_wide(k) for k in sigma.kinks]
    layers = [(k / b + side * step * rest) / rho for k in kinks for side in (-1, 1) for step in (0, 1, 3, 9)]
    outer = np.sort(np.clip(np.array([*even, *(k / a for k in kinks), *layers]), -9, 9))
    z, at_z = (item[0] for item in _nodes(outer[None]))
    columns = [np.repeat(even[None], len(z), 0), *((k / b - rho * z)[:, None] / rest for k in kinks)]
    w, at_w = _nodes(np.sort(np.clip(np.concatenate(columns, 1), -9, 9)))
    value, derivative = TWINS[sigma]
    x, y = value(a * z)[:, None], value(b * (rho * z[:, None] + rest * w))
    weights = at_z[:, None] * at_w
    scales = [np.sqrt((item * item * weights).sum()) for item in (x, y)]
    apart = [((x / scales[0] + side * y / scales[1]) ** 2 * weights).sum() / 2 for side in (-1, 1)]
    slope = (derivative(a * z)[:, None] * derivative(b * (rho * z[:, None] + rest * w)) * weights).sum()
    return (apart[1] - apart[0]) / 2, min(apart), slope * a * b / (scales[0] * scales[1])


PAIRS = [
    Pair(0.4, 0.4, 1.0, 0.3),
    Pair(0.4, 0.5, -1.0, 0.05),
    Pair(1.1, 1.5, 1.0, 0.2),
    Pair(1.3, 1.3, -1.0, 1e-5),
    Pair(1.1, 1.1001, 1.0, 1e-7),
    Pair(2.5, 0.01, 1.0, 0.8),
]


@each
@pytest.mark.parametrize("pair", PAIRS)
def test_pairs_are_those_of_a_product_of_two_rules(sigma: Numeric, pair: Pair) -> None:
    """Series for the smaller roots of smooth families, quadrature for the others."""
    right = brute(sigma, pair)
    found = exact.computed(sigma.dual(*sorted((pair.root_a, pair.root_b))), [pair])
    errors = [
        abs(found.rho[0].item() - right[0]),
        abs(sqrt(found.gap[0].item()) - np.sqrt(right[1])),
        abs(found.slope[0].item() - right[2]),
    ]
    assert max(errors) <= 16 * EPS, [float(error / EPS) for error in errors]


@each
def test_tables_are_right_too(sigma: Numeric) -> None:
    """As many copies of a pair as make a table pay."""
    pair = Pair(1.1, 1.5, -1.0, 0.4)
    found, right = exact.computed(sigma.dual(1.1, 1.5), [pair] * 4096), brute(sigma, pair)
    for computed, expected in zip((found.rho, found.gap, found.slope), right, strict=True):
        assert abs(computed[0].item() - expected) <= 16 * EPS


@each
@pytest.mark.parametrize("root", [1e-3, 1.0, 1e3])
def test_moments(sigma: Numeric, root: float) -> None:
    with mpmath.workdps(30):
        edges = sorted(
            {*range(-12, 13), *(k / root for k in sigma.kinks), *(s * 3**k / root for k in range(8) for s in (-1, 1))}
        )
        edges = [edge for edge in edges if abs(edge) <= 12]
        right = mpmath.sqrt(mpmath.quad(lambda z: FAMILIES[sigma](root * z) ** 2 * mpmath.npdf(z), edges, maxdegree=5))
    assert exact.moment(sigma.dual(root, root), root) == pytest.approx(float(right), rel=8 * EPS)


def test_limits_of_small_roots() -> None:
    """√E[σ²] of a zero row is |σ(0)|, and that of a small one |σ'(0)| √q where σ(0) = 0."""
    for sigma, moment in ((Sigmoid(), 0.5), (Softplus(), log(2.0)), (Tanh(), 0.0), (Elu(), 0.0)):
        assert exact.moment(sigma.dual(0.0, 1.0), 0.0) == pytest.approx(moment, rel=4 * EPS)
    for sigma, slope in ((Tanh(), 1.0), (Softsign(), 1.0), (Mish(), 0.6), (Silu(), 0.5), (Elu(), 1.0)):
        assert exact.moment(sigma.dual(1e-150, 1e-150), 1e-150) == pytest.approx(slope * 1e-150, rel=8 * EPS)


def test_selu_keeps_a_mean_of_zero_and_a_variance_of_one() -> None:
    dual = Selu().dual(1.0, 1.0)
    one, pair = exact.moment(dual, 1.0), exact.computed(dual, [Pair(1.0, 1.0, 1.0, 1.0)])
    assert one == pytest.approx(1.0, rel=8 * EPS)
    assert float(pair.rho[0]) == pytest.approx(0.0, abs=8 * EPS)


def test_large_rows_of_saturating_activations_are_signs() -> None:
    """E[sign z sign z'] = (2/π) arcsin ρ; what is left is of the order of log √q/√q, for arctan, or 1/√q."""
    for sigma, order in ((Tanh(), 1e-6), (HardTanh(), 1e-6), (Arctan(), 4e-5)):
        found = exact.computed(sigma.dual(1e6, 1e6), [Pair(1e6, 1e6, 1.0, 0.3)])
        assert float(found.rho[0]) == pytest.approx(2 / mpmath.pi * mpmath.asin(0.7), abs=order)
        assert float(found.slope[0]) == pytest.approx(2 / mpmath.pi / sqrt(1 - 0.49), abs=order)
