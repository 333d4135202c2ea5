"""Whole networks of the activations that have no closed form, against quadrature."""

from typing import Any

import pytest
import torch

from ntk_engine import infinite
from ntk_engine.activations import ACTIVATIONS, parse
from ntk_engine.architecture import mlp
from tests.ntk_engine.infinite import quadrature
from tests.ntk_engine.infinite.pairs import at_norm, excess, stacked

NUMERIC = sorted(name for name, family in ACTIVATIONS.items() if not family.facts.closed_form)
KINDS = ("random", "opposite", "collinear 0.7", "angle 0.001, one norm", "antipodal 0.001", "angle 1e-05", "zero")
DEPTH = 3


def _spelled(name: str) -> Any:
    return {"type": name, "expression": "z * cos(z)"} if name == "expression" else name


@pytest.mark.slow
@pytest.mark.parametrize("name", NUMERIC)
@pytest.mark.parametrize(("norm", "beta", "sigma_w"), [(1.5, 0.1, 1.3), (2.0, 1.0, 1.5)])
def test_networks_of(name: str, norm: float, beta: float, sigma_w: float) -> None:
    pairs = [pair for pair in at_norm(norm) if pair[0] in KINDS]
    left, right = stacked(pairs, torch.float64, "cpu")
    k = infinite.kernel(mlp(DEPTH, parse(_spelled(name)), beta, sigma_w), left, right)
    for i, pair in enumerate(pairs):
        x, y = tuple(left[i].tolist()), tuple(right[i].tolist())
        exact = quadrature.layers(name, DEPTH, beta, sigma_w, x, y)[-1]
        for value, true, scale in (
            (k.nngp[i, i], exact.sigma, exact.sigma_scale),
            (k.ntk[i, i], exact.theta, exact.theta_scale),
        ):
            assert excess(value.item(), true, scale, 1e-12, 1e-14) <= 1, pair[0]


def test_every_numeric_activation_is_tested() -> None:
    assert set(NUMERIC) <= set(quadrature.FUNCTIONS)
