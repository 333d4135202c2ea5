"""Random networks as JSON."""

from itertools import chain
from typing import Any

from hypothesis import strategies as st

Json = Any
WIDTH = 6


def networks(*, widths: bool = True, most: int = 4) -> st.SearchStrategy[list[Json]]:
    """Lists of layers that are networks: a dense layer, blocks from Gaussian neurons to such, and an end."""
    return st.sampled_from([None, WIDTH] if widths else [None]).flatmap(lambda width: _networks(width, most))


def _networks(width: int | None, most: int) -> st.SearchStrategy[list[Json]]:
    ends = st.sampled_from([[], [], ["relu"], ["relu", {"type": "scale", "factor": 0.5}]])
    parts = st.tuples(_denses(width), st.lists(_blocks(width), max_size=most), ends)
    return parts.map(lambda found: [found[0], *chain(*found[1]), *found[2]])


def _denses(width: int | None) -> st.SearchStrategy[Json]:
    numbers = {"beta": st.sampled_from([0, 0.1, 0.5]), "sigma_w": st.sampled_from([0.5, 1, 1.5])}
    conventions = st.sampled_from(["ntk", "standard"] if width else ["ntk"])
    written = st.fixed_dictionaries(
        {"type": st.just("dense"), "width": st.just(width)}, optional=numbers | {"parametrization": conventions}
    )
    return written if width else st.just("dense") | written


def _blocks(width: int | None) -> st.SearchStrategy[list[Json]]:
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
        joined = st.tuples(branches, st.sampled_from(["product", "concatenate"]), dense).map(
            lambda found: [{"type": "parallel", "branches": found[0], "combine": found[1]}, found[2]]
        )
        return st.one_of(
            own.map(lambda layers: [{"type": "residual", "layers": layers}]),
            blocks.map(lambda layers: [{"type": "serial", "layers": layers}]),
            branches.map(lambda branches: [{"type": "parallel", "branches": branches}]),
            joined,
        )

    return st.recursive(simple, around, max_leaves=6)
