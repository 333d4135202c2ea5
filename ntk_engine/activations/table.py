"""Duals by quadrature, and by tables of it where there are many pairs.

A pair at the correlation ±cos ψ, with w∓ = ½E[(X ∓ X')²] of its rows at ρ = ±1 (see `line`), R and G (see `patch`), has
    slope = κκ'R,      1 − ρ_σ = w₋ ± κκ' gap G,      1 + ρ_σ = w₊ ∓ κκ' gap G,      κ = √q √E[σ'²]/√E[σ²].
Where a table does not pay, or there is none, 1 ∓ ρ_σ and E[σ'σ'] are integrated for each pair (see `correlation`).
"""

from __future__ import annotations

from itertools import pairwise
from math import ceil, sqrt
from typing import TYPE_CHECKING, NamedTuple

import torch

from ntk_engine.activations import formulas as f
from ntk_engine.activations.base import After, Dual
from ntk_engine.activations.chebyshev import Interval
from ntk_engine.activations.patch import Patch, root_of, tau
from ntk_engine.activations.tabulate import cost, degree, tabulate
from ntk_engine.activations.unfolded import Pieces, unfold

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from torch import Tensor

    from ntk_engine.activations.line import Line
    from ntk_engine.activations.unfolded import Unfolded

# The width in τ of what one patch covers, in either row.
_WIDTH = 1.0
# Rows whose roots are this near to one another are one.
_SAME = 1e-15
# Angles below this are as good as 0, for the steepest activations too.
_LEAST_ANGLE = 1e-24
# A direction in which rows, of unit length, have less than this, in the mean, is rounding.
_ROUNDING = 1e-16
# Rows that are computed at a time.
_ROWS = 2**12
# What a row brings before its coordinates: √E[σ²], √q, κ, |X_e|², |X_o|².
FIXED = 5


class _Pairs(NamedTuple):
    """N pairs: their roots, √E[σ²], angles ψ, and where the correlation is −cos ψ."""

    a: Tensor
    b: Tensor
    scale_a: Tensor
    scale_b: Tensor
    psi: Tensor
    turned: Tensor

    def some(self, index: Tensor) -> _Pairs:
        """Those of these indices."""
        return _Pairs(*(item[index] for item in self))


