"""Kernels as functions of one variable: the same as layer by layer, and only where they are one."""

import pytest
import torch

from ntk_engine import infinite
from ntk_engine.architecture import Architecture, mlp, parse
from ntk_engine.infinite import norms
from tests.ntk_engine.infinite.textbook import layers

EPS = torch.finfo(torch.float64).eps


def inputs(*, equal: bool) -> torch.Tensor:
    """300 rows, among them duplicates, opposites, and near ones."""
    x = torch.randn(300, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    x[1], x[2], x[3], x[4] = x[0], -x[0], x[0] + 1e-6 * x[9], -x[0] + 1e-8 * x[8]
    return x / torch.linalg.vector_norm(x, dim=1, keepdim=True) if equal else x


def is_tabulated(arch: Architecture, x: torch.Tensor) -> bool:
    rows = infinite.rows(x)
    return norms.profile_of(arch, rows, rows) is not None


@pytest.mark.parametrize(
    ("arch", "equal"),
    [
        (mlp(10, beta=0.0, sigma_w=2**0.5), False),
        (mlp(10), True),
        (mlp(60, sigma_w=2**0.5), True),
        (mlp(12, "erf", sigma_w=1.5), True),
        (mlp(9, "gelu"), True),
        (parse(["dense", *[{"type": "residual", "layers": ["relu", "dense"]}] * 8]), True),
    ],
    ids=["homogeneous", "relu", "deep", "erf", "gelu", "residual"],
)
def test_a_table_gives_what_the_layers_give(
    arch: Architecture, equal: bool, monkeypatch: pytest.MonkeyPatch, device: str
) -> None:
    x = inputs(equal=equal).to(device)
    monkeypatch.setattr(norms, "_PAIRS_CLOSED", x.shape[0] ** 2)
    assert is_tabulated(arch, x)
    table = infinite.kernel(arch, x)
    monkeypatch.setattr(norms, "_PAIRS_CLOSED", x.shape[0] ** 2 + 1)
    assert not is_tabulated(arch, x)
    direct = infinite.kernel(arch, x)
    for found, exact in ((table.nngp, direct.nngp), (table.ntk, direct.ntk)):
        scale = exact.diagonal().sqrt().outer(exact.diagonal().sqrt())
        # The table is held to 16 + 2L roundings at its test points; two cuts of a product differ by 20 more.
        assert bool(((found - exact).abs() <= (40 + 2 * 60) * EPS * scale).all())


def test_a_table_is_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    x = inputs(equal=True)
    arch = mlp(12, "erf", sigma_w=1.5)
    monkeypatch.setattr(norms, "_PAIRS_CLOSED", x.shape[0] ** 2)
    assert is_tabulated(arch, x)
    k = infinite.kernel(arch, x)
    for i, j in ((0, 1), (0, 2), (0, 3), (0, 4), (5, 6), (7, 7)):
        sigma, theta, scale, theta_scale = layers("erf", 12, 0.1, 1.5, x[i].tolist(), x[j].tolist())[-1]
        assert abs(k.nngp[i, j].item() - sigma) <= 1e-12 * scale
        assert abs(k.ntk[i, j].item() - theta) <= 1e-12 * theta_scale


@pytest.mark.parametrize(
    "arch",
    [mlp(10), mlp(3, beta=0.0), mlp(10, "erf", beta=0.0), parse(["dense", {"type": "dropout", "rate": 0.1}, "dense"])],
    ids=["bias", "shallow", "not homogeneous", "dropout"],
)
def test_no_table_where_norms_matter_or_layers_are_few(arch: Architecture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(norms, "_PAIRS_CLOSED", 2**16)
    assert not is_tabulated(arch, inputs(equal=False))
