"""Compiled layers of tabulated activations, against the same on tensors, which is tested against exact expectations."""

from functools import cache

import pytest
import torch
from torch import Tensor

from ntk_engine.activations import expectations, parse
from ntk_engine.activations.table import Table
from ntk_engine.infinite import codes, roots
from ntk_engine.infinite.recursion import Pairs
from tests.ntk_engine.infinite import both_ways
from tests.ntk_engine.infinite.both_ways import by_stage, by_tensors

NAMES = ("tanh", "elu", "selu", "arctan", "softsign")
# Of √q: all in one interval of τ, rows of one norm, and several intervals, in the first of which are zero rows.
RANGES = ((0.8, 1.6), (1.1, 1.1), (0.0, 3.0))
ROWS, COLUMNS = 37, 301
SIGMA_W, BETA = 1.3, 0.4
# Of sums of thousands of terms that do not cancel, as in the tests of tables against exact expectations, for either.
TOLERANCE = 2 * 16 * 2.0**-52


@pytest.fixture(autouse=True)
def evaluation() -> str:
    """Both ways are in every test."""
    return "compiled"


@pytest.fixture(autouse=True, scope="module")
def _compiled() -> None:
    codes.prepare([parse("tanh")], [torch.float64])


@cache
def table(name: str, ends: tuple[float, float]) -> Table:
    return expectations.table(parse(name), *ends)


def rows(dual: Table, ends: tuple[float, float]) -> tuple[Tensor, Tensor]:
    """Roots from the least to the largest in no order; the first columns are equal to the rows."""
    places = torch.rand(COLUMNS, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    root = ends[0] + places * (ends[1] - ends[0])
    root[:2] = torch.tensor(ends)
    brings, _ = roots.through_layers(dual, SIGMA_W, BETA, 1, torch.stack([root, root * 0.0]))
    return brings[..., :ROWS], brings


def pairs() -> Pairs:
    return both_ways.pairs(ROWS, COLUMNS, near=0.3, least=60.0)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("ends", RANGES)
def test_the_stage_is_the_formula(name: str, ends: tuple[float, float]) -> None:
    dual = table(name, ends)
    a, b = rows(dual, ends)
    before = pairs()
    found, expected = by_stage(dual, a, b, before), by_tensors(dual, a, b, before)
    assert found is not None
    slopes = (a[0, 2, :, None] * b[0, 2]).clamp_min(1.0)
    assert float((found.rho - expected.rho).abs().max()) <= TOLERANCE
    assert float(((2.0 * found.gap).sqrt() - (2.0 * expected.gap).sqrt()).abs().max()) <= TOLERANCE
    assert float(((found.tau - expected.tau) / slopes).abs().max()) <= TOLERANCE


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("ends", RANGES)
def test_equal_inputs_stay_equal(name: str, ends: tuple[float, float]) -> None:
    dual = table(name, ends)
    found = by_stage(dual, *rows(dual, ends), pairs())
    assert found is not None
    assert bool((found.gap.diagonal()[::2] == 0.0).all())


def test_the_order_of_rows_does_not_matter() -> None:
    dual = table("elu", RANGES[2])
    a, b = rows(dual, RANGES[2])
    before = pairs()
    one, other = by_stage(dual, a, b, before), by_stage(dual, b, a, Pairs(*(x.mT.contiguous() for x in before)))
    assert one is not None and other is not None
    for x, y in zip(one, other, strict=True):
        assert float((x - y.mT).abs().max()) <= TOLERANCE


@pytest.mark.parametrize("name", ["tanh", "elu"])
def test_what_patches_add_is_known(name: str) -> None:
    compiled, tensors = (expectations.table(parse(name), *RANGES[0]) for _ in range(2))
    before = compiled.error
    by_stage(compiled, *rows(compiled, RANGES[0]), pairs())
    by_tensors(tensors, *rows(tensors, RANGES[0]), pairs())
    assert compiled.error == tensors.error >= before


@pytest.mark.parametrize(("text", "columns"), [("tanh(z)", 4), ("z * max(z, 1)", COLUMNS)])
def test_what_is_left_to_tensors(text: str, columns: int) -> None:
    """Few pairs do not pay for a patch, and kinks beside 0 do not go into one."""
    dual = expectations.table(parse({"type": "expression", "expression": text}), *RANGES[0])
    a, b = rows(dual, RANGES[0])
    some = Pairs(*(x[:, :columns].contiguous() for x in pairs()))
    assert by_stage(dual, a, b[..., :columns], some) is None
