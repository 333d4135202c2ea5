"""How the root √q of a row goes through layers, and what it leaves for the pairs.

Roots are carried as double words (2×n), a rounded number and what rounding took from it. Rows of nearly equal length
differ by a few of a double's last digits, and by all of that after a chaotic layer; and a gain that is rounded once
would be off by its last digit to the power of the depth. Derivatives are those of the rounded number.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from math import inf
from operator import mul
from typing import TYPE_CHECKING, Union

import numpy as np
import torch

from ntk_engine.activations.double_functions import ldexp
from ntk_engine.activations.double_word import Double, settled, words

if TYPE_CHECKING:
    from torch import Tensor

    from ntk_engine.activations.base import Dual

# What a layer makes of roots (2×n): what it brings to pairs (…×n), and the roots after it.
Make = Callable[["Tensor"], tuple["Tensor", "Tensor"]]
# σ_w or β: a tensor of no dimensions where it is differentiated.
Number = Union[float, "Tensor"]
Words = tuple["Tensor", "Tensor"]
Biased = tuple["Tensor", "Tensor", "Tensor", "Tensor"]
# Where squares of roots are no numbers, neither is what is computed in two words: see `settled`.
OF_ANY_SIZE = np.errstate(all="ignore")


# The root that stands for 0 after a standard layer without a bias, whose Θ is 1 there. Layers may scale it: whatever is
# below `_NOTHING` stands for 0.
_ZERO, _NOTHING = 2.0**-480, 2.0**-400


# The root that stands for one that has overflowed; an activation that makes more than `_BOUNDED` of it is unbounded.
_MOST, _BOUNDED = 2.0**990, 2.0**800

# The root that a bias is divided by where the row's has overflowed.
_BIASED = 2.0**500


def held(roots: Tensor) -> Tensor:
    """Roots (2×n) with `_ZERO` for 0, so that Θ in units of them is a number."""
    return torch.stack([roots[0].masked_fill(roots[0] == 0.0, _ZERO), roots[1]])


def released(roots: Tensor) -> Tensor:
    """Roots (2×n) with 0 for `_ZERO`."""
    return roots.masked_fill(roots[0] <= _NOTHING, 0.0)


def finite(roots: Tensor) -> Tensor:
    """Roots (2×n) with the largest power of two for what has overflowed."""
    return roots.masked_fill(roots[0] == inf, 2.0**1023)


def add_bias(root: Tensor, exact: Double, beta: Number) -> tuple[Words, Biased]:
    """√q = √(a + β²) of rows whose roots before the bias are √a, and their α, γ and t in two words (see `recursion`).

    root, exact: √a (n), the latter without derivatives.
    """
    if isinstance(beta, float) and beta == 0.0:
        zero = torch.zeros_like(root)
        return settled(root, exact), (zero + 1.0, zero, zero, zero)
    # √(a + β²) has no derivative where both are 0; such rows are set aside.
    nothing = (root == 0.0) & (beta == 0.0)
    (after, rest), brings = _add_bias(root.masked_fill(nothing, 1.0), exact, beta)
    return (after.masked_fill(nothing, 0.0), rest), brings


@OF_ANY_SIZE
def _add_bias(root: Tensor, exact: Double, beta: Number) -> tuple[Words, Biased]:
    biased = (root * 0.0 + beta).hypot(root)
    # In units of a power of two: squares neither overflow, nor underflow where they matter.
    _, power = np.frexp(np.maximum(exact.high, _value(beta)))
    before = ldexp(exact, -power)
    bias = Double.of(np.ldexp(_value(beta), -power))
    after = (before * before + bias * bias).root()
    tangent = bias / (after + before)
    t = settled(beta / (biased + root), tangent)
    # Of two rows that have overflowed the product of what biases divide is a number still: none is forgotten.
    bias_share = beta / biased.where(biased < inf, _BIASED)
    return settled(biased, ldexp(after, power)), ((root / biased).where(root < inf, 1.0), bias_share, *t)


@OF_ANY_SIZE
def layer(dual: Dual, sigma_w: Number, beta: Number, root: Tensor, rest: Tensor) -> tuple[list[Tensor], Words]:
    """What rows bring to an activation and the dense layer after it, and the words of their roots after both."""
    of_dual, exact = through_activation(dual, root, rest)
    after, biased = add_bias(of_dual[0] * sigma_w, exact * _value(sigma_w), beta)
    return [*of_dual, *biased], after


def through_layers(dual: Dual, sigma_w: Number, beta: Number, layers: int, roots: Tensor) -> tuple[Tensor, Tensor]:
    """What rows bring to so many layers (layers×width×n), activation then dense, and their roots after them."""
    brought = []
    for _ in range(layers):
        brings, after = layer(dual, sigma_w, beta, *roots)
        brought.append(torch.stack(brings))
        roots = torch.stack(after)
    return torch.stack(brought), roots


@OF_ANY_SIZE
def through_dense(sigma_w: Number, beta: Number, roots: Tensor) -> tuple[Tensor, Biased]:
    """The roots after a dense layer alone, and what it takes of the rows."""
    after, biased = add_bias(roots[0] * sigma_w, words(*roots) * _value(sigma_w), beta)
    return torch.stack(after), biased


@OF_ANY_SIZE
def through_activation(dual: Dual, root: Tensor, rest: Tensor) -> tuple[list[Tensor], Double]:
    """What rows bring to an activation, and √E[σ²] in two words."""
    endless = root == inf
    root, rest = root.masked_fill(endless, _MOST), rest.masked_fill(endless, 0.0)
    of_dual = list(dual.rows_beside(root, rest))
    # What overflowed stays infinite, unless the activation is bounded.
    of_dual[0] = of_dual[0].masked_fill(endless & (of_dual[0] > _BOUNDED), inf)
    moment = dual.moment(words(root, rest)) or words(of_dual[0], of_dual[0] * 0.0)
    return of_dual, Double(np.where(of_dual[0].detach().isinf().cpu(), inf, moment.high), moment.low)


@OF_ANY_SIZE
def scaled(factor: Double, roots: Tensor) -> Tensor:
    """Roots times a number."""
    return torch.stack(settled(roots[0] * factor.high, words(*roots) * factor))


@OF_ANY_SIZE
def multiplied(found: Tensor) -> Tensor:
    """Products of the roots of branches (branches×2×n)."""
    return torch.stack(settled(found[:, 0].prod(dim=0), reduce(mul, (words(*roots) for roots in found))))


def _value(number: Number) -> float:
    return number.item() if isinstance(number, torch.Tensor) else number