def combine(
    a: Sequence[Tensor], b: Sequence[Tensor], found: Sequence[Tensor], rho: Tensor, gap: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """1 − ρ_σ, 1 + ρ_σ and the slope, from |X_e − X_e'|², |X_o − X_o'|², R and G."""
    even, odd, r, g = found
    turned = rho < 0.0
    opposite_even = 2.0 * (a[3] + b[3]) - even
    opposite_odd = 2.0 * (a[4] + b[4]) - odd
    near = 0.5 * (even + f.where(turned, opposite_odd, odd))
    far = 0.5 * (opposite_even + f.where(turned, odd, opposite_odd))
    kappa = a[2] * b[2]
    moved = kappa * gap * f.where(turned, -g, g)
    return near + moved, far - moved, kappa * r


def nearest(below: Tensor, above: Tensor, slope: Tensor) -> After:
    """The correlation, by the smaller of 1 − ρ_σ and 1 + ρ_σ; rounding may have made that negative."""
    positive = below < above
    after = f.where(positive, below, above)
    after = f.where(after < 0.0, abs(after) * 0.0, after)
    return After(f.where(positive, 1.0 - after, after - 1.0), after, slope)


class Table(Dual):
    """The dual of an activation that is known by its values."""

    def __init__(self, line: Line, least: float, most: float, error: float, *, nonnegative: bool) -> None:
        self.error = error
        self.nonnegative = nonnegative
        self._line = line
        self._most = most
        self._patches: dict[tuple[int, int], Patch | None] = {}
        self._unfoldings: dict[tuple[int, int], Unfolded] = {}
        low, high = (float(tau(torch.tensor(root, dtype=torch.float64))) for root in (least, most))
        same = most - least <= _SAME * most
        count = 1 if same else ceil((high - low) / _WIDTH)
        edges = torch.linspace(low, high, count + 1, dtype=torch.float64)
        self._inner = edges[1:-1]
        self._sides = [Interval(a, a if same else b) for a, b in pairwise(edges.tolist())]
        self._tabulated = same or set(line.activation.kinks) <= {0.0}
        self._coordinates = self._bases() if self._tabulated and not same else []

    def rows(self, root: Tensor) -> list[Tensor]:
        """√E[σ²], √q, κ, |X_e|² and |X_o|², then what X_e and X_o have in directions in which rows differ."""
        flat = torch.cat([self._rows(part) for part in torch.split(root.double().flatten(), _ROWS)])
        return [item.reshape(root.shape) for item in flat.unbind(-1)]

    def _rows(self, root: Tensor) -> Tensor:
        row = self._line.rows(root)
        kappa = root / row.scale.masked_fill(row.scale == 0.0, 1.0) * row.slope
        squares = [item.square().sum(-1) for item in (row.even, row.odd)]
        fixed = torch.stack([row.scale, root, kappa, *squares], -1)
        coordinates = [x @ base.to(x) for x, base in zip((row.even, row.odd), self._coordinates, strict=False)]
        return torch.cat([fixed, *coordinates], -1)

    def _bases(self) -> list[Tensor]:
        """Orthonormal bases of what X_e and X_o of all rows span, to rounding: M×r."""
        roots = torch.cat([root_of(side.points(2 * degree(side.width))) for side in self._sides])
        row = self._line.rows(roots)
        bases = []
        for x in (row.even, row.odd):
            _, size, directions = torch.linalg.svd(x, full_matrices=False)
            bases.append(directions[size > _ROUNDING * sqrt(len(x))].mT)
        return bases

    def correlate(self, a: Sequence[Tensor], b: Sequence[Tensor], rho: Tensor, gap: Tensor) -> After:
        """The correlation after the activation, from tables or pair by pair."""
        psi = f.angle(f.sqrt(gap * (2.0 - gap)), 1.0 - gap)
        turned = rho < 0.0
        pairs = _Pairs(*(item.expand_as(rho).flatten() for item in (a[1], b[1], a[0], b[0], psi, turned)))
        r, g, alone = self._looked_up(pairs)
        found = list(combine(a, b, (*self._apart(a, b, rho), r.view_as(rho), g.view_as(rho)), rho, gap))
        if alone is not None:
            integrated = self._integrated(pairs.some(alone))
            found = [x.flatten().index_copy(0, alone, y).view_as(rho) for x, y in zip(found, integrated, strict=True)]
        return nearest(*found)

    def pieces(self, a: Tensor, b: Tensor) -> Pieces | None:
        """What the pairs of rows with roots √q in a (n) and in b (n') look up; None where that does not pay, or a pair
        is in no patch."""
        (place_a, cell_a), (place_b, cell_b) = self._places(a), self._places(b)
        met = [(i, j) for i in set(cell_a.tolist()) for j in set(cell_b.tolist())]
        wanted = {(min(cell), max(cell)) for cell in met}
        if not self._pays(wanted, len(a) * len(b)) or any(self._made(cell) is None for cell in wanted):
            return None
        count = self._coordinates[0].shape[1] if self._coordinates else 0
        coordinates = count, sum(base.shape[1] for base in self._coordinates) - count
        of = {cell: self._unfolded(cell) for cell in met}
        return Pieces(place_a, cell_a, place_b, cell_b, coordinates, len(self._sides), of)

    def _places(self, root: Tensor) -> tuple[Tensor, Tensor]:
        """Where in [−1, 1] the τ of rows lies in its interval, and which that is."""
        value = tau(root)
        cell = torch.bucketize(value, self._inner)
        places = torch.stack([side.to_unit(value) for side in self._sides])
        return places.gather(0, cell[None])[0], cell

    def _pays(self, cells: Iterable[tuple[int, int]], pairs: int) -> bool:
        """Whether so many pairs are worth the patches of these cells."""
        return self._tabulated and pairs >= sum(
            cost(self._most, *(self._sides[side] for side in cell)) for cell in cells
        )

    def _unfolded(self, cell: tuple[int, int]) -> Unfolded:
        if cell not in self._unfoldings:
            patch = self._made((min(cell), max(cell)))
            assert patch is not None, "whoever asks has looked"
            self._unfoldings[cell] = unfold(patch, swapped=cell[0] > cell[1])
        return self._unfoldings[cell]

    def _apart(self, a: Sequence[Tensor], b: Sequence[Tensor], rho: Tensor) -> tuple[Tensor, Tensor]:
        """|X_e − X_e'|² and |X_o − X_o'|²."""
        even = odd = rho * 0.0
        count = self._coordinates[0].shape[1] if self._coordinates else 0
        for c, d in zip(a[FIXED : FIXED + count], b[FIXED : FIXED + count], strict=True):
            even = even + (c - d).square()
        for c, d in zip(a[FIXED + count :], b[FIXED + count :], strict=True):
            odd = odd + (c - d).square()
        return even, odd

    def _looked_up(self, pairs: _Pairs) -> tuple[Tensor, Tensor, Tensor | None]:
        """R and G of N pairs, 0 where no patch has them, and the indices of the pairs left out."""
        a, b = tau(pairs.a), tau(pairs.b)
        i, j = (torch.bucketize(item.detach(), self._inner.to(item)) for item in (a, b))
        a, b = a.where(i <= j, b), b.where(i <= j, a)
        cell = torch.minimum(i, j) * len(self._sides) + torch.maximum(i, j)
        values, order, alone = [], [], []
        for index in torch.bincount(cell).nonzero().flatten().tolist():
            some = (cell == index).nonzero().squeeze(-1)
            patch = self._patch(divmod(index, len(self._sides)), len(some), pairs.psi.requires_grad or a.requires_grad)
            if patch is None:
                alone.append(some)
            else:
                order.append(some)
                values.append(torch.stack(patch.evaluate(a[some], b[some], pairs.psi[some], pairs.turned[some])))
        found = torch.zeros_like(pairs.psi).expand(2, -1)
        if order:
            found = found.scatter(1, torch.cat(order).expand(2, -1), torch.cat(values, 1))
        return found[0], found[1], torch.cat(alone) if alone else None

    def _patch(self, cell: tuple[int, int], pairs: int, differentiated: bool) -> Patch | None:
        """The patch for some pairs, made when first wanted. What is used does not depend on what was used before."""
        if not self._tabulated or not (differentiated or self._pays([cell], pairs)):
            return None
        return self._made(cell)

    def _made(self, cell: tuple[int, int]) -> Patch | None:
        if cell not in self._patches:
            sides = self._sides[cell[0]], self._sides[cell[1]]
            self._patches[cell] = patch = tabulate(self._line, *sides)
            self.error = max(self.error, patch.error if patch is not None else 0.0)
        return self._patches[cell]

    def _integrated(self, pairs: _Pairs) -> tuple[Tensor, Tensor, Tensor]:
        """1 − ρ_σ, 1 + ρ_σ and the slope of pairs, one by one."""
        root, scale = torch.stack([pairs.a, pairs.b], -1), torch.stack([pairs.scale_a, pairs.scale_b], -1)
        scale = scale.masked_fill(scale == 0.0, 1.0)
        below, above, product = self._line.correlated.pairs(
            root.clamp_min(1e-200), scale, pairs.psi.clamp_min(_LEAST_ANGLE), pairs.turned, self._line.rule
        )
        return below, above, product * (root / scale).prod(-1)
