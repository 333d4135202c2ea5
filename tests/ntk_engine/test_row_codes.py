"""Rows through layers, compiled, against the same formulas on tensors and arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
import torch

from ntk_engine import compiled
from ntk_engine.activations import ACTIVATIONS
from ntk_engine.activations.base import ClosedForm
from ntk_engine.activations.erf import Erf
from ntk_engine.activations.gelu import Gelu
from ntk_engine.activations.narrow import erf, gelu
from ntk_engine.activations.relu import Relu
from ntk_engine.activations.sine import Sin
from ntk_engine.infinite import codes, roots, row_codes

CLOSED = [family() for family in ACTIVATIONS.values() if issubclass(family, ClosedForm)]
# Divisions, roots and elementary functions err by two units of the last digit each; ten follow one another at most.
FEW = 20 * torch.finfo(torch.float64).eps


def rows(*high: float) -> torch.Tensor:
    root = torch.cat([torch.rand(200, generator=torch.Generator().manual_seed(1), dtype=torch.float64) * 3 + 1e-3])
    root = torch.cat([root, torch.tensor(high, dtype=torch.float64)])
    return torch.stack([root, root * 2.0**-54])


def both(dual: Any, beta: float, before: torch.Tensor, count: int = 1) -> tuple[Any, Any]:
    codes.prepare([dual.whole], [torch.float64])
    found = row_codes.layers(dual, 1.3, beta, count, before)
    assert found is not None
    return found, roots.through_layers(dual, 1.3, beta, count, before)


def assert_equal(found: torch.Tensor, expected: torch.Tensor, tolerance: float) -> None:
    torch.testing.assert_close(found, expected, rtol=tolerance, atol=tolerance, equal_nan=True)


@pytest.mark.parametrize("beta", [0.0, 0.3])
@pytest.mark.parametrize("activation", [*CLOSED, Erf(0.7, 1.3, 0.4), Sin(0.7, 1.3, 0.4)], ids=str)
def test_layers_bring_what_they_bring_on_tensors(activation: ClosedForm, beta: float) -> None:
    (brings, after), (expected, root) = both(activation, beta, rows())
    # Where roots after the activation are known to one word, the second word of t is what is left of its rounding.
    exact = activation.moment(roots.words(*rows())) is not None
    brings, expected = (item if exact else item[:, :-1] for item in (brings, expected))
    scale = expected.abs().amax(2, keepdim=True)
    scale = scale.masked_fill(scale == 0.0, 1.0)
    assert_equal(brings / scale, expected / scale, FEW)
    assert_equal((after[0] - root[0]) + (after[1] - root[1]), torch.zeros_like(root[0]), 2.0**-90 if exact else FEW)


@pytest.mark.parametrize("beta", [0.0, 0.3])
@pytest.mark.parametrize("activation", [*CLOSED, Erf(0.7, 1.3, 0.4), Sin(0.7, 1.3, 0.4)], ids=str)
def test_extreme_rows(activation: ClosedForm, beta: float) -> None:
    before = rows(0.0, 1e-300, 1e-100, 1e30, 1e100, 1e299, float("inf"))[:, 200:]
    found, expected = both(activation, beta, before)
    for value, other in zip((found[0][:, :-1], found[1][0]), (expected[0][:, :-1], expected[1][0]), strict=True):
        finite = other.isfinite()
        assert torch.equal(value.isfinite(), finite)
        # Of e^x the argument's last digits count.
        torch.testing.assert_close(value[finite], other[finite], rtol=1000 * FEW, atol=2.0**-1060)


def test_many_layers_are_one_after_another() -> None:
    (brings, after), (expected, root) = both(Relu(), 0.1, rows(), 200)
    assert_equal(brings, expected, FEW)
    assert_equal(after[0], root[0], FEW)


@pytest.mark.parametrize("dual", [erf(Erf(), 1e-3, 2.5e-3), gelu(Gelu(), 1.0, 2.5)], ids=["erf", "gelu"])
def test_narrow_forms_add_what_they_add(dual: Any) -> None:
    before = rows()[:, :50] * 0.4 + torch.tensor([[1.0], [0.0]], dtype=torch.float64)
    before = before if dual.whole == Gelu() else before * 1e-3
    found, expected = both(dual, 0.1, before)
    assert found[0].shape == expected[0].shape
    assert dual is not dual.whole
    for value, other in zip(found[0][0, :-1], expected[0][0, :-1], strict=True):
        assert_equal(value, other, FEW * float(other.abs().max()))


def test_one_text_serves_all_parameters() -> None:
    assert row_codes.source(Erf(0.7, 1.3, 0.4)) == row_codes.source(Erf(2.0, 1.0, -1.0))
    assert row_codes.source(Erf(0.7, 1.3)) == row_codes.source(Erf(2.0, 0.5))


@dataclass(frozen=True)
class Unusual(Relu):
    """ReLU whose rows are computed by functions that are not recorded."""

    def rows(self, root: torch.Tensor) -> tuple[torch.Tensor]:
        """√(q/2)."""
        return (torch.sqrt(root * root / 2.0),)


def test_what_cannot_be_recorded_is_evaluated() -> None:
    assert row_codes.source(Unusual()) is None
    assert row_codes.layers(Unusual(), 1.0, 0.1, 2, rows()) is None


@dataclass(frozen=True)
class Converted(Relu):
    """ReLU whose rows are converted on the way, as conditions and as numbers."""

    def rows(self, root: torch.Tensor) -> tuple[torch.Tensor]:
        """√(q/2)."""
        return ((root > 0.0).to(root.dtype) * (root * 0.5**0.5).to(root.dtype),)


def test_conversions_are_those_of_tensors() -> None:
    (brings, _), (expected, _) = both(Converted(), 0.1, rows(0.0))
    assert_equal(brings, expected, FEW)


def test_derivatives_are_not_compiled() -> None:
    compiled.prepare([row_codes.source(Relu()) or ""])
    assert row_codes.layers(Relu(), 1.0, 0.1, 2, rows().requires_grad_()) is None
    assert row_codes.layers(Relu(), torch.tensor(1.0), 0.1, 2, rows()) is None
