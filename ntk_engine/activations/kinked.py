"""Duals of piecewise linear activations with kinks beside 0, as compiled code computes them (`compiled/kinks.cpp`).

How far two rows are apart, and E[σ'σ'] at ρ = ±1, are sums over the pieces of z > 0 between the kinks of both, of what
the even and the odd part of σ are there. From there Price's theorem (see `piecewise_linear`) leads to ρ = ±cos ψ:
    E[σ'σ'] = E[σ'σ']₁ ∓ S,      G = E[σ'σ'] ± T/gap,      S = ∫_0^ψ e dτ,      T = ∫_0^ψ e (1 − cos τ) dτ.
With t = tan(τ/2), x = tan(ψ/2), p = (h − h')²/8 and q = (h + h')²/8, h' of the sign of ρ,
    e dτ = (1/π) Σ JJ' exp(−(1 + t²)(p/t² + q)) dt/(1 + t²),      1 − cos τ = 2t²/(1 + t²).
Up to x = tan(π/8) this is a series, from there to 1 a sum over nodes; with t = xu and a = p/x²
    S = (x/2π) Σ JJ' e^{−a−p−q} Σ_n h_n j_n,      Σ h_n u^{2n} = 2e^{−qt²}/(1 + t²),
    j_n = e^a ∫_0^1 u^{2n} e^{−a/u²} du,      j_0 = 1 − √(πa) e^a erfc √a,      (2n + 1) j_n = 1 − 2a j_{n−1},
and T = (x³/2π) Σ JJ' e^{−a−p−q} Σ_n g_n j_{n+1} with Σ g_n u^{2n} = 4e^{−qt²}/(1 + t²)². Where σ is bounded, Σ JJ' = 0
and kinks of rows of large norm are all near 0: what e^{−a−p−q} and j_n are beside 1 and 1/(2n + 1) is what counts.
"""

from __future__ import annotations

from itertools import pairwise
from math import inf, sqrt
from typing import TYPE_CHECKING

import torch

from ntk_engine.activations.quadrature import density, unit_rule
from ntk_engine.activations.table import FIXED, Table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

    from ntk_engine.activations.line import Line
    from ntk_engine.activations.piecewise_linear import PiecewiseLinear

# What a row brings before its kinks: as to a table, then √q/√E[σ²], 1/√E[σ²] and 1/√q.
WIDTH = FIXED + 3
# Kinks beyond so many deviations do not count: the normal density is 1e-87 there.
_FAR = 20.0
# Of the sums from tan(π/8) to 1, which miss 2e-17; as compiled.
_NODES = 14
# How many times roundings of E[σ'σ'], a few eps, may be magnified: to less than 1e-13.
_MOST = 128.0


class Kinked(Table):
    """The dual of a piecewise linear activation: a table's, and what compiled code takes of the activation."""

    def __init__(
        self, line: Line, linear: PiecewiseLinear, least: float, most: float, error: float, *, nonnegative: bool
    ) -> None:
        super().__init__(line, least, most, error, nonnegative=nonnegative)
        self._kinks = sorted({abs(c) for c, _ in linear.jumps} - {0.0})
        pieces = _pieces(line, self._kinks)
        self.parts = torch.cat([pieces[:1], pieces.diff(dim=0)]).contiguous()
        """Level and slope of the even part of σ, then of the odd one, up to the first |c| > 0; what each adds to it."""
        self._total = float(2.0 * pieces[-1, 1]) ** 2
        self.pairs = _pairs(linear.terms, self._total)
        """c, c' and JJ' of pairs of kinks, of which those that give the same are one; Σ JJ' is exact."""
        slopes = pieces[:, 1].abs() + pieces[:, 3].abs()
        self._size = max(float(slopes.max()), 0.5 * sum(abs(jump) for _, jump in linear.jumps))
        self.rule = torch.stack(unit_rule(_NODES), -1).contiguous()
        """Nodes and weights on [0, 1]."""

    def rows(self, root: Tensor) -> list[Tensor]:
        """The first of a table's, √q/√E[σ²], 1/√E[σ²], 1/√q, the |c|/√q, and the tails and densities there."""
        fixed = super().rows(root)[:FIXED]
        scale = fixed[0].masked_fill(fixed[0] == 0.0, 1.0)
        inverse = root.clamp_min(1e-200).reciprocal()
        at = [(inverse * c).clamp_max(_FAR) for c in self._kinks]
        beyond = [((x * sqrt(0.5)).erfc() * 0.5).where(x < _FAR, 0.0) for x in at]
        there = [density(x).where(x < _FAR, 0.0) for x in at]
        # The square of 1/√E[σ²] shall be a number; it counts where σ is not 0 at 0, or kinks are not far.
        return [*fixed, root / scale, scale.reciprocal().clamp_max(1e140), inverse, *at, *beyond, *there]

    def is_certain(self, a: Tensor, b: Tensor) -> bool:
        """Whether compiled code is right to 1e-13 for the pairs of rows that bring these (…×n, …×m)."""
        slope, level = torch.cat([a[FIXED : FIXED + 2], b[FIXED : FIXED + 2]], -1) * self._size
        # E[σ'σ'] is a sum of terms of this size, squared; where Σ J = 0 they are h times that.
        other = slope.minimum(level * self._kinks[-1]) if self._total == 0.0 else slope
        return bool(slope.max() * other.max() <= _MOST)

    def _apart(self, a: Sequence[Tensor], b: Sequence[Tensor], rho: Tensor) -> tuple[Tensor, Tensor]:
        """Tables are of rows of one norm, which are not apart; others are integrated pair by pair."""
        return rho * 0.0, rho * 0.0


def for_table(row: Sequence[Tensor]) -> list[Tensor]:
    """What `table.combine` takes of a row, E[σ'σ'] not being divided by √E[σ'²]."""
    return [*row[:2], row[FIXED], *row[3:FIXED]]


def _pairs(terms: Mapping[tuple[float, float], float], total: float) -> Tensor:
    """Weights are added in this order: what their roundings leave is taken from the last."""
    *weights, _ = terms.values()
    weights.append(total - sum(weights))
    return torch.tensor([(c, d, weight) for (c, d), weight in zip(terms, weights, strict=True)], dtype=torch.float64)


def _pieces(line: Line, kinks: Sequence[float]) -> Tensor:
    """Level and slope of the even part of σ, then of the odd one, for x > 0 between kinks."""
    found = []
    for low, high in pairwise([0.0, *kinks, inf]):
        x = torch.tensor([low + 1.0 if high == inf else 0.5 * (low + high)], dtype=torch.float64)
        (right, steep), (left, turned) = ((line.activation.value(y), line.activation.derivative(y)) for y in (x, -x))
        even, odd, by_even, by_odd = right + left, right - left, steep - turned, steep + turned
        found.append(torch.cat([even - by_even * x, by_even, odd - by_odd * x, by_odd]) * 0.5)
    pieces = torch.stack(found)
    # Of rows of small norm all depends on what σ is at 0.
    pieces[0, 0], pieces[0, 2] = line.activation.value(torch.zeros(1, dtype=torch.float64))[0], 0.0
    return pieces
