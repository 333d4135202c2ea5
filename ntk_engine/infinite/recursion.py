"""The recursion over layers, written once for every activation and every shape (Section 4.1, with a gain σ_w).

Kernels are carried in units of the rows' own deviations, Σ = ρ √q √q' and Θ = τ √q √q', in which nothing overflows at
any depth and for any norms. With √a = σ_w √E[σ²] the root of a variance before the bias, √q = √(a + β²) after it and
α = √a/√q, γ = β/√q, a layer is
    ρ ← αα'ρ + γγ',      τ ← αα' κ τ + ρ,      κ = E[σ'σ'] √q √q' / √(E[σ²] E[σ'²])   (the activation's slope)
and keeps u = 1 − ρ by u ← αα'u + (1 + α)(1 + α')(t − t')²/2, t = γ/(1 + α): (α, γ) is an angle's cosine and sine, and t
the tangent of its half.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch

from ntk_engine.activations import Correlation

if TYPE_CHECKING:
    from collections.abc import Collection

    from torch import Tensor

    from ntk_engine.architecture import Architecture

KERNELS = ("nngp", "ntk")


class Kernel:
    """Covariances Σ^L and tangent kernels Θ^L of the same pairs, in `nngp` and `ntk`, as far as they were asked for."""

    __slots__ = ("arrays",)

    def __init__(self, arrays: dict[str, Tensor]) -> None:
        self.arrays = arrays

    @property
    def nngp(self) -> Tensor:
        """Σ^L."""
        return self.arrays["nngp"]

    @property
    def ntk(self) -> Tensor:
        """Θ^L."""
        return self.arrays["ntk"]


class _Row(NamedTuple):
    """One side of the pairs at one layer, shaped to broadcast: √q and, where β > 0, α, γ and t."""

    root: Tensor
    share: Tensor
    bias: Tensor
    tangent: Tensor


def recurse(arch: Architecture, a: Tensor, b: Tensor, inputs: Correlation, kernels: Collection[str]) -> Kernel:
    """Run all layers on pairs of inputs: `a`, `b` are the roots σ_w ‖x‖/√n_0, broadcastable to `inputs`' shape.

    The tensors of `inputs` are given up.
    """
    tangent, beta = "ntk" in kernels, arch.beta
    row_a, row_b = _row(a, beta), _row(b, beta)
    pairs = _add_bias(inputs, row_a, row_b, beta)
    rho = _rho(pairs)
    tau = rho.clone() if tangent else rho
    for _ in range(1, arch.depth):
        pairs = arch.activation.correlate(row_a.root, row_b.root, pairs, slope=tangent)
        row_a, row_b = (_row(arch.activation.moment(row.root).mul(arch.sigma_w), beta) for row in (row_a, row_b))
        pairs = _add_bias(pairs, row_a, row_b, beta)
        rho = _rho(pairs)
        if pairs.slope is not None:
            tau.mul_(pairs.slope)
            tau = (tau.mul_(row_a.share).mul_(row_b.share) if beta > 0 else tau).add_(rho)
    units = {"nngp": rho, "ntk": tau}
    return Kernel({name: units[name].mul_(row_a.root).mul_(row_b.root) for name in KERNELS if name in kernels})


def _row(a: Tensor, beta: float) -> _Row:
    if beta == 0.0:
        return _Row(a, a, a, a)
    root = a.new_full((), beta).hypot(a)
    return _Row(root, a / root, beta / root, beta / (root + a))


def _add_bias(pairs: Correlation, a: _Row, b: _Row, beta: float) -> Correlation:
    """The correlations after a bias of deviation β; every term is positive, so none loses digits."""
    if beta == 0.0:
        return pairs
    gap = a.tangent - b.tangent
    spread = gap.mul_(gap).mul_(0.5 * (1.0 + a.share)).mul_(1.0 + b.share)
    u = pairs.u.mul_(a.share).mul_(b.share).add_(spread)
    v, rho = pairs.v, pairs.rho
    if v is not None:
        v = v.mul_(a.share).mul_(b.share).addcmul_(a.bias, b.bias, value=2.0).add_(spread)
    if rho is not None:
        rho = rho.mul_(a.share).mul_(b.share).addcmul_(a.bias, b.bias)
    return Correlation(u, v, rho, pairs.slope)


def _rho(pairs: Correlation) -> Tensor:
    return pairs.rho if pairs.rho is not None else torch.sub(1.0, pairs.u)
