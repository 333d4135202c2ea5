"""What the rules of validation and simplification rest on: kernels by formulas against networks that are drawn."""

from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from ntk_engine.architecture import ArchitectureError, canonical, layers, parse
from tests.ntk_engine.layers.networks import networks
from tests.ntk_engine.layers.readings import kernels, neurons

POINTS = np.random.default_rng(0).standard_normal((3, 4))
WIDTH, DRAWS = 300, 24


def _dense(gain: float) -> dict[str, Any]:
    return {"type": "dense", "sigma_w": gain}


def _parallel(combine: str, *branches: list[Any]) -> dict[str, Any]:
    return {"type": "parallel", "combine": combine, "branches": list(branches)}


def _gap(network: list[Any]) -> float:
    """How far the formulas are from drawn networks, in what chance and a finite width explain: 1 is all of it.

    Six standard errors of the draws' mean; a finite width moves expectations by some 1/WIDTH a layer, here by up to 15.
    """
    exact = kernels(network, POINTS).nngp
    rng = np.random.default_rng(1)
    ends = [neurons(network, POINTS, WIDTH, rng) for _ in range(DRAWS)]
    draws = np.array([end @ end.T / end.shape[1] for end in ends])
    error = draws.std(axis=0, ddof=1) / np.sqrt(DRAWS)
    scale = np.sqrt(np.outer(exact.diagonal(), exact.diagonal()))
    return float((abs(draws.mean(axis=0) - exact) / (6 * error + 15 / WIDTH * scale)).max())


@settings(max_examples=25, deadline=None, derandomize=True, phases=[Phase.generate])
@given(networks(widths=False, most=2))
def test_the_formulas_hold_for_networks_that_are_accepted(network: list[Any]) -> None:
    parse(network)
    assert _gap(network) < 1


@pytest.mark.parametrize(
    "network",
    [
        ["dense", _parallel("sum", ["dense", "relu"], ["dense"])],
        ["dense", _parallel("sum", ["relu"], ["dense"]), {"type": "dropout", "rate": 0.5}, "dense"],
        ["dense", _parallel("product", ["dense", "relu"], ["dense", "relu"], ["relu"]), _dense(2.0), "relu"],
        ["dense", _parallel("concatenate", ["relu"], [{"type": "scale", "factor": 3.0}], []), "dense", "relu"],
        ["dense", _parallel("concatenate", [], ["dense"]), "layer_norm", "dense"],
        ["dense", _parallel("product", ["dense"], ["dense"]), "layer_norm"],
        ["dense", {"type": "dropout", "rate": 0.5}, "layer_norm"],
        [_parallel("sum", ["dense"], ["dense", "relu", "dense"]), "relu"],
    ],
)
def test_and_for_what_is_at_the_edge_of_that(network: list[Any]) -> None:
    parse(network)
    assert _gap(network) < 1


@pytest.mark.parametrize(
    "network",
    [
        ["dense", "relu", "relu"],
        ["relu", "dense"],
        ["dense", {"type": "dropout", "rate": 0.7}, "relu"],
        ["dense", _parallel("product", ["dense"], ["dense"], []), "relu"],
        ["dense", _parallel("concatenate", ["dense"], ["relu"]), "relu"],
        ["dense", "relu", "layer_norm"],
        ["dense", _parallel("sum", [], [])],
        ["dense", {"type": "residual", "layers": []}],
        ["dense", {"type": "residual", "layers": ["relu"]}],
        ["dense", _parallel("sum", [], [{"type": "residual", "layers": ["dense"]}])],
        ["dense", _parallel("product", ["relu"], [])],
        ["dense", _parallel("sum", ["dense", "relu"], ["dense", "relu"])],
        ["dense", _parallel("sum", ["relu"], ["dense", "relu"])],
        [
            "dense",
            _parallel(
                "product",
                [_parallel("concatenate", ["dense"], [_dense(4.0)])],
                [_parallel("concatenate", ["dense"], [_dense(4.0)])],
            ),
        ],
    ],
)
def test_the_formulas_fail_for_networks_that_are_refused(network: list[Any]) -> None:
    with pytest.raises(ArchitectureError):
        parse(network)
    assert _gap(network) > 1


