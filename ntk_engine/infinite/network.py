"""A whole network: layer by layer, what it does to the rows of a tile and to their pairs."""

from __future__ import annotations

from functools import singledispatch
from typing import TYPE_CHECKING

from ntk_engine.architecture import Architecture, Mlp
from ntk_engine.infinite.stack import dense, stack

if TYPE_CHECKING:
    from ntk_engine.infinite.recursion import Pairs
    from ntk_engine.infinite.rows import Side


@singledispatch
def run(arch: Architecture, pairs: Pairs, a: Side, b: Side) -> Pairs:  # noqa: ARG001
    """Carry pairs of inputs through a network; a, b: the rows of the two sides, which end with the outputs' roots."""
    raise TypeError(f"there is no kernel of {arch!r}")


@run.register(Mlp)
def _(arch: Mlp, pairs: Pairs, a: Side, b: Side) -> Pairs:
    pairs = dense(arch.sigma_w, arch.beta, pairs, a, b, signed=True)
    return stack(arch.activation, arch.sigma_w, arch.beta, arch.depth - 1, pairs, a, b, signed=True)
