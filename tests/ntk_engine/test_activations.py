"""Activations one by one: their functions, their moments, and their duals against quadrature over the Gaussian."""

from collections.abc import Callable
from math import pi, sqrt

import mpmath
import numpy as np
import pytest
import torch

from ntk_engine.activations import ACTIVATIONS, AnyActivation, Correlation, describe, parse

POINTS = [-3.0, -0.5, 0.0, 1e-3, 0.7, 4.0]
FUNCTIONS = {
    "relu": (lambda z: max(z, mpmath.mpf(0)), lambda z: mpmath.mpf(z > 0)),
    "erf": (mpmath.erf, lambda z: 2 / mpmath.sqrt(mpmath.pi) * mpmath.exp(-z * z)),
}


@pytest.fixture(params=sorted(ACTIVATIONS))
def activation(request: pytest.FixtureRequest) -> AnyActivation:
    return parse(request.param)


def test_values_and_derivatives(activation: AnyActivation) -> None:
    value, derivative = FUNCTIONS[activation.type]
    z = torch.tensor(POINTS, dtype=torch.float64)
    assert activation.value(z).tolist() == pytest.approx([float(value(mpmath.mpf(p))) for p in POINTS], rel=1e-15)
    # exp magnifies the last digit of z² = 16 sixteen times.
    exact = [float(derivative(mpmath.mpf(p))) for p in POINTS]
    assert activation.derivative(z).tolist() == pytest.approx(exact, rel=32 * 2.2e-16)


@pytest.mark.parametrize("root", [1e-6, 0.3, 1.0, 20.0])
def test_moments_are_those_of_the_gaussian(activation: AnyActivation, root: float) -> None:
    value, _ = FUNCTIONS[activation.type]
    expected = mpmath.sqrt(_expectation(lambda z: value(root * z) ** 2))
    assert activation.moment(torch.tensor(root, dtype=torch.float64)).item() == pytest.approx(
        float(expected), rel=1e-14
    )


@pytest.mark.parametrize("root", [1e-300, 1e-160, 1e-100, 1e100])
def test_moments_hold_at_extreme_scales(activation: AnyActivation, root: float) -> None:
    slope = {"relu": sqrt(0.5), "erf": 2 / sqrt(mpmath.pi)}[activation.type]
    expected = 1.0 if activation.type == "erf" and root > 1 else slope * root
    assert activation.moment(torch.tensor(root, dtype=torch.float64)).item() == pytest.approx(expected, rel=1e-14)
    assert activation.moment(torch.tensor(0.0, dtype=torch.float64)).item() == 0.0


@pytest.mark.parametrize(("root_a", "root_b", "rho"), [(1.0, 1.0, 0.3), (0.5, 2.0, -0.8), (3.0, 0.1, 0.0)])
def test_duals_are_those_of_the_gaussian(activation: AnyActivation, root_a: float, root_b: float, rho: float) -> None:
    a, b, r = (torch.tensor([item], dtype=torch.float64) for item in (root_a, root_b, rho))
    after = activation.correlate(a, b, Correlation(1 - r, 1 + r), slope=True)
    scale = activation.moment(a).item() * activation.moment(b).item()
    expected = _dual(activation.value, root_a, root_b, rho)
    # The rules are exact to rounding of their 2 × 600 terms, relative to the scale of the products summed.
    assert (1 - after.u).item() * scale == pytest.approx(expected, rel=1e-12, abs=1e-13 * scale)
    assert (after.antipodal() - 1).item() * scale == pytest.approx(expected, rel=1e-12, abs=1e-13 * scale)
    assert after.slope is not None
    slope = after.slope.item() * scale / (root_a * root_b)
    assert slope == pytest.approx(_dual(activation.derivative, root_a, root_b, rho), rel=1e-12)


def test_the_slope_is_left_out_where_it_is_not_asked_for(activation: AnyActivation) -> None:
    one = torch.ones(1, dtype=torch.float64)
    assert activation.correlate(one, one, Correlation(one * 0.5, one * 1.5), slope=False).slope is None


def test_the_registry_says_what_there_is() -> None:
    listed = describe()
    assert [entry["type"] for entry in listed] == sorted(ACTIVATIONS)
    assert {entry["type"]: entry["homogeneous"] for entry in listed} == {"erf": False, "relu": True}
    assert all(entry["formula"] and entry["description"] and entry["parameters"] == {} for entry in listed)


@pytest.mark.parametrize("value", ["sigmoidal", {"type": "sigmoidal"}, {}, None, 3, ["relu"]])
def test_an_unknown_activation_is_answered_with_those_known(value: object) -> None:
    with pytest.raises(ValueError, match="erf, relu"):
        parse(value)


def _expectation(f: Callable[[mpmath.mpf], mpmath.mpf]) -> mpmath.mpf:
    """E f(z), z ~ N(0, 1), by quadrature on both sides of the kink."""
    return mpmath.quad(lambda z: f(z) * mpmath.npdf(z), [-12, -3, -1, 0, 1, 3, 12])


def _dual(f: Callable[[torch.Tensor], torch.Tensor], root_a: float, root_b: float, rho: float) -> float:
    """E f(z) f(z') by Gauss-Legendre rules of 300 points, split where a factor has its kink."""
    rest = sqrt(1 - rho * rho)
    z, at_z = _rule(torch.tensor([[-11.0, 0.0], [0.0, 11.0]], dtype=torch.float64))
    z, at_z = z.flatten(), at_z.flatten()
    kink = (-rho * z / rest).clamp(-11.0, 11.0)
    edge = torch.full_like(kink, 11.0)
    total = torch.zeros_like(z)
    for pieces in (torch.stack([-edge, kink], dim=1), torch.stack([kink, edge], dim=1)):
        w, at_w = _rule(pieces)
        total += (f(root_b * (rho * z[:, None] + rest * w)) * at_w).sum(dim=1)
    return float((f(root_a * z) * at_z * total).sum())


def _rule(pieces: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Nodes, and weights times the normal density, on every interval (n×2) of `pieces`: two n×300."""
    nodes, weights = (torch.from_numpy(part) for part in np.polynomial.legendre.leggauss(300))
    middle, half = pieces.mean(dim=1, keepdim=True), pieces.diff(dim=1) / 2
    x = middle + half * nodes
    return x, half * weights * (-x * x / 2).exp() / sqrt(2 * pi)
