"""The bound on what approximation adds: against 25 digits, and against errors that are put in."""

from collections.abc import Callable, Sequence
from functools import cache
from math import inf
from typing import Any

import pytest
import torch
from torch import Tensor

from ntk_engine import infinite
from ntk_engine.activations.base import After, Dual
from ntk_engine.activations.sigmoids import Softsign, Tanh
from ntk_engine.architecture import mlp, parse
from ntk_engine.infinite import codes, norms
from ntk_engine.infinite.profile import tolerance
from tests.ntk_engine.infinite.digits import kernels

EPS = 1e-6


def inputs(norms: Sequence[float]) -> Tensor:
    """Rows of these norms: one after another nearly alike, the last one nearly opposite to the first."""
    x = torch.randn(len(norms), 3, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    x[1] = x[0] + 1e-3 * x[1]
    x[-1] = -x[0] + 1e-2 * x[-1]
    return x / torch.linalg.vector_norm(x, dim=1, keepdim=True) * torch.tensor(norms, dtype=torch.float64)[:, None]


@cache
def exact(name: str, depth: int, x: tuple[tuple[float, ...], ...]) -> dict[str, list[list[Any]]]:
    pairs = [[kernels(name, depth, 0.1, 1.3, *sorted((u, v))) for v in x] for u in x]
    return {kernel: [[pair[i] for pair in row] for row in pairs] for i, kernel in enumerate(("nngp", "ntk"))}


@pytest.mark.parametrize("name", ["tanh", "hard_tanh"])
@pytest.mark.parametrize("depth", [2, 3])
@pytest.mark.parametrize("norms", [(1.5, 1.5, 1.5, 1.5), (1.5, 1.7, 0.4, 2.0)], ids=["one norm", "norms"])
def test_the_bound_holds_and_is_small(name: str, depth: int, norms: Sequence[float]) -> None:
    x = inputs(norms)
    right = exact(name, depth, tuple(map(tuple, x.tolist())))
    found = infinite.kernel(mlp(depth, name, 0.1, 1.3), x)
    for kernel in ("nngp", "ntk"):
        assert 0.0 < found.bounds[kernel] <= 1e-12
        for i, row in enumerate(found.arrays[kernel].tolist()):
            for j, value in enumerate(row):
                scale = (right[kernel][i][i] * right[kernel][j][j]) ** 0.5
                assert abs(value - right[kernel][i][j]) <= found.bounds[kernel] * scale


class Off(Dual):
    """Another dual that is wrong by `error`, in ways that depend on roots and correlations."""

    def __init__(self, right: Dual, wrong: Callable[[Tensor], Tensor]) -> None:
        self.right, self.wrong = right, wrong
        self.error = EPS

    def rows(self, root: Tensor) -> list[Tensor]:
        scale, *rest = self.right.rows(root)
        return [scale * (1.0 + EPS * self.wrong(root)), *rest]

    def correlate(self, a: Sequence[Tensor], b: Sequence[Tensor], rho: Tensor, gap: Tensor) -> After:
        found = self.right.correlate(a, b, rho, gap)
        own = [self.right.correlate(side, side, side[0] * 0.0 + 1.0, side[0] * 0.0).slope for side in (a, b)]
        moved = (found.rho.clamp(-1.0, 1.0).acos() + EPS * self.wrong(rho)).cos()
        slope = found.slope + EPS * (own[0] * own[1]).sqrt() * self.wrong(3.0 * rho)
        return After(moved, 1.0 - moved.abs(), slope)


def parallel(combine: str, *branches: list[Any]) -> dict[str, Any]:
    return {"type": "parallel", "combine": combine, "branches": list(branches)}


STANDARD = {"type": "dense", "parametrization": "standard", "width": 5}
NETWORKS: dict[str, Any] = {
    "mlp": mlp(4, "tanh", 0.3, 1.2),
    "without a bias": mlp(4, "tanh", 0.0, 1.5),
    "mostly bias": mlp(3, "tanh", 2.0, 0.7),
    "mixed": parse(["dense", "tanh", "dense", "relu", {"type": "dense", "beta": 0.5}, "erf", "dense", "hard_tanh"]),
    "residual": parse(["dense", *[{"type": "residual", "layers": ["tanh", "dense"]}] * 2, "tanh"]),
    "product": parse(["dense", parallel("product", ["tanh", "dense"], ["tanh", "dense", "tanh"]), "dense", "tanh"]),
    "side by side": parse(["dense", parallel("concatenate", ["tanh", "dense"], ["dense"]), "dense", "relu", "dense"]),
    "standard": parse([STANDARD, "tanh", STANDARD, "tanh", STANDARD]),
    "normalised": parse(["dense", "layer_norm", "tanh", "dense", "layer_norm", "tanh", {"type": "scale", "factor": 3}]),
    "dropout": parse(["dense", "tanh", {"type": "dropout", "rate": 0.3}, "dense", "relu", "dense"]),
}
WRONGS: dict[str, Callable[[Tensor], Tensor]] = {
    "up": torch.ones_like,
    "down": lambda x: -torch.ones_like(x),
    "here and there": lambda x: (50.0 * x).sin(),
}


@pytest.mark.parametrize("name", sorted(NETWORKS))
@pytest.mark.parametrize("wrong", sorted(WRONGS))
def test_errors_that_are_put_in_are_within_the_bound(name: str, wrong: str, monkeypatch: pytest.MonkeyPatch) -> None:
    x = inputs((1.5, 1.5, 0.4, 2.0, 1.7))
    right = infinite.kernel(NETWORKS[name], x)
    dual = Tanh.dual
    monkeypatch.setattr(Tanh, "dual", lambda *given: Off(dual(*given), WRONGS[wrong]))
    found = infinite.kernel(NETWORKS[name], x)
    for kernel in ("nngp", "ntk"):
        scale = right.arrays[kernel].diagonal().sqrt()
        error = float(((found.arrays[kernel] - right.arrays[kernel]).abs() / (scale[:, None] * scale)).max())
        # What is of second order in EPS is left out, times the constants of four layers.
        assert error <= found.bounds[kernel] * (1.0 + 1e3 * EPS)
        if wrong == "up":
            assert found.bounds[kernel] <= 100.0 * error


def test_a_closed_form_adds_nothing() -> None:
    assert infinite.kernel(mlp(5, "erf"), inputs((1.0, 2.0, 3.0))).bounds == {"nngp": 0.0, "ntk": 0.0}


def test_a_table_of_the_network_is_an_approximation(monkeypatch: pytest.MonkeyPatch) -> None:
    for least in ("_PAIRS", "_PAIRS_CLOSED"):
        monkeypatch.setattr(norms, least, 9)
    x = inputs((1.0, 1.0, 1.0))
    assert infinite.kernel(mlp(9), x).bounds == {"nngp": tolerance(9), "ntk": tolerance(9)}
    plain = infinite.kernel(mlp(9, "tanh"), x[:2]).bounds["ntk"]
    assert infinite.kernel(mlp(9, "tanh"), x).bounds["ntk"] >= plain + tolerance(9)


@pytest.mark.parametrize("name", ["erf", "gelu"])
def test_polynomials_in_a_closed_form_are_an_approximation(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    x = inputs((1.0, 1.5, 2.0))
    assert infinite.kernel(mlp(3, name), x).bounds["ntk"] == 0.0
    monkeypatch.setattr(codes, "NARROWED", 9)
    assert 0.0 < infinite.kernel(mlp(3, name), x).bounds["ntk"] <= 1e-12


@pytest.mark.parametrize("name", ["tanh", "sigmoid", "softsign", "hard_tanh"])
def test_deep_networks_are_certified(name: str) -> None:
    """At the paper's gain and bias, twenty layers of any rows: as exact as closed forms are said to be."""
    assert infinite.kernel(mlp(20, name, 0.1), inputs((1.0, 2.0, 0.3))).bounds["ntk"] <= 1e-12


def test_nothing_is_known_after_a_jump() -> None:
    x = inputs((1.0, 2.0, 3.0))
    assert infinite.kernel(parse(["dense", "tanh", "dense", "sign", "dense"]), x).bounds["ntk"] == inf
    assert infinite.kernel(parse(["dense", "sign", "dense", "tanh", "dense"]), x).bounds["ntk"] < 1e-12


def test_tables_that_were_made_count() -> None:
    """Of many pairs a table serves, whose error is known when it is there."""
    x = torch.randn(80, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    arch, rows = mlp(2, "softsign", beta=0.0), infinite.rows(x)
    infinite.tile(arch, rows, rows, infinite.Block(slice(0, 2), slice(2, 4)))
    before = infinite.error_bound(arch, rows, rows)
    infinite.tile(arch, rows, rows, infinite.Block(slice(0, 80), slice(0, 80)))
    assert max(rows.errors[Softsign()]) == Softsign().dual(*(float(end) for end in rows.root.aminmax())).error
    assert infinite.error_bound(arch, rows, rows)["ntk"] >= before["ntk"]


def test_there_is_no_bound_before_there_is_a_tile() -> None:
    rows = infinite.rows(inputs((1.0, 2.0, 3.0)))
    with pytest.raises(ValueError, match="none has been"):
        infinite.error_bound(mlp(2, "tanh"), rows, rows)
    assert infinite.error_bound(mlp(2), rows, rows) == {"nngp": 0.0, "ntk": 0.0}
