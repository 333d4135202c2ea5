"""Closed forms that are narrowed to a range of roots: right to the same digits, or not narrowed."""

import pytest
import torch

from ntk_engine import infinite
from ntk_engine.activations.apart import Apart, apart, on_range
from ntk_engine.activations.base import ClosedForm
from ntk_engine.activations.erf import Erf
from ntk_engine.activations.gelu import Gelu
from ntk_engine.activations.narrow import NarrowErf, NarrowGelu, NarrowShiftedErf
from ntk_engine.architecture import mlp
from ntk_engine.infinite import codes
from tests.ntk_engine.activations import exact
from tests.ntk_engine.activations.printed import printed

RANGES = [(1.3, 1.7), (0.9, 1.1), (0.03, 0.04), (30.0, 40.0), (1e-6, 1.5e-6), (1.0, 1.00001), (1e3, 1.2e3)]
# What `on_range` allows the distance of rows, beside the rounding of the pair formula itself.
ROUNDINGS = 64 + exact.ROUNDINGS


@pytest.mark.parametrize("limits", RANGES, ids=str)
@pytest.mark.parametrize(
    ("activation", "narrow"),
    [(Erf(), NarrowErf), (Erf(2.0, 0.5, 0.3), NarrowShiftedErf), (Gelu(), NarrowGelu)],
    ids=["erf", "shifted", "gelu"],
)
def test_pairs(activation: ClosedForm, narrow: type, limits: tuple[float, float]) -> None:
    least, most = limits
    dual = activation.narrow(least, most)
    assert isinstance(dual, narrow)
    some = exact.pairs((least, (least * most) ** 0.5, most))
    inside = [pair for pair in some if all(least <= root <= most for root in (pair.root_a, pair.root_b))]
    assert len({(pair.root_a, pair.root_b) for pair in inside}) > 5
    exact.assert_pairs(dual, printed(activation), inside, ROUNDINGS)


@pytest.mark.parametrize("limits", [(0.0, 1.0), (1.0, 1.0), (1.0, 1.0 + 1e-12), (0.1, 1.0), (1e-300, 1e300)], ids=str)
def test_other_ranges_are_left_to_the_whole_form(limits: tuple[float, float]) -> None:
    for activation in (Erf(), Gelu()):
        assert activation.narrow(*limits) is activation


def test_what_is_not_smooth_is_not_interpolated() -> None:
    def smooth(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return (x[:, None] - y).square()

    def kinked(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return smooth(x, y) * (1.0 + (x[:, None] - 1.1).abs())

    found = on_range(1.0, 1.2, smooth)
    assert isinstance(found, Apart)
    assert on_range(1.0, 1.2, kinked) is None
    root = torch.tensor([1.0, 1.05, 1.17, 1.2], dtype=torch.float64)
    a, b = [item[:, None] for item in found.rows(root)], found.rows(root)
    error = apart(a, b).clamp_min(0.0).sqrt() - (root[:, None] - root).abs()
    assert float(error.abs().max()) <= 64 * exact.EPS
    assert not bool(apart(a, b).diagonal().any())


@pytest.mark.parametrize("activation", [Erf(), Erf(1.0, 2.0, -0.5), Gelu()], ids=["erf", "shifted", "gelu"])
def test_kernels_are_the_same(activation: ClosedForm, monkeypatch: pytest.MonkeyPatch) -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(60, 200, generator=generator, dtype=torch.float64)
    x[1], x[2], x[3] = x[0], 1.05 * x[0], x[0] + 1e-9 * x[4]
    arch = mlp(4, activation, sigma_w=1.5)
    infinite.prepare(arch)
    whole = infinite.kernel(arch, x)
    monkeypatch.setattr(codes, "NARROWED", 0)
    narrow = infinite.kernel(arch, x)
    assert not torch.equal(whole.ntk, narrow.ntk)
    for one, other in ((whole.nngp, narrow.nngp), (whole.ntk, narrow.ntk)):
        scale = one.diagonal().sqrt().outer(one.diagonal().sqrt())
        # Three layers, whose angles of at most 1 each differ by ROUNDINGS, magnified by slopes of at most 1.5² each.
        bound = ROUNDINGS * exact.EPS * sum(1.5 ** (2 * k) for k in range(4))
        assert bool(((one - other).abs() <= bound * scale).all())
