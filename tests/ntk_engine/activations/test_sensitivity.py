"""κ, μ, ν, λ and ω: what they are for known activations, and that no pair moves further than they say."""

from math import inf, pi, sqrt

import pytest
import torch
from torch import Tensor

from ntk_engine.activations import parse
from ntk_engine.activations.base import After, Dual
from ntk_engine.activations.sensitivity import sensitivity

NAMES = ["relu", "erf", "gelu", "sin", "tanh", "sigmoid", "hard_tanh", "softsign", "silu", "elu"]
ROOTS = (0.05, 0.7, 1.3, 4.0)
SMALL = 1e-5
"""Steps of angles and of logarithms of roots; what is of second order in it is below a hundredth of the first."""


def at(dual: Dual, a: Tensor, b: Tensor, angle: Tensor) -> tuple[After, Tensor]:
    """Pairs of roots a and b, and what one unit of slope is there: √(κκ') of its rows."""
    rho = angle.cos()
    rows = [dual.rows(root) for root in (a, b)]
    one = torch.ones_like(a)
    own = [dual.correlate(row, row, one, one * 0.0).slope for row in rows]
    return dual.correlate(*rows, rho, 1.0 - rho.abs()), (own[0] * own[1]).sqrt()


def apart(some: After, others: After) -> Tensor:
    """The largest difference of their angles."""
    return (some.rho.clamp(-1.0, 1.0).acos() - others.rho.clamp(-1.0, 1.0).acos()).abs().max()


@pytest.mark.parametrize("name", NAMES)
def test_nothing_moves_further(name: str) -> None:
    activation = parse(name)
    dual, found = activation.dual(0.99 * min(ROOTS), 1.01 * max(ROOTS)), sensitivity(activation, ROOTS)
    roots = torch.tensor(ROOTS, dtype=torch.float64)
    angles = torch.tensor([0.02, 0.3, 1.0, 1.5, 2.2, 3.1], dtype=torch.float64)
    a, b, angle = (item.flatten() for item in torch.meshgrid(roots, roots, angles, indexing="ij"))
    before, unit = at(dual, a, b, angle)
    turned, _ = at(dual, a, b, angle + SMALL)
    grown, grown_unit = at(dual, a * (1.0 + SMALL), b, angle)
    # Both sides of an inequality are right to about SMALL, or to 1e-15/SMALL where differences are taken.
    most = SMALL * 1.01
    assert apart(turned, before) <= most * found.angle
    assert apart(grown, before) <= most * found.root
    assert ((turned.slope - before.slope).abs() / unit).max() <= most * found.turned
    assert (grown.slope / grown_unit - before.slope / unit).abs().max() <= most * 2.0 * found.drawn
    scales = [dual.rows(root)[0] for root in (roots, roots * (1.0 + SMALL))]
    assert (scales[1] / scales[0]).log().abs().max() <= most * found.length
    assert ((scales[1] / scales[0]).log() - SMALL).abs().max() <= most * found.share + SMALL**2
    # Sums from above and below of a grid of 1 % are right to that.
    assert torch.allclose(torch.tensor(found.scale, dtype=torch.float64), scales[0], rtol=1e-2)


def test_of_relu() -> None:
    """κ = μ = 1, ν = 0; σ' jumps by 1 at 0, where φ is 1/√(2π), E[σ'²] is a half, and λ is 1/π, as of arccos."""
    found = sensitivity(parse("relu"), (0.3, 2.0))
    assert found.angle == pytest.approx(1.0, rel=1e-2)
    assert found.length == pytest.approx(1.0, rel=3e-2)
    assert (found.share, found.root, found.drawn) == pytest.approx((0.0, 0.0, 0.0), abs=3e-2)
    assert found.turned == pytest.approx(1.0 / pi, rel=2e-2)
    assert found.steep == pytest.approx(1.0 / sqrt(1.0 - 1.0 / pi), rel=2e-2)


def test_a_jump_has_no_bound() -> None:
    found = sensitivity(parse("sign"), (1.0,))
    assert (found.angle, found.root, found.turned, found.drawn) == (inf, 0.0, inf, inf)
