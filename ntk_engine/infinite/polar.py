"""Roots and correlations of the inputs as functions of the inputs, for autograd.

With unit vectors x̂ and φ the angle of a pair,
    d√q/dx = x̂/√n_0,      dρ/dx = (ŷ − ρx̂)/‖x‖,      d gap/dx = ∓dρ/dx    for ρ ≥ 0 and ρ < 0,
however ρ was computed. Where φ or π − φ is small, kernels may multiply ŷ − ρx̂, of length sin φ, by 1/φ, and it is
computed anew, as φ was.
"""

from __future__ import annotations

from math import inf, sqrt
from typing import TYPE_CHECKING, Any

import torch
from torch.autograd import Function

from ntk_engine.infinite.angles import correlate, orthogonal
from ntk_engine.infinite.workspace import Workspace

if TYPE_CHECKING:
    from torch import Tensor

    from ntk_engine.infinite.blocks import Block
    from ntk_engine.infinite.rows import Rows

# The root that stands for 0, and the correlation: far below any that matters, with room for products.
LEAST = 2.0**-340
# Gaps below which ŷ − ρx̂ is computed anew; elsewhere its error is multiplied by no more than 1/√(2 gap) = 23.
_NEAR = 2.0**-10
# Numbers of one chunk of such pairs: 8 MiB of doubles.
_CHUNK = 2**20


def roots(x: Tensor, root: Tensor) -> Tensor:
    """√q (n, float64) of the rows of x (n×d), where it is known, for autograd in x; its derivative at 0 is 0."""
    found: Tensor = _Roots.apply(x, root)  # type: ignore[no-untyped-call]
    return found


def pull_root(x: Tensor, g: Tensor) -> Tensor:
    """The derivatives in x (n×d) of Σ g √q, for g (n)."""
    unit, _ = _polar(x, inf)
    return (unit * (g / sqrt(x.shape[1]))[:, None]).to(x.dtype)


def correlations(x: Tensor, y: Tensor, a: Rows, b: Rows, at: Block, held: float) -> tuple[Tensor, Tensor]:
    """ρ and its gap (float64) for a block of pairs, for autograd in x and y, the block's rows and columns.

    a, b: all rows of both sides. held: the root that stands for that of rows that are 0; of these ρ has no derivative
    where it is 0. On the diagonal of a Gram matrix, what lies below it is coarse.
    """
    rho, gap = _Correlations.apply(x, y, a, b, at, held)  # type: ignore[no-untyped-call]
    return rho, gap


class _Roots(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, root: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return root.clone()

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, None]:
        (x,) = ctx.saved_tensors
        return pull_root(x, g), None


class _Correlations(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, y: Tensor, a: Rows, b: Rows, at: Block, held: float) -> tuple[Tensor, Tensor]:
        rho, gap, _ = correlate(a, b, at, Workspace()).pairs
        # At ρ = 0, where |ρ| has no derivative, all formulas shall take the side of ρ > 0.
        rho.masked_fill_(rho == 0.0, LEAST)
        ctx.prepared = a, b, at, held * sqrt(x.shape[1]) or inf
        ctx.save_for_backward(x, y, rho, gap)
        return rho, gap

    @staticmethod
    def backward(ctx: Any, g_rho: Tensor, g_gap: Tensor) -> tuple[Tensor | None, ...]:
        """In operations that have derivatives themselves."""
        x, y, rho, gap = ctx.saved_tensors
        a, b, at, least = ctx.prepared
        g = torch.where(rho < 0.0, g_rho + g_gap, g_rho - g_gap)
        (unit_x, length_x), (unit_y, length_y) = _polar(x, least), _polar(y, least)
        near = gap.detach() < _NEAR
        far = g.masked_fill(near, 0.0)
        along = far * rho
        dx = far @ unit_y - along.sum(1)[:, None] * unit_x
        dy = far.mT @ unit_x - along.sum(0)[:, None] * unit_y
        for some in (near.triu(1) if at.diagonal else near).nonzero().split(max(1, _CHUNK // x.shape[1])):
            i, j = some.unbind(1)
            weight, cosine, small = (item[i, j][:, None] for item in (g, rho, gap))
            # ŷ − ρx̂ as a function, of the value that is known better; x̂ − ρŷ follows without cancellation.
            part = unit_y[j] - cosine * unit_x[i]
            part = part + (_orthogonal(a, b, at, i, j, rho) - part).detach()
            dx = dx.index_add(0, i, weight * part)
            dy = dy.index_add(0, j, weight * (small * (2.0 - small) * unit_x[i] - cosine * part))
        return (dx / length_x).to(x.dtype), (dy / length_y).to(y.dtype), None, None, None, None


def _orthogonal(a: Rows, b: Rows, at: Block, i: Tensor, j: Tensor, rho: Tensor) -> Tensor:
    """ŷ − ρx̂ of pairs in a block, right to the last digits of its length."""
    near, i, j = rho.detach()[i, j], i + at.rows.start, j + at.columns.start
    return orthogonal(a, b, i, j, near) * b.inverse[j][:, None]


def _polar(x: Tensor, length_of_zero: float) -> tuple[Tensor, Tensor]:
    """x̂ (n×d, float64; 0 where x is) and ‖x‖ (n×1), as differentiable functions of x."""
    largest = x.detach().abs().amax(dim=1, keepdim=True).double()
    zero = largest == 0.0
    scaled = x.double() / largest.masked_fill(zero, 1.0)
    length = torch.linalg.vector_norm(scaled, dim=1, keepdim=True).masked_fill(zero, 1.0)
    return scaled / length, (length * largest).masked_fill(zero, length_of_zero)
