"""A function of parameters expanded around θ_0: f_0 + J(θ − θ_0) + ½ (θ − θ_0)ᵀ H (θ − θ_0) + …

In the limit of infinite width networks remain what the first order makes of them (Theorem 2; Lee et al., Wide neural
networks of any depth evolve as linear models under gradient descent, 2019); of finite ones, further terms say by how
much they leave that regime.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch.utils._pytree import tree_leaves, tree_map

if TYPE_CHECKING:
    from torch import Tensor

    from ntk_engine.finite.general import Function

__all__ = ["Expansion", "expand", "linearized", "quadratic"]


class Expansion(NamedTuple):
    """f at some parameters by what each order adds, N×k each; together they are f."""

    constant: Tensor
    """f_0,"""
    linear: Tensor
    """J(θ − θ_0),"""
    quadratic: Tensor
    """½ (θ − θ_0)ᵀ H (θ − θ_0),"""
    rest: Tensor
    """and all higher orders."""


def linearized(function: Function, start: Any) -> Function:
    """The function (θ, x) ↦ f_0(x) + J(x)(θ − θ_0) around θ_0 = start, by one pass in forward mode; differentiable."""

    def expanded(params: Any, x: Tensor) -> Tensor:
        constant, linear = _first(function, start, tree_map(torch.sub, params, start), x)
        return constant + linear

    return expanded


def quadratic(function: Function, start: Any) -> Function:
    """The same and ½ (θ − θ_0)ᵀ H(x) (θ − θ_0); differentiable."""

    def expanded(params: Any, x: Tensor) -> Tensor:
        change = tree_map(torch.sub, params, start)
        constant, linear = _first(function, start, change, x)
        return constant + linear + _second(function, start, change, x)

    return expanded


def expand(function: Function, start: Any, params: Any, x: Tensor) -> Expansion:
    """What f at `params` consists of around θ_0 = start; the kernel regime neglects the last two parts."""
    change = tree_map(torch.sub, params, start)
    constant, linear = _first(function, start, change, x)
    curved = _second(function, start, change, x)
    return Expansion(constant, linear, curved, function(params, x) - constant - linear - curved)


def _first(function: Function, start: Any, change: Any, x: Tensor) -> tuple[Tensor, Tensor]:
    """f_0 and J(θ − θ_0)."""
    found = torch.func.jvp(lambda theta: function(theta, x), (start,), (change,))
    return found[0], found[1]


def _second(function: Function, start: Any, change: Any, x: Tensor) -> Tensor:
    """½ (θ − θ_0)ᵀ H (θ − θ_0).

    In torch forward mode cannot pass twice through a function with a derivative of its own (`finite.apply` has them).
    The derivative of g = J(θ)(θ − θ_0) along c = θ − θ_0 is instead that of u·(∂g c) by u, as (∂gᵀu)·c.
    """
    linear, back, *_ = torch.func.vjp(lambda theta: _first(function, theta, change, x)[1], start)

    def along(cotangent: Tensor) -> Tensor:
        pairs = zip(tree_leaves(back(cotangent)[0]), tree_leaves(change), strict=True)
        return torch.stack([(one * other).sum() for one, other in pairs]).sum()

    found: Tensor = torch.func.grad(along)(torch.zeros_like(linear))
    return found / 2
