"""Networks of any layers against printed formulas, matrix by matrix."""

from typing import Any

import mpmath
import numpy as np
import pytest
import torch
from mpmath import mpf

from ntk_engine import finite, infinite
from ntk_engine.activations.base import Activation
from ntk_engine.activations.erf import Erf
from ntk_engine.activations.step import Step
from ntk_engine.architecture import mlp, parse
from ntk_engine.compiled import library
from tests.ntk_engine.activations.printed import printed
from tests.ntk_engine.infinite.pairs import at_norm, stacked
from tests.ntk_engine.layers.readings import kernels

NETWORKS: dict[str, list[Any]] = {
    "uneven": [{"type": "dense", "sigma_w": 1.5, "beta": 0.0}, "relu", {"type": "dense", "beta": 0.7}, "relu", "dense"],
    "ends in relu": ["dense", "relu"],
    "residual": ["dense", *[{"type": "residual", "layers": ["relu", "dense"]}] * 3, "relu", "dense"],
    "sum": ["dense", {"type": "parallel", "branches": [["relu", "dense"], [{"type": "dense", "beta": 2.0}]]}],
    "product": [
        "dense",
        {"type": "parallel", "branches": [["relu", "dense"], ["dense"], ["dense"]], "combine": "product"},
        "dense",
        "relu",
        "dense",
    ],
    "concatenation": [
        "dense",
        {"type": "parallel", "branches": [["relu", "dense"], ["dense"]], "combine": "concatenate", "weights": [1, 3]},
        "dense",
    ],
    "layer norm": ["dense", "layer_norm", "relu", "dense", "layer_norm", "relu", "dense"],
    "dropout": ["dense", "relu", {"type": "dropout", "rate": 0.25}, "dense", "relu", "dense"],
    "dropped inputs": [
        {"type": "dropout", "rate": 0.5},
        "dense",
        {"type": "residual", "layers": [{"type": "dense", "sigma_w": 1.5}]},
        {"type": "dropout", "rate": 0.25},
        "dense",
    ],
    "scale": ["dense", "relu", {"type": "scale", "factor": -3.0}, "dense"],
    "standard": [
        {"type": "dense", "width": 30, "parametrization": "standard"},
        "relu",
        {"type": "dense", "width": 7, "parametrization": "standard", "sigma_w": 2.0, "beta": 0.5},
        "relu",
        {"type": "dense", "parametrization": "standard", "beta": 0.0},
    ],
    "branches of branches": [
        "dense",
        {
            "type": "parallel",
            "branches": [
                ["relu", "dense", {"type": "residual", "layers": ["layer_norm", "relu", "dense"]}],
                [],
            ],
        },
        "relu",
        "dense",
    ],
}


def inputs() -> np.ndarray:
    """Random rows, none of them near another: the printed formulas keep their digits."""
    return np.random.default_rng(5).normal(size=(40, 6))


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_the_printed_formulas(name: str, device: str) -> None:
    x = inputs()
    exact = kernels(NETWORKS[name], x)
    k = infinite.kernel(parse(NETWORKS[name]), torch.from_numpy(x).to(device), block=16)
    for found, matrix in ((k.nngp, exact.nngp), (k.ntk, exact.ntk)):
        scale = np.sqrt(np.outer(matrix.diagonal(), matrix.diagonal()))
        # arccos and √(qq' − Σ²) of the formulas magnify a rounding by 1/sin φ < 20, in each of up to six layers.
        assert (np.abs(found.cpu().numpy() - matrix) <= 1e-13 * scale).all()


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_a_network_of_duplicates_and_opposites(name: str, device: str) -> None:
    """Duplicates that are no self-pairs agree with the limit of ever nearer inputs; all is finite at opposites."""
    x = torch.from_numpy(inputs()[:3]).to(device)
    rows = torch.cat([x, x, -x, 0 * x[:1]])
    k = infinite.kernel(parse(NETWORKS[name]), rows)
    near = infinite.kernel(parse(NETWORKS[name]), x, x + 1e-13)
    assert k.ntk.isfinite().all()
    torch.testing.assert_close(k.nngp[:3, 3:6].diagonal(), near.nngp.diagonal(), rtol=1e-11, atol=0)
    torch.testing.assert_close(k.ntk[:3, 3:6].diagonal(), near.ntk.diagonal(), rtol=1e-11, atol=0)


