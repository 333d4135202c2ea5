"""Compiled layers of piecewise linear activations, against thirty digits and against the same on tensors."""

from functools import cache

import mpmath
import pytest
import torch
from torch import Tensor

from ntk_engine.activations import expectations, parse
from ntk_engine.activations.kinked import Kinked
from ntk_engine.activations.numeric import Numeric
from ntk_engine.infinite import codes, roots
from ntk_engine.infinite.recursion import Pairs
from tests.ntk_engine.activations.exact import EPS, Pair
from tests.ntk_engine.activations.hinges import CLIP, HAT, UNEVEN, right
from tests.ntk_engine.infinite import both_ways
from tests.ntk_engine.infinite.both_ways import by_stage, by_tensors

# Of either part, with σ(0) = 0: rows of small norm are linear.
RAMP = parse({"type": "expression", "expression": "clip(z, -0.3, 0.7)"})
# Five distances of kinks from 0, among them equal and nearly equal ones.
MANY = parse(
    {"type": "expression", "expression": "clip(z, -1, 1) + 0.3*abs(z - 1.001) - abs(z + 0.5) + relu(z + 3) + relu(z)"}
)
ROWS, COLUMNS = 19, 157
# What engine and documents promise of compiled code.
SAME = 1e-13
ROUNDINGS = 16.0


@pytest.fixture(autouse=True)
def evaluation() -> str:
    """Both ways are in every test."""
    return "compiled"


@pytest.fixture(autouse=True, scope="module")
def _compiled() -> None:
    codes.prepare([CLIP], [torch.float64])


@cache
def dual(sigma: Numeric, ends: tuple[float, float]) -> Kinked:
    found = expectations.table(sigma, *ends)
    assert isinstance(found, Kinked)
    return found


def rows(of: Kinked, root: Tensor, sigma_w: float, beta: float) -> Tensor:
    return roots.through_layers(of, sigma_w, beta, 1, torch.stack([root, root * 0.0]))[0]


def some_roots(ends: tuple[float, float]) -> Tensor:
    """From the least to the largest in no order, equal and nearly equal ones among them."""
    generator = torch.Generator().manual_seed(3)
    least = max(ends[0], 1e-3 * ends[1])
    root = least * (ends[1] / least) ** torch.rand(COLUMNS, dtype=torch.float64, generator=generator)
    root[10:40] = root[9] * (1.0 + 10.0 ** -torch.linspace(1, 15, 30, dtype=torch.float64))
    root[:2] = torch.tensor(ends)
    return root.clamp(*ends)


def pairs() -> Pairs:
    return both_ways.pairs(ROWS, COLUMNS, near=0.5, least=40.0)


@pytest.mark.parametrize(
    ("sigma", "ends"),
    [
        (CLIP, (0.5, 2.0)),
        (CLIP, (1.1, 1.1)),
        (CLIP, (0.0, 3.0)),
        (CLIP, (1e-100, 1e-3)),
        (CLIP, (1e-100, 1.0)),
        (CLIP, (3.0, 100.0)),
        (UNEVEN, (0.5, 2.0)),
        (UNEVEN, (0.0, 30.0)),
        (UNEVEN, (1e99, 1e100)),
        (HAT, (0.0, 2.0)),
        (RAMP, (1e-100, 1.0)),
        (MANY, (0.0, 3.0)),
        (MANY, (1.0, 1e6)),
    ],
)
def test_the_stage_is_the_formula(sigma: Numeric, ends: tuple[float, float]) -> None:
    of = dual(sigma, ends)
    # Beside a bias rows of small norm would not be seen.
    b = rows(of, some_roots(ends), 1.3, 0.0)
    a, before = b[..., :ROWS], pairs()
    found, expected = by_stage(of, a, b, before), by_tensors(of, a, b, before)
    assert found is not None
    # With a row of zeros, ρ_σ may be anything where σ(0) = 0.
    some = (a[0, 0, :, None] > 0.0) & (b[0, 0] > 0.0)
    slopes = (a[0, 2, :, None] * b[0, 2]).clamp_min(1.0)
    angles = (2.0 * found.gap).sqrt() - (2.0 * expected.gap).sqrt()
    for difference in (found.rho - expected.rho, angles, (found.tau - expected.tau) / slopes):
        assert float(difference[some].abs().max()) <= SAME
        assert bool(difference.isfinite().all())
    assert bool((found.gap.diagonal()[::2] == 0.0).all())


# Angles from 1e-9 to π/2 on either side of tan(π/8), with roots that are equal, nearly so, and far from one another.
SOME = [
    Pair(1.0, 1.0, 1.0, 0.3),
    Pair(1.0, 1.3, 1.0, 0.29),
    Pair(1.0, 1.3, -1.0, 0.7),
    Pair(0.3, 2.0, 1.0, 0.6),
    Pair(0.1, 0.13, 1.0, 5e-19),
    Pair(1.0, 1.3, -1.0, 5e-19),
    Pair(1.0, 1.000001, 1.0, 1e-6),
    Pair(1.0, 1.000001, 1.0, 5e-13),
    Pair(1.0, 1.0 + 1e-9, -1.0, 5e-19),
    Pair(0.5, 2.0, 1.0, 0.01),
    Pair(0.7, 0.8, -1.0, 0.999),
]


@pytest.mark.parametrize("sigma", [CLIP, UNEVEN, HAT], ids=["clip", "uneven", "hat"])
@pytest.mark.parametrize("pair", SOME)
def test_the_stage_is_that_of_thirty_digits(sigma: Numeric, pair: Pair) -> None:
    low, high = sorted((pair.root_a, pair.root_b))
    of, true = dual(sigma, (low, high)), right(sigma, pair)
    a, b = (rows(of, torch.tensor([root], dtype=torch.float64), 1.0, 0.0) for root in (pair.root_a, pair.root_b))
    found = by_stage(of, a, b, Pairs(*(torch.tensor([[x]], dtype=torch.float64) for x in (pair.rho, pair.gap, 1.0))))
    assert found is not None
    rho, gap, slope = (mpmath.mpf(float(x)) for x in (found.rho, found.gap, found.tau - found.rho))
    errors = [
        abs(rho - true[0]),
        abs(mpmath.sqrt(gap) - mpmath.sqrt(true[1])),
        abs(slope - true[2]) / max(1, abs(true[2])),
    ]
    assert max(errors) <= ROUNDINGS * EPS, [float(error / EPS) for error in errors]


def test_the_order_of_rows_does_not_matter() -> None:
    of = dual(UNEVEN, (0.5, 2.0))
    b = rows(of, some_roots((0.5, 2.0)), 1.3, 0.4)
    a, before = b[..., :ROWS], pairs()
    one, other = by_stage(of, a, b, before), by_stage(of, b, a, Pairs(*(x.mT.contiguous() for x in before)))
    assert one is not None and other is not None
    for x, y in zip(one, other, strict=True):
        assert float((x - y.mT).abs().max()) <= ROUNDINGS * EPS


@pytest.mark.parametrize(("sigma", "ends"), [(CLIP, (0.5, 1e4)), (HAT, (0.5, 100.0))])
def test_rows_whose_roundings_would_be_magnified_are_left_to_tensors(sigma: Numeric, ends: tuple[float, float]) -> None:
    of = dual(sigma, ends)
    root = some_roots(ends)
    b = rows(of, root, 1.0, 0.1)
    assert by_stage(of, b[..., :ROWS], b, pairs()) is None
    small = b[..., root < 2.0]
    assert (
        by_stage(of, small, small, Pairs(*(x[:1, :1].expand(2 * [small.shape[-1]]).clone() for x in pairs())))
        is not None
    )
