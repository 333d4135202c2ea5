"""What rounding may add in float32, operation by operation: formulas evaluated on numbers that carry a bound on it.

A layer's errors have two parts: those of the pairs before it, which go on by the derivatives of the formula, and those
of its own roundings, each as large as it can be and none against another. Both to first order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from ntk_engine.activations.base import Formula
from ntk_engine.infinite import recursion
from ntk_engine.infinite.recursion import Pairs

U = 2.0**-24
"""What rounding to nearest takes from a number at most, relatively."""
# Of `arc_rest`: 1e-8 for its coefficients, and roundings of c_0, of two sums and of the result, which are below 0.6.
ARC_REST = 2.5 * U


@dataclass(frozen=True)
class Rounded:
    """A number (n) on the way through a layer."""

    value: Tensor
    slopes: Tensor
    """Its derivatives by ρ, gap and τ before the layer (3×n)."""
    error: Tensor
    """A bound on what the layer's own roundings have added (n)."""

    @staticmethod
    def of(value: Tensor) -> Rounded:
        """A number of float64, rounded."""
        return Rounded(value, value.new_zeros(3, 1), (value.float().double() - value).abs())

    def __add__(self, other: Any) -> Rounded:
        other = self._number(other)
        return _rounded(self.value + other.value, (self, 1.0), (other, 1.0))

    def __sub__(self, other: Any) -> Rounded:
        other = self._number(other)
        return _rounded(self.value - other.value, (self, 1.0), (other, -1.0))

    def __mul__(self, other: Any) -> Rounded:
        other = self._number(other)
        return _rounded(self.value * other.value, (self, other.value), (other, self.value))

    def __rsub__(self, other: float) -> Rounded:
        return self._number(other) - self

    __radd__, __rmul__ = __add__, __mul__

    def __lt__(self, other: float) -> Tensor:
        return self.value < other

    def sqrt(self) -> Rounded:
        root = self.value.sqrt()
        return _rounded(root, (self, torch.where(root > 0.0, 0.5 / root, 0.0)))

    def where(self, condition: Tensor, other: Any) -> Rounded:
        no = self._number(other)
        both = (self.value, no.value), (self.slopes, no.slopes), (self.error, no.error)
        return Rounded(*(torch.where(condition, *either) for either in both))

    def arc_rest(self) -> Rounded:
        """(φ/sin φ − 1)/x for x = 1 − cos φ, 1/3 + 2x/15 + 2x²/35 + …; its derivative by dφ/dx = 1/sin φ."""
        x = self.value
        sine, near = (x * (2.0 - x)).sqrt(), x < 1e-4
        ratio = sine.atan2(1.0 - x) / sine
        rest = torch.where(near, 1.0 / 3.0 + x * (2.0 / 15.0 + x * (2.0 / 35.0)), (ratio - 1.0) / x)
        slope = torch.where(near, 2.0 / 15.0 + x * (4.0 / 35.0), ((1.0 - ratio * (1.0 - x)) / sine.square() - rest) / x)
        return Rounded(rest, slope * self.slopes, slope * self.error + ARC_REST)

    def _number(self, other: Any) -> Rounded:
        return other if isinstance(other, Rounded) else Rounded.of(self.value.new_full((1,), other))


def _rounded(value: Tensor, *terms: tuple[Rounded, Any]) -> Rounded:
    slopes, error = torch.zeros(3, 1, dtype=torch.float64), U * value.abs()
    for term, slope in terms:
        slopes, error = slopes + slope * term.slopes, error + abs(slope) * term.error
    return Rounded(value, slopes, error)


def layer(
    dual: Formula, a: Sequence[Tensor], b: Sequence[Tensor], pairs: Pairs, errors: Pairs, *, signed: bool
) -> tuple[Pairs, Pairs]:
    """Pairs (n) after a layer, and what errors before it (n) and its roundings come to.

    a, b: what rows bring (n). signed: whether ρ may be negative before.
    """
    own = torch.eye(3, dtype=torch.float64)[:, :, None]
    before = Pairs(*(Rounded(value, one, value * 0.0) for value, one in zip(pairs, own, strict=True)))
    step, pair = (recursion.layer, dual.pair) if signed else (recursion.layer_nonnegative, dual.pair_nonnegative)
    after: Any = step(lambda *rows: pair(dual.parameters, *rows), _brought(a), _brought(b), before)
    total = ((one.slopes.abs() * torch.stack(errors)).sum(0) + one.error for one in after)
    return Pairs(*(one.value for one in after)), Pairs(*total)


def _brought(rows: Sequence[Tensor]) -> list[Any]:
    """The words of t are as good as exact: the second is what rounding takes from the first."""
    found = [Rounded.of(row) for row in rows]
    return found[:-2] + [replace(word, error=word.error * 0.0) for word in found[-2:]]
