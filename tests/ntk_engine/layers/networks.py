"""Random networks as JSON."""

from itertools import chain
from random import Random
from typing import Any

from hypothesis import strategies as st

Json = Any
WIDTH = 6


def networks(*, widths: bool = True, most: int = 4) -> st.SearchStrategy[list[Json]]:
    """Lists of layers that are networks: a dense layer, blocks from Gaussian neurons to such, and an end.

    widths: some have them, or weights of branches.
    """
    return st.sampled_from([None, WIDTH] if widths else [None]).flatmap(lambda width: _networks(width, widths, most))


def _networks(width: int | None, weighted: bool, most: int) -> st.SearchStrategy[list[Json]]:
    ends = st.sampled_from([[], [], ["relu"], ["relu", {"type": "scale", "factor": 0.5}]])
    parts = st.tuples(_denses(width), st.lists(_blocks(width, weighted), max_size=most), ends)
    return parts.map(lambda found: [found[0], *chain(*found[1]), *found[2]])


def _denses(width: int | None) -> st.SearchStrategy[Json]:
    numbers = {"beta": st.sampled_from([0, 0.1, 0.5]), "sigma_w": st.sampled_from([0.5, 1, 1.5])}
    conventions = st.sampled_from(["ntk", "standard"] if width else ["ntk"])
    written = st.fixed_dictionaries(
        {"type": st.just("dense"), "width": st.just(width)}, optional=numbers | {"parametrization": conventions}
    )
    return written if width else st.just("dense") | written


def _blocks(width: int | None, weighted: bool) -> st.SearchStrategy[list[Json]]:
    dense = _denses(width)
    relu = st.sampled_from(["relu", {"type": "relu"}, {"type": "activation", "activation": "relu"}])
    rate, factor = st.sampled_from([0, 0.25]), st.sampled_from([-1, 1, 0.5, -2.0])
    simple = st.one_of(
        st.tuples(relu, dense).map(list),
        st.tuples(relu, rate, dense).map(lambda found: [found[0], {"type": "dropout", "rate": found[1]}, found[2]]),
        factor.map(lambda factor: [{"type": "scale", "factor": factor}]),
        st.sampled_from([["identity"], ["layer_norm"], [{"type": "flatten"}]]),
    )

    def around(blocks: st.SearchStrategy[list[Json]]) -> st.SearchStrategy[list[Json]]:
        own = st.tuples(blocks, dense).map(lambda found: [*found[0], found[1]])
        branches = st.tuples(st.just([]) | simple, st.lists(own, min_size=1, max_size=2)).map(
            lambda found: [found[0], *found[1]]
        )
        multiplied = st.tuples(branches, dense).map(
            lambda found: [{"type": "parallel", "branches": found[0], "combine": "product"}, found[1]]
        )
        weights = st.lists(st.integers(1, 4), min_size=3, max_size=3) if weighted and width is None else st.none()
        beside = st.tuples(branches, weights, dense).map(lambda found: [_beside(found[0], found[1]), found[2]])
        return st.one_of(
            own.map(lambda layers: [{"type": "residual", "layers": layers}]),
            blocks.map(lambda layers: [{"type": "serial", "layers": layers}]),
            branches.map(lambda branches: [{"type": "parallel", "branches": branches}]),
            multiplied,
            beside,
        )

    return st.recursive(simple, around, max_leaves=6)


def _beside(branches: list[Json], weights: list[int] | None) -> Json:
    found = {"type": "parallel", "branches": branches, "combine": "concatenate"}
    return found if weights is None else found | {"weights": weights[: len(branches)]}


def disguised(network: list[Json], random: Random) -> list[Json]:
    """The same network in other words: with layers that do nothing, in other containers, branches in another order."""
    found: list[Json] = []
    for layer in network:
        found += random.choice(
            [[], [], ["identity"], [{"type": "scale", "factor": 1}], [{"type": "dropout", "rate": 0}]]
        )
        found += random.choice([[new := _disguised(layer, random)], [{"type": "serial", "layers": [new]}]])
    return found


def _disguised(layer: Json, random: Random) -> Json:
    if isinstance(layer, str):
        return random.choice([layer, {"type": layer}])
    inner = {name: disguised(layer[name], random) for name in ("layers",) if name in layer}
    if "branches" in layer:
        inner["branches"] = [disguised(branch, random) for branch in layer["branches"]]
        if layer.get("combine", "sum") != "concatenate":
            random.shuffle(inner["branches"])
    if layer["type"] == "residual":
        return random.choice([layer | inner, {"type": "parallel", "branches": [inner["layers"], []]}])
    return layer | inner
