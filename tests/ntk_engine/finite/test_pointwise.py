"""Activations in one compiled pass against their formulas on tensors."""

from typing import Any

import pytest
import torch

from ntk_engine import compiled
from ntk_engine.activations import ACTIVATIONS
from ntk_engine.activations.base import Activation
from ntk_engine.architecture import activations, mlp
from ntk_engine.finite import pointwise
from ntk_engine.finite.pointwise import value_and_slope

NUMBERS: dict[str, Any] = {"rectified_power": {"power": 3}, "polynomial": {"coefficients": (0.3, 1.0, -0.2)}}
NUMBERS |= {"monomial": {"degree": 2}, "hermite": {"degree": 3}, "rbf": {"gamma": 0.7}}
NUMBERS |= {"abrelu": {"a": -0.2, "b": 1.3}, "leaky_relu": {"negative_slope": 0.1}}
NUMBERS |= {"expression": {"expression": "softplus(z) + max(z, 0.1*z) + atan(min(z, 1))*sign(z)"}}
# Sixteen operations at most, each right to four units of the last digit of what it adds up.
NEAR = 64
MANY = 2**13


def activation(name: str) -> Activation:
    (found,) = set(activations(mlp(depth=2, activation={"type": name, **NUMBERS.get(name, {})})))
    return found


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_one_pass_is_the_formulas(name: str, dtype: torch.dtype) -> None:
    some = activation(name)
    wide = torch.linspace(-30.0, 30.0, MANY, dtype=torch.float64)
    z = torch.cat([wide, wide.sign() * 10.0 ** (wide - 30.0), torch.tensor([0.0, -0.0], dtype=torch.float64)]).to(dtype)
    assert pointwise._code(some, dtype) is not None
    eps = torch.finfo(dtype).eps
    for found, wanted in zip(
        value_and_slope(some, z), (some.value(z.double()), some.derivative(z.double())), strict=True
    ):
        assert found.dtype == dtype
        torch.testing.assert_close(found.double(), wanted, rtol=NEAR * eps, atol=NEAR * eps)


def test_no_number_stays_none() -> None:
    z = torch.full((MANY,), torch.nan, dtype=torch.float64)
    for name in ("erf", "gelu", "tanh", "sin", "softplus", "arctan"):
        value, slope = value_and_slope(activation(name), z)
        assert value.isnan().all()
        assert slope.isnan().all()


def test_neurons_in_any_place() -> None:
    z = torch.randn(3, MANY, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    turned = z.mT
    for found, wanted in zip(
        value_and_slope(activation("erf"), turned), value_and_slope(activation("erf"), z), strict=True
    ):
        torch.testing.assert_close(found, wanted.mT, rtol=4 * 2**-52, atol=0.0)


def test_without_a_compiler_it_is_the_formulas(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: object) -> None:
        raise compiled.CompilerError("none")

    some = activation("erf")
    z = torch.randn(MANY, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    pointwise._code.cache_clear()
    monkeypatch.setattr(compiled, "Pointwise", none)
    try:
        value, slope = value_and_slope(some, z)
    finally:
        pointwise._code.cache_clear()
    assert torch.equal(value, some.value(z))
    assert torch.equal(slope, some.derivative(z))