@pytest.mark.parametrize(
    "network",
    [
        ["dense", "erf", "dense", "relu", "dense"],
        ["dense", "relu", {"type": "dense", "beta": 0.0}, "erf", "dense", "abs", "dense"],
        ["dense", {"type": "residual", "layers": ["relu", "dense"]}, "relu", "dense"],
        # c_1 = 3√q (q − 1) has both signs: correlations that were positive become negative.
        [
            "dense",
            "relu",
            {"type": "dense", "beta": 0.0},
            {"type": "polynomial", "coefficients": [0, -3, 0, 1]},
            "dense",
        ],
    ],
)
def test_compiled_layers_are_those_of_tensors(network: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever comes after whatever: correlations that may be negative are taken so."""
    x = torch.from_numpy(np.random.default_rng(2).normal(size=(30, 2)))
    infinite.prepare(parse(network))
    compiled = infinite.kernel(parse(network), x)
    monkeypatch.setattr(library, "ready", lambda text: None)
    eager = infinite.kernel(parse(network), x)
    scale = eager.ntk.diagonal().sqrt().outer(eager.ntk.diagonal().sqrt())
    assert bool(((compiled.ntk - eager.ntk).abs() <= 1e-13 * scale).all())


def test_an_mlp_is_the_list_of_its_layers(device: str) -> None:
    x = torch.from_numpy(inputs()).to(device)
    written = ["dense", "erf", "dense", "erf", "dense"]
    assert torch.equal(infinite.kernel(parse(written), x).ntk, infinite.kernel(mlp(3, "erf"), x).ntk)


def test_near_duplicates_of_other_norms_keep_their_digits_where_branches_meet(device: str) -> None:
    """Steps turn an angle φ into √φ, and magnify what rounding has done to it."""
    residual, steps, bias = {"type": "residual", "layers": ["erf", "dense"]}, ["step", "dense"], mpf(0.1) ** 2
    arch = parse(["dense", residual, residual, *steps * 4])
    pairs = [pair for norm in (1e-3, 1.0) for pair in at_norm(norm) if pair[0].startswith("angle")]
    k = infinite.kernel(arch, *(side.to(device) for side in stacked(pairs, torch.float64, "cpu")))
    for found, (name, x, y) in zip(k.nngp.diagonal().tolist(), pairs, strict=True):
        with mpmath.workdps(50):
            sums = [mpmath.fdot(map(mpf, a), map(mpf, b)) / 5 + bias for a, b in ((x, x), (y, y), (x, y))]
            for _ in range(2):
                sums = [s + added for s, added in zip(sums, _through(Erf(), bias, *sums), strict=True)]
            for _ in range(4):
                sums = _through(Step(), bias, *sums)
            assert found == pytest.approx(float(sums[2]), rel=1e-12, abs=0), name


def _through(activation: Activation, bias: mpf, q: mpf, p: mpf, s: mpf) -> list[mpf]:
    return [printed(activation)(*three) + bias for three in ((q, q, q), (p, p, p), (q, p, s))]


def test_a_standard_layer_knows_the_width_of_branches_side_by_side(device: str) -> None:
    first, last = {"type": "dense", "width": 5}, {"type": "dense", "parametrization": "standard"}
    sides = [["relu", {"type": "dense", "width": 3}], ["relu", {"type": "dense", "width": 4, "beta": 2.0}]]
    network = ["dense", {"type": "parallel", "branches": sides, "combine": "concatenate"}, last]
    x = inputs()
    found = infinite.kernel(parse(network), torch.from_numpy(x).to(device)).ntk.cpu().numpy()
    before = kernels(network[:2], x)
    np.testing.assert_allclose(found, before.ntk + 7 * before.nngp + 1.0, rtol=1e-12)
    # A sum is as wide as its branches, of which one may say so.
    sides = [["relu", first], ["relu", "dense"]]
    network = ["dense", {"type": "parallel", "branches": sides}, last]
    found = infinite.kernel(parse(network), torch.from_numpy(x).to(device)).ntk.cpu().numpy()
    before = kernels(network[:2], x)
    np.testing.assert_allclose(found, before.ntk + 5 * before.nngp + 1.0, rtol=1e-12)


@pytest.mark.parametrize("activation", ["relu", "abs", "step", "sign", "erf", "layer_norm", "softsign", "gelu"])
def test_standard_layers_without_a_bias_have_its_derivative(activation: str, device: str) -> None:
    """As finite networks have it, whose outputs for a row of zeros are 0, and σ'(0) a factor of what came before."""
    layer = {"type": "dense", "parametrization": "standard", "beta": 0.0}
    one, two = parse([layer]), parse([{**layer, "width": 400}, activation, {**layer, "sigma_w": 2.0}])
    x = torch.cat([torch.from_numpy(inputs()[:3]), torch.zeros(2, 6, dtype=torch.float64)])
    # Three deviations of a mean over 400 neurons.
    for arch, error in ((one, 1e-14), (two, 0.15)):
        k = infinite.kernel(arch, x.to(device))
        params = finite.init(arch, 6, 30, seed=0)
        exact = finite.kernel(arch, params, x, outputs="trace")
        np.testing.assert_allclose(k.ntk[3:].cpu(), exact.ntk[3:], rtol=error)
        assert bool((k.nngp[3:] == 0.0).all())
        np.testing.assert_allclose(
            infinite.diagonal(arch, x.to(device)).ntk[3:].cpu(), exact.ntk.diagonal()[3:], rtol=error
        )
