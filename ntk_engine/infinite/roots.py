"""How the root √q of a row goes through layers, and what it leaves for the pairs.

Where √E[σ²] = g√q with a constant g, the root is carried as a double word, a rounded number and what rounding took from
it: a gain σ_w g that is rounded once would be off by its last digit to the power of the depth.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from math import sqrt
from typing import TYPE_CHECKING, Union

import torch

from ntk_engine.activations.double_word import add, product

if TYPE_CHECKING:
    from torch import Tensor

    from ntk_engine.activations.base import Dual

# What a layer makes of roots (n): what it brings to pairs (…×n), and the roots after it.
Make = Callable[["Tensor"], tuple["Tensor", "Tensor"]]
# σ_w or β: a tensor of no dimensions where it is differentiated.
Number = Union[float, "Tensor"]
Biased = tuple["Tensor", "Tensor", "Tensor"]
# Roots within these bounds have squares, and rests of squares, that neither overflow nor underflow.
_LEAST, _MOST = 2.0**-400, 2.0**400


def add_bias(root: Tensor, beta: Number) -> tuple[Tensor, Biased]:
    """√q = √(a + β²) of rows whose roots before the bias are √a, and their α, γ and t (see `recursion`)."""
    if isinstance(beta, torch.Tensor):
        # √(a + β²) has no derivative where both are 0; such rows are held.
        nothing = (root == 0.0) & (beta == 0.0)
        biased, brings = _add_bias(root.masked_fill(nothing, 1.0), beta)
        return biased.masked_fill(nothing, 0.0), brings
    if beta == 0.0:
        zero = root * 0.0
        return root, (zero + 1.0, zero, zero)
    return _add_bias(root, beta)


def _add_bias(root: Tensor, beta: Number) -> tuple[Tensor, Biased]:
    biased = (root * 0.0 + beta).hypot(root)
    return biased, (root / biased, beta / biased, beta / (biased + root))


def through_layers(dual: Dual, sigma_w: Number, beta: Number, layers: int, root: Tensor) -> tuple[Tensor, Tensor]:
    """What rows bring to so many layers (layers×width×n), activation then dense, and their roots after them."""
    brings, rest = [], torch.zeros_like(root)
    gain = None
    if dual.square_gain is not None and not isinstance(sigma_w, torch.Tensor):
        gain = root_of(Fraction(sigma_w) ** 2 * dual.square_gain)
    for _ in range(layers):
        of_dual = dual.rows(root)
        if gain is None or isinstance(beta, torch.Tensor):
            root, biased = add_bias(of_dual[0] * sigma_w, beta)
        else:
            root, rest = _times(root, rest, gain)
            before = root
            root, biased = add_bias(root, beta)
            rest = _rest_after_bias(before, rest, root, beta)
        brings.append(torch.stack([*of_dual, *biased]))
    return torch.stack(brings), root


def root_of(square: Fraction) -> tuple[float, float]:
    """The root of a number as a double word."""
    high = sqrt(square)
    return high, float((square - Fraction(high) ** 2) / (2 * Fraction(high))) if high else 0.0


def _times(root: Tensor, rest: Tensor, gain: tuple[float, float]) -> tuple[Tensor, Tensor]:
    """A root and its rest, times a double word."""
    rounded, error = product(root, gain[0])
    rest = rest * gain[0] + root * gain[1] + torch.where(_moderate(root), error, torch.zeros_like(error))
    return add(rounded, rest)


def _rest_after_bias(before: Tensor, rest: Tensor, after: Tensor, beta: float) -> Tensor:
    """What is left of √(a + β²) beside its rounded value: (a + β² − after²)/(2 after)."""
    if beta == 0.0:
        return rest
    square, error = product(before, before)
    bias = Fraction(beta) ** 2
    total, lost = add(square, square * 0.0 + float(bias))
    exact = lost + error + 2.0 * before * rest + float(bias - Fraction(float(bias)))
    other, other_error = product(after, after)
    left = ((total - other) + (exact - other_error)) / (2.0 * after)
    return torch.where(_moderate(before) & _moderate(after), left, rest * (before / after))


def _moderate(root: Tensor) -> Tensor:
    return (root > _LEAST) & (root < _MOST)
