"""What the norms of the inputs allow: a network's rows alone, and whether its pairs are a function of one variable."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from ntk_engine.activations.base import ClosedForm
from ntk_engine.architecture import Mlp, Network, activations, depth
from ntk_engine.infinite.network import Way, run
from ntk_engine.infinite.profile import Profile, tabulate
from ntk_engine.infinite.recursion import Pairs
from ntk_engine.infinite.rows import Rows, Side
from ntk_engine.infinite.tiles import Tile
from ntk_engine.layers import Dropout

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch import Tensor

    from ntk_engine.architecture import Architecture
    from ntk_engine.layers import Layer

# Fewer pairs, or fewer layers of a closed form, take less time than a table and its evaluation.
_PAIRS, _PAIRS_CLOSED, _LAYERS = 2**16, 2**20, 4
# Norms that differ by their rounding: √(n_0) roundings of the sum of squares are far below this for any n_0.
_EQUAL = 16 * torch.finfo(torch.float64).eps


def on_diagonal(arch: Architecture, prepared: Rows) -> tuple[Pairs, Tensor]:
    """Every row with itself (n): ρ, its gap and τ after the network, and √q there."""
    a, b = (Side(prepared, slice(0, len(prepared)), None) for _ in range(2))
    zero = torch.zeros_like(prepared.root)
    way = run(arch, Way(Tile(Pairs(zero + 1.0, zero, zero)), a, b, prepared.inputs, "all"))
    return way.pairs, a.root


def outputs(arch: Architecture, prepared: Rows) -> Tensor:
    """√q of every row after the network."""
    if ("outputs", arch) not in prepared.kept:
        # Rows of equal norm have few roots, by rounding.
        root, place = torch.unique(prepared.root, return_inverse=True)
        after = _roots_after(arch, _of_roots(root, prepared))[place]
        prepared.kept["outputs", arch] = (after, after)
    return prepared.kept["outputs", arch][0]


def _roots_after(arch: Architecture, prepared: Rows) -> Tensor:
    """√q of every row after the network, beside pairs of all rows with the first, of which there are the fewest."""
    first, all_rows = Side(prepared, slice(0, 1), 0), Side(prepared, slice(0, len(prepared)), 1)
    rho, gap, tau = (prepared.root.new_full((1, len(prepared)), value) for value in (0.0, 1.0, 0.0))
    run(arch, Way(Tile(Pairs(rho, gap, tau)), first, all_rows, prepared.inputs))
    return all_rows.root


def profile_of(arch: Architecture, a: Rows, b: Rows) -> Profile | None:
    """The network as a function of the correlation alone, where it is one for these rows and a table pays."""
    root = _common_root(arch, a, b)
    if root is None:
        return None
    key = ("profile", arch, root)
    if key not in a.profiles:
        row = _of_roots(a.root.new_full((1,), root), a)
        a.profiles[key] = tabulate(lambda pairs: _pairs(arch, pairs, row), depth(arch), a.root)
    return a.profiles[key]


def _common_root(arch: Architecture, a: Rows, b: Rows) -> float | None:
    """The root that stands for those of all rows, if one can."""
    closed = all(isinstance(activation, ClosedForm) for activation in activations(arch))
    if isinstance(arch, Network) and any(isinstance(layer, Dropout) for layer in _all(arch.layers)):
        return None  # an input's kernel with itself is another function than that of its duplicates
    if len(a) * len(b) < (_PAIRS_CLOSED if closed else _PAIRS) or (closed and depth(arch) < _LAYERS):
        return None
    if isinstance(arch, Mlp) and arch.beta == 0.0 and arch.activation.facts.homogeneous:
        return 1.0
    least, most = min(a.range[0], b.range[0]), max(a.range[1], b.range[1])
    return most if most - least <= _EQUAL * most else None


def _all(layers: Sequence[Layer]) -> Iterator[Layer]:
    for layer in layers:
        yield layer
        for branch in layer.inner:
            yield from _all(branch)


def _of_roots(root: Tensor, like: Rows) -> Rows:
    """Rows of which nothing but the roots is known; what is noted of them is noted of the others."""
    return Rows(like.scaled.new_zeros(len(root), like.inputs), root, root, errors=like.errors)


def _pairs(arch: Architecture, pairs: Pairs, row: Rows) -> Pairs:
    """Pairs (m×n) of rows that all have one root."""
    left, right = (Side(row, slice(0, 1), axis, pairs.rho.shape[axis]) for axis in (0, 1))
    return run(arch, Way(Tile(pairs), left, right, row.inputs)).pairs
