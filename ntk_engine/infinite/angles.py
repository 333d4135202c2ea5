"""Correlations of the inputs themselves: one matrix product, and better for the pairs that it is too coarse for.

A product of unit rows knows ρ = cos φ to a few units of its last digit, so φ near 0 only to half the digits. There (and
near π) the part of x' orthogonal to x gives sin φ relative to itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from ntk_engine.activations import Correlation

if TYPE_CHECKING:
    from torch import Tensor

    from ntk_engine.infinite.rows import Rows

# 1 ∓ ρ below which a pair is recomputed. A product's ρ errs by δ ≈ 4 ulp, φ by δ/√(2u): 2e-14 in float64 and 3e-6 in
# float32 at these bounds; φ/π enters a kernel as it is. 1 + ρ is wanted relative to itself, which takes a wider margin.
_EQUAL = {torch.float64: 2.0**-10, torch.float32: 2.0**-6}
_OPPOSITE = 2.0**-6
# Numbers of one chunk of such pairs: a mebibyte of doubles, so that a chunk stays in cache and memory stays bounded.
_CHUNK = 2**17


def correlate(a: Rows, b: Rows, *, diagonal: bool) -> Correlation:
    """u, v and ρ of every row of a with every row of b (n_a×n_b); with `diagonal`, a and b are the same rows.

    Then the diagonal is exact and the lower triangle is left to whoever mirrors the upper one. A zero row has ρ = 0.
    """
    rho = torch.mm(a.scaled, b.scaled.mT).mul_(a.inverse[:, None]).mul_(b.inverse).clamp_(-1.0, 1.0)
    if diagonal:
        rho.fill_diagonal_(0.0)
    u, v = 1.0 - rho, 1.0 + rho
    coarse = _coarse(rho)
    if coarse is not None:
        i, j = (coarse.triu_(1) if diagonal else coarse).nonzero(as_tuple=True)
        equal = rho[i, j] > 0.0
        small, large = _pairs(a, b, i, j, rho[i, j].double())
        u[i, j] = torch.where(equal, small, large).to(u.dtype)
        v[i, j] = torch.where(equal, large, small).to(v.dtype)
        rho[i, j] = torch.where(equal, 1.0 - small, small - 1.0).to(rho.dtype)
    if diagonal:
        u.fill_diagonal_(0.0)
        v.fill_diagonal_(2.0)
        rho.fill_diagonal_(1.0)
    return Correlation(u, v, rho)


def _coarse(rho: Tensor) -> Tensor | None:
    """Where the product is too coarse; most tiles have no such pair, and pay for one reduction."""
    most, least = 1.0 - _EQUAL[rho.dtype], _OPPOSITE - 1.0
    lowest, highest = rho.aminmax()
    return (rho > most) | (rho < least) if bool((lowest < least) | (highest > most)) else None


def _pairs(a: Rows, b: Rows, i: Tensor, j: Tensor, rho: Tensor) -> tuple[Tensor, Tensor]:
    """1 − |ρ| and 1 + |ρ| of the pairs (a[i], b[j]) in float64, from ρ to about half its digits; chunk by chunk."""
    size = max(1, _CHUNK // a.scaled.shape[1])
    # One buffer for the results: small tensors that outlive large ones would keep the freed memory in pieces.
    square = torch.empty_like(rho)
    for start in range(0, len(i), size):
        some = slice(start, start + size)
        square[some] = _sine_squared(a, b, i[some], j[some], rho[some])
    square.clamp_(max=1.0)
    large = 1.0 + (1.0 - square).sqrt_()
    return square / large, large


def _sine_squared(a: Rows, b: Rows, i: Tensor, j: Tensor, rho: Tensor) -> Tensor:
    """sin² φ, relative to itself, by removing from y = b[j] its part along x = a[i], twice.

    The first coefficient and x's leading part have 24 bits each and x's rest 29, so that y − cx is a difference of
    exact products; what it leaves along x, 2^-24 of y, is removed in plain arithmetic.
    """
    x, rest = a.scaled[i].double(), b.scaled[j].double()
    inverse_x, inverse_y = a.inverse[i].double(), b.inverse[j].double()
    leading = x.float().double()
    c = (rho * inverse_x / inverse_y).float().double()[:, None]
    rest.addcmul_(leading, c, value=-1.0).addcmul_(x - leading, c, value=-1.0)
    along = (rest * x).sum(dim=1, keepdim=True) * (inverse_x * inverse_x)[:, None]
    rest.addcmul_(x, along, value=-1.0)
    sine: Tensor = torch.linalg.vector_norm(rest, dim=1) * inverse_y
    return sine.square_()
