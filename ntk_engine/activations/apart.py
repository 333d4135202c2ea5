"""How far rows of different norm are apart, as polynomials: for rows whose roots lie in a narrow range.

At ρ = 1 rows of roots √q, √q' keep a gap w that vanishes where they are equal, and as the square of their difference.
With u = s (√q − m)/(√q + m), m the geometric mean of the range's ends and s such that u is in [−1, 1],
    w = (u − u')² Σ_{i,j<4} c_ij(u) u'^i v'^j,     v = T_4(u) = 8u⁴ − 8u² + 1,
where the sum is a smooth function of both, interpolated at Chebyshev points; in v, unlike in powers up to u'^15, what
rounding leaves stays small. A row brings u in two words, u², v and the c_ij. The points of u and those of u' lie
between one another, so that no quotient w/(u − u')² is of digits that cancelled.
"""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING

import numpy as np
import torch

from ntk_engine.activations.chebyshev import basis, points, transform
from ntk_engine.activations.double_word import settled

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

    from ntk_engine.activations.double_word import Double

    # From roots (n) and roots (m), w (n×m).
    Gap = Callable[[Tensor, Tensor], Tensor]

# Coefficients that a row brings, and the points of the other row.
TERMS = 16
# Of a wider range the interpolation needs more terms; of a narrower one points cannot be told apart.
_WIDEST, _NARROWEST = 3.0, 1.0 + 1e-9
# What the angle √(2w) may miss, in units of the last digit of 1.
_ROUNDINGS = 64


class Apart:
    """w on a range of roots."""

    def __init__(self, least: float, most: float, gap: Gap) -> None:
        self._mean = sqrt(least) * sqrt(most)
        self._scale = (most + self._mean) / (most - self._mean)
        one, other = points(TERMS - 1), _extremes(TERMS)
        quotient = gap(self._root(one), self._root(other)) / (one[:, None] - other).square()
        # Chebyshev coefficients in u, those of the terms in u'.
        self._coefficients = transform(TERMS - 1) @ quotient @ _to_terms()
        self.error = self._misses(gap)
        """By how much √(2w) is missed at points between, at most."""

    def _root(self, u: Tensor) -> Tensor:
        return self._mean * (self._scale + u) / (self._scale - u)

    def rows(self, root: Tensor, exact: Double | None = None) -> list[Tensor]:
        """u, u², v, the c_ij and what rounding took from u, each of the shape of `root`; exact: the root."""
        u, rest = (root - self._mean) / (root + self._mean) * self._scale, root * 0.0
        if exact is not None:
            u, rest = settled(u, (exact - self._mean) / (exact + self._mean) * self._scale)
        terms = basis(u.flatten(), TERMS - 1).mT @ self._coefficients.to(u)
        return [*_powers(u), *(item.view_as(u) for item in terms.unbind(-1)), rest]

    def _misses(self, gap: Gap) -> float:
        root = self._root(torch.linspace(-1.0, 1.0, 4 * TERMS + 3, dtype=torch.float64))
        a, b = ([item[where] for item in self.rows(root)] for where in (np.s_[:, None], np.s_[None, :]))
        found, exact = apart(a, b), gap(root, root)
        return float(((2.0 * found.clamp_min(0.0)).sqrt() - (2.0 * exact).sqrt()).abs().max())


def on_range(least: float, most: float, gap: Gap) -> Apart | None:
    """w on [least, most], or None where polynomials would not be exact."""
    if not (least > 0.0 and _NARROWEST * least < most < _WIDEST * least):
        return None
    result = Apart(least, most, gap)
    return result if result.error <= _ROUNDINGS * torch.finfo(torch.float64).eps else None


def apart(a: Sequence[Tensor], b: Sequence[Tensor]) -> Tensor:
    """w, from what `Apart.rows` gives for both sides."""
    u, square, quartic = b[:3]
    difference: Tensor = (a[0] - u) + (a[TERMS + 3] - b[TERMS + 3])
    total: Tensor = difference * 0.0
    for k in range(TERMS - 1, 0, -4):  # the first coefficient is the fourth number
        c0, c1, c2, c3 = a[k : k + 4]
        total = total * quartic + ((c0 + c1 * u) + (c2 + c3 * u) * square)
    result: Tensor = difference * difference * total
    return result


def _extremes(n: int) -> Tensor:
    """The n points where T_{n−1} is ±1, in rising order."""
    return torch.from_numpy(-np.cos(np.arange(n) * (np.pi / (n - 1))))


def _powers(u: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    square = u * u
    return u, square, (square - 1.0) * square * 8.0 + 1.0


def _to_terms() -> Tensor:
    """The matrix from values at `_extremes(TERMS)` to coefficients of the terms (from the right)."""
    u, _, quartic = _powers(_extremes(TERMS))
    values = torch.stack([u**i * quartic**j for j in range(TERMS // 4) for i in range(4)], 1)
    inverse: Tensor = torch.linalg.inv(values)
    return inverse.mT.contiguous()
