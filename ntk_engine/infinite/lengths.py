"""Squared lengths of rows in two words, by sums of which the leading ones are exact."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from ntk_engine import compiled
from ntk_engine.activations.double_word import Double

if TYPE_CHECKING:
    from torch import Tensor

# Columns whose products can be added without rounding, and numbers of one chunk: it stays in cache.
_COLUMNS, _CHUNK = 2**10, 2**17
# Adding it rounds numbers below 2 to multiples of 2^−20.
_ROUND = 1.5 * 2.0**32


def squares(scaled: Tensor) -> Double:
    """‖x‖² (n, float64) of rows with entries below 2 in size, right to 2^−85 where the largest is 1 or more.

    With x = h + m + l, h and m multiples of 2^−20 and 2^−41 and l below 2^−42, products of 42 bits at most are added
    without rounding: h², 2hm and m². The rest, 2(h + m)l + l², is below 2^−41|x|, and is rounded. Compiled code takes
    what rounding leaves of every product and sum instead.
    """
    compilable = scaled.device.type == "cpu" and not scaled.requires_grad and scaled.is_contiguous()
    found = compiled.squares(scaled) if compilable else None
    if found is not None:
        return Double(*found)
    parts = [_squares(some) for some in torch.split(scaled, max(1, _CHUNK // min(scaled.shape[1], _COLUMNS)))]
    return Double(*(torch.cat(words) for words in zip(*((part.high, part.low) for part in parts), strict=True)))


def _squares(scaled: Tensor) -> Double:
    total = Double.of(scaled.new_zeros(len(scaled), dtype=torch.float64))
    for some in torch.split(scaled, _COLUMNS, dim=1):
        x = some.double()
        high = (x + _ROUND) - _ROUND
        rest = x - high
        middle = (rest + _ROUND * 2.0**-21) - _ROUND * 2.0**-21
        least = rest - middle
        rounded = (2.0 * (high + middle)).add_(least).mul_(least)
        for terms in (high * high, (high * middle).mul_(2.0), middle * middle, rounded):
            total = total + terms.sum(1)
    return total
