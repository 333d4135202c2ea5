"""A block of kernels for autograd: the recursion on tensors, from rows and correlations that know their derivatives.

The kernels of a row that is 0 are, next to those of a row of root LEAST, the same to the last digit and differentiable,
unless they jump at 0: the former is taken for the latter.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import torch

from ntk_engine.infinite.network import Way, run
from ntk_engine.infinite.norms import on_diagonal
from ntk_engine.infinite.polar import LEAST, correlations
from ntk_engine.infinite.recursion import Pairs
from ntk_engine.infinite.rows import Kept, Rows, Side, rows
from ntk_engine.infinite.tiles import Tile

if TYPE_CHECKING:
    from torch import Tensor

    from ntk_engine.architecture import Architecture
    from ntk_engine.infinite.blocks import Block

# Kernels at roots 0 and LEAST that differ by less than this part of those at root 1 do not jump.
_CONTINUOUS = 2.0**-100


class Zero(NamedTuple):
    """What becomes of rows that are 0."""

    root: float
    """The root that stands for theirs: LEAST, or 0, from which no derivatives come."""
    vanishes: bool
    """Whether their kernels are 0."""


def prepared(x1: Tensor, x2: Tensor | None) -> tuple[Rows, Rows]:
    """Both sides' rows, the same object without x2. Raises ValueError as `kernel` does."""
    a = rows(x1.detach())
    b = a if x2 is None else rows(x2.detach())
    if x2 is not None and (x1.shape[1:], x1.dtype, x1.device) != (x2.shape[1:], x2.dtype, x2.device):
        raise ValueError("both sets of inputs must have the same number of columns, dtype and device")
    return a, b


def zero_of(arch: Architecture, *sides: Rows) -> Zero:
    """What becomes of the zero rows of these sides, if there are any."""
    if all(bool((side.root > 0.0).all()) for side in sides):
        return Zero(0.0, vanishes=False)
    probe = sides[0].root.new_tensor([0.0, LEAST, 1.0])
    with torch.no_grad():
        pairs, root = on_diagonal(arch, Rows(probe.new_zeros(3, sides[0].inputs), probe * 0.0, probe))
        at_zero, at_least, at_one = (torch.stack([pairs.rho, pairs.tau]) * root.square()).unbind(1)
    continuous = bool(((at_least - at_zero).abs() <= _CONTINUOUS * at_one).all())
    return Zero(LEAST if continuous else 0.0, vanishes=bool((at_zero == 0.0).all()))


def with_roots(side: Rows, root: Tensor, zero: Zero) -> Rows:
    """The rows with other tensors for their roots, of the same values but for those of zero rows."""
    return replace(side, root=root.masked_fill(root == 0.0, zero.root), kept=Kept(), profiles={})


def tile(
    arch: Architecture, a: Rows, b: Rows, inputs: tuple[Tensor, Tensor], at: Block, zero: Zero
) -> dict[str, Tensor]:
    """Σ^L and Θ^L of a block, `nngp` and `ntk` (float64), for autograd.

    a, b: all rows of both sides, from `with_roots`; inputs: the block's rows and columns of the inputs themselves.
    """
    rho, gap = correlations(*inputs, a, b, at, zero.root)
    sides = Side(a, at.rows, 0), Side(b, at.columns, 1)
    start = Way(Tile(Pairs(rho, gap, torch.zeros_like(rho))), *sides, a.inputs, "diagonal" if at.diagonal else "none")
    pairs = run(arch, start).pairs
    scale = sides[0].root[:, None] * sides[1].root
    nothing = (a.inverse[at.rows] == 0.0)[:, None] | (b.inverse[at.columns] == 0.0)
    units = {"nngp": pairs.rho, "ntk": pairs.tau}
    return {name: _finished(unit * scale, at, nothing & zero.vanishes) for name, unit in units.items()}


def _finished(values: Tensor, at: Block, nothing: Tensor) -> Tensor:
    """Symmetric on the diagonal, and 0 for `nothing`, with the derivatives that are there."""
    if at.diagonal:
        values = values.triu() + values.triu(1).mT
    return values - values.detach().masked_fill(~nothing, 0.0)
