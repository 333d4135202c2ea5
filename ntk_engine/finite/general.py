"""Kernels of any function f(θ, x) that torch.func can differentiate, such as a Taylor expansion of a network.

    Θ_kk'(x, x') = Σ_p ∂_p f_k(x) ∂_p f_k'(x')          (Section 4)

A network's own kernel is found faster by `finite.kernel`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

__all__ = ["Function", "jacobian_kernel", "product"]

Function = Callable[[Any, Tensor], Tensor]
"""f(θ, x): N×k from any tree of parameters and inputs N×…, of which each row depends on its own input alone."""


def jacobian_kernel(
    function: Function, params: Any, x1: Tensor, x2: Tensor | None = None, *, memory: int = 2**31
) -> Tensor:
    """Θ_kk'(θ)(x, x') between the inputs x1 and x2, or of x1: N1×N2×k×k.

    memory: bytes for Jacobians (k numbers for every parameter and input); beyond, inputs are taken in panels. Symmetric
    to the last bit without x2.
    """
    other = x1 if x2 is None else x2
    k = function(params, x1[:1]).shape[-1]
    leaves = tree_leaves(params)
    side = max(1, memory // (2 * k * sum(leaf.numel() * leaf.element_size() for leaf in leaves)))
    found: Tensor = leaves[0].new_empty(len(x1), len(other), k, k)
    for i in range(0, len(x1), side):
        a = _jacobian(function, params, x1[i : i + side])
        for j in range(i if x2 is None else 0, len(other), side):
            same = x2 is None and i == j
            b = a if same else _jacobian(function, params, other[j : j + side])
            block = sum(torch.einsum("akp,blp->abkl", one, two) for one, two in zip(a, b, strict=True))
            assert isinstance(block, Tensor)
            found[i : i + side, j : j + side] = _mirrored(block) if same else block
            if x2 is None and not same:
                found[j : j + side, i : i + side] = block.permute(1, 0, 3, 2)
    return found


def _jacobian(function: Function, params: Any, x: Tensor) -> list[Tensor]:
    """∂_p f_k(x) by every leaf of the parameters, N×k×P each, by a reverse pass for every output."""

    def one(theta: Any, row: Tensor) -> Tensor:
        return function(theta, row.unsqueeze(0)).squeeze(0)

    found = torch.func.vmap(torch.func.jacrev(one), (None, 0))(params, x)
    return [leaf.detach().flatten(2) if leaf.dim() > 2 else leaf.detach().unsqueeze(2) for leaf in tree_leaves(found)]


def _mirrored(block: Tensor) -> Tensor:
    """A block on the diagonal (N×N×k×k) with what is above the diagonal below it too."""
    count, k = block.shape[0], block.shape[-1]
    square = block.permute(0, 2, 1, 3).reshape(count * k, count * k)
    square = square.triu() + square.triu(1).mT
    return square.view(count, k, count, k).permute(0, 2, 1, 3)


def product(function: Function, params: Any, x1: Tensor, v: Tensor, x2: Tensor | None = None) -> Tensor:
    """Σ_x' Θ(x, x') v(x') for v (N2×k) on the inputs x2, or x1: N1×k, by one reverse and one forward pass.

    No kernel is in memory, and rows may depend on several inputs.
    """
    back = torch.func.vjp(lambda theta: function(theta, x1 if x2 is None else x2), params)[1]
    found: Tensor = torch.func.jvp(lambda theta: function(theta, x1), (params,), back(v))[1]
    return found
