"""Duals by quadrature, and by tables of it where there are many pairs.

A pair at the correlation ±cos ψ, with w∓ = ½E[(X ∓ X')²] of its rows at ρ = ±1 (see `line`), R and G (see `patch`), has
    slope = κκ'R,      1 − ρ_σ = w₋ ± κκ' gap G,      1 + ρ_σ = w₊ ∓ κκ' gap G,      κ = √q √E[σ'²]/√E[σ²].
Where a table does not pay, or there is none, 1 ∓ ρ_σ and E[σ'σ'] are integrated for each pair (see `correlation`).
"""

from __future__ import annotations

from itertools import pairwise
from math import ceil
from typing import TYPE_CHECKING, NamedTuple

import torch

from ntk_engine.activations import formulas as f
from ntk_engine.activations.base import After, Dual
from ntk_engine.activations.chebyshev import Interval
from ntk_engine.activations.patch import Patch, root_of, tau
from ntk_engine.activations.tabulate import cost, degree, tabulate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from ntk_engine.activations.line import Line

# The width in τ of what one patch covers, in either row.
_WIDTH = 1.0
# Rows whose roots are this near to one another are one.
_SAME = 1e-15
# Angles below this are as good as 0, for the steepest activations too.
_LEAST_ANGLE = 1e-24
# Rows that are computed at a time.
_ROWS = 2**12
# What a row brings before its coordinates: √E[σ²], √q, κ, |X_e|², |X_o|².
_FIXED = 5


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


class Table(Dual):
    """The dual of an activation that is known by its values."""

    def __init__(self, line: Line, least: float, most: float, error: float, *, nonnegative: bool) -> None:
        self.error = error
        self.nonnegative = nonnegative
        self._line = line
        self._most = most
        self._patches: dict[tuple[int, int], Patch | None] = {}
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
            bases.append(directions[size > 1e-17].mT)
        return bases

    def correlate(self, a: Sequence[Tensor], b: Sequence[Tensor], rho: Tensor, gap: Tensor) -> After:
        """The correlation after the activation, from tables or pair by pair."""
        psi = f.angle(f.sqrt(gap * (2.0 - gap)), 1.0 - gap)
        turned = rho < 0.0
        pairs = _Pairs(*(item.expand_as(rho).flatten() for item in (a[1], b[1], a[0], b[0], psi, turned)))
        r, g, alone = self._looked_up(pairs)
        near, far = self._apart(a, b, turned)
        kappa = a[2] * b[2]
        moved = kappa * gap * f.where(turned, -g.view_as(rho), g.view_as(rho))
        found = [near + moved, far - moved, kappa * r.view_as(rho)]
        if alone is not None:
            integrated = self._integrated(pairs.some(alone))
            found = [x.flatten().index_copy(0, alone, y).view_as(rho) for x, y in zip(found, integrated, strict=True)]
        below, above, slope = found
        positive = below < above
        after = f.where(positive, below, above).clamp_min(0.0)
        return After(f.where(positive, 1.0 - after, after - 1.0), after, slope)

    def _apart(self, a: Sequence[Tensor], b: Sequence[Tensor], turned: Tensor) -> tuple[Tensor, Tensor]:
        """½E[(X − X')²] and ½E[(X + X')²] at ρ = 1, or −1 where `turned`."""
        even = odd = turned * 0.0
        count = self._coordinates[0].shape[1] if self._coordinates else 0
        for c, d in zip(a[_FIXED : _FIXED + count], b[_FIXED : _FIXED + count], strict=True):
            even = even + (c - d).square()
        for c, d in zip(a[_FIXED + count :], b[_FIXED + count :], strict=True):
            odd = odd + (c - d).square()
        opposite_even = 2.0 * (a[3] + b[3]) - even
        opposite_odd = 2.0 * (a[4] + b[4]) - odd
        return (
            0.5 * (even + f.where(turned, opposite_odd, odd)),
            0.5 * (opposite_even + f.where(turned, odd, opposite_odd)),
        )

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
        sides = self._sides[cell[0]], self._sides[cell[1]]
        if not self._tabulated or (pairs < cost(self._most, *sides) and not differentiated):
            return None
        if cell not in self._patches:
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