def _over_masks(network: list[Any], x: np.ndarray, rate: float) -> tuple[np.ndarray, np.ndarray]:
    """Σ and Θ of one pair off the diagonal: the mean over every mask of either input, each as often as it occurs."""
    masks = np.array(list(product((0.0, 1.0), repeat=x.shape[1])))
    chances = np.prod(np.where(masks, 1 - rate, rate), axis=1)
    # Whatever is masked is an input of the network without the dropout; all pairs of such inputs are one matrix.
    found = kernels(network, np.concatenate([masks * row / (1 - rate) for row in x]))
    return tuple(chances @ matrix[: len(masks), len(masks) :] @ chances for matrix in (found.nngp, found.ntk))


@pytest.mark.parametrize(
    ("network", "accepted"),
    [
        (["dense", _dense(1.5)], True),
        ([{"type": "residual", "layers": ["dense"]}], True),
        ([_parallel("product", [], ["dense", "relu", "dense"]), "dense"], False),
        (["dense", "relu", "dense"], False),
        (["dense", "dense", "relu"], False),
        (["dense", "layer_norm", "dense"], False),
        ([_parallel("product", ["dense"], ["dense"])], False),
    ],
)
def test_dropped_inputs_are_a_mean_over_masks(network: list[Any], accepted: bool) -> None:
    """Σ and Θ are means over masks where the network is linear after them, and otherwise they are not."""
    rate, begin = 0.5, ["dense"] if "dense" not in network[:1] else []
    dropping = [{"type": "dropout", "rate": rate}, *begin, *network]
    exact = _over_masks([*begin, *network], POINTS[:2], rate)
    found = kernels(dropping, POINTS[:2])
    scale = [np.sqrt(matrix[0, 0] * matrix[1, 1]) for matrix in (found.nngp, found.ntk)]
    apart = max(abs(found.nngp[0, 1] - exact[0]) / scale[0], abs(found.ntk[0, 1] - exact[1]) / scale[1])
    if accepted:
        parse(dropping)
        assert apart < 1e-13  # sums of 256 terms
    else:
        with pytest.raises(ArchitectureError):
            parse(dropping)
        assert apart > 1e-3


def test_inputs_do_not_widen_with_the_network() -> None:
    """In a branch without a dense layer they are summed over few neurons, which leaves a kernel to chance."""
    residual = [{"type": "residual", "layers": ["dense"]}]
    with pytest.raises(ArchitectureError, match="do not widen"):
        parse(residual)

    def spread(network: list[Any], width: int) -> float:
        rng = np.random.default_rng(2)
        ends = [neurons(network, POINTS, width, rng)[0] for _ in range(DRAWS)]
        draws = [end @ end / width for end in ends]
        return float(np.std(draws) / np.mean(draws))

    # The variance of a mean over width neurons.
    assert spread(["dense", *residual], WIDTH) < 3 * np.sqrt(2 / WIDTH)
    assert spread(residual, POINTS.shape[1]) > 0.25


@settings(max_examples=200, deadline=None)
@given(networks(), st.booleans())
def test_simplifying_leaves_the_kernels_as_they_are(network: list[Any], finite: bool) -> None:
    value = canonical(parse(network), finite=finite)
    again = parse(value)
    assert canonical(again, finite=finite) == value
    before, after = kernels(network, POINTS), kernels([layer.describe() for layer in layers(again)], POINTS)
    # Sums in another order, of up to a hundred terms that are all rounded.
    np.testing.assert_allclose(after.nngp, before.nngp, rtol=1e-12, atol=1e-12 * abs(before.nngp).max())
    np.testing.assert_allclose(after.ntk, before.ntk, rtol=1e-12, atol=1e-12 * abs(before.ntk).max())
