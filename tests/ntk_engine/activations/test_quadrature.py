"""Rules and interpolation: against mpmath's, and on functions whose integrals are known."""

import mpmath
import pytest
import torch

from ntk_engine.activations.chebyshev import Interval, basis, points, transform
from ntk_engine.activations.quadrature import Rule, density, unit_rule

EPS = 2.0**-52


@pytest.mark.parametrize("n", [2, 18, 25])
def test_gauss_legendre_rules_are_those_of_thirty_digits(n: int) -> None:
    nodes, weights = unit_rule(n)
    with mpmath.workdps(30):
        for x, w in zip(nodes.tolist(), weights.tolist(), strict=True):
            root = mpmath.findroot(lambda t: mpmath.legendre(n, t), 2 * mpmath.mpf(x) - 1)
            slope = mpmath.diff(lambda t: mpmath.legendre(n, t), root)
            assert abs(x - (root + 1) / 2) <= EPS
            assert abs(w - 1 / ((1 - root**2) * slope**2)) <= EPS * w


@pytest.mark.parametrize("reach", [9.0, 9.3, 12.0, 30.0])
def test_even_panels_take_the_density_to_rounding(reach: float) -> None:
    rule = Rule(reach)
    z, weights = rule.panels(rule.even_edges(torch.zeros(1, dtype=torch.float64)))
    weights = weights * density(z)
    for power, moment in ((0, 1.0), (2, 1.0), (4, 3.0)):
        # The tails beyond 9 hold 1e-15 of the fourth moment.
        assert float((weights * z**power).sum()) == pytest.approx(moment, abs=1e-14)


@pytest.mark.parametrize("scale", [1e-17, 1e-6, 0.3, 20.0])
def test_graded_panels_resolve_a_scale(scale: float) -> None:
    rule = Rule(9.3)
    like = torch.tensor([scale], dtype=torch.float64)
    edges = torch.cat([rule.even_edges(like)[None], rule.graded(like, rule.levels(scale))], -1)
    z, weights = rule.panels(edges.clamp(-rule.reach, rule.reach).sort(-1).values)
    # ∫ dz/(z² + scale²) = 2 arctan(reach/scale)/scale.
    right = 2.0 * mpmath.atan(rule.reach / scale) / scale
    assert float((weights / (z * z + scale * scale)).sum()) == pytest.approx(float(right), rel=8 * EPS)


@pytest.mark.parametrize("n", [1, 2, 13, 24])
def test_interpolation_is_exact_for_polynomials(n: int) -> None:
    x = torch.linspace(-1.0, 1.0, 41, dtype=torch.float64)
    for k in range(n):
        right = torch.cos(k * torch.acos(x))
        found = basis(x, n).mT @ (transform(n) @ torch.cos(k * torch.acos(points(n))))
        # |T_k'| ≤ k², and the right side knows its angle to eps.
        assert float((found - right).abs().max()) <= 8 * EPS * (1 + k * k)


def test_interpolation_of_an_exponential() -> None:
    panel = Interval(2.0, 3.0)
    x = torch.linspace(2.0, 3.0, 50, dtype=torch.float64)
    found = basis(panel.to_unit(x), 24).mT @ (transform(24) @ panel.points(24).exp())
    assert torch.allclose(found, x.exp(), rtol=8 * EPS, atol=0.0)


def test_an_interval_may_be_a_point() -> None:
    at = Interval(2.0, 2.0)
    assert at.points(1).tolist() == [2.0]
    assert at.to_unit(torch.tensor([2.0, 2.1])).tolist() == [0.0, 0.0]
