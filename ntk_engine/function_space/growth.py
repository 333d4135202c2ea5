"""What steps of descent make of errors: nothing more, below a learning rate, and otherwise a power of their growth.

With f = f_0 − Q e, K/N = QQᵀ, two descents of a convex cost differ by (Δe, Δw), and with a matrix M, 0 ≤ M ≤ ηλ_1L = h,

    Δw ← μ Δw − M Δe,     Δe ← Δe + Δw       (M = η QᵀHQ, H a mean of the cost's curvature, at most its steepness L)

In z = Δe + μ/(1 − μ) Δw and u = √μ/(1 − μ) Δw a direction in which M is the number m has, for g = m/(1 − μ), the matrix

    z ← (1 − g) z + g√μ u,     u ← −g√μ z + μ(1 + g) u

Its norm is convex in g and 1 at g = 0, so that none exceeds the larger of 1 and that of m = h; this holds for M that
change from step to step, as eigenvectors do not enter. It is at most 1 up to h = 2 (1 − μ)²/(1 + μ), 2 without
momentum. (√μ/(1 − μ) gives the largest such h of all weights of Δw.)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

__all__ = ["Errors", "Map"]


class Errors(NamedTuple):
    """Bounds on norms of errors."""

    moved: float = 0.0
    """Of (z, u)."""
    w: float = 0.0
    """Of η w, and"""
    total: float = 0.0
    """of its sum I, whatever K makes of it."""


@dataclass(frozen=True)
class Map:
    """A step, where the cost has some steepness L."""

    top: float
    """λ_1."""
    learning_rate: float
    momentum: float

    def growth(self, steepness: float) -> float:
        """By what a step may multiply errors: 1 or more."""
        mu, g = self.momentum, self.learning_rate * self.top * steepness / (1 - self.momentum)
        if g <= 2 * (1 - mu) / (1 + mu):
            return 1.0
        entries = (1 - g, g * mu**0.5, -g * mu**0.5, mu * (1 + g))
        squares = sum(entry * entry for entry in entries)
        determinant = entries[0] * entries[3] - entries[1] * entries[2]
        # The larger singular value of 2×2.
        largest: float = ((squares + max(squares**2 - 4 * determinant**2, 0.0) ** 0.5) / 2) ** 0.5
        return max(1.0, largest)

    def reach(self, errors: Errors) -> float:
        """A bound on ‖Δe‖: e = z − √μ u."""
        found: float = (1 + self.momentum) ** 0.5 * errors.moved
        return found

    def after(self, errors: Errors, steepness: float, wrong: float, summed: float) -> Errors:
        """Errors after a step in which ηw is off by `wrong`, and its sum by `summed` more (norms of N×k)."""
        mu, root = self.momentum, self.top**0.5
        added = root * (((1 + mu) ** 0.5 / (1 - mu)) * wrong + summed)
        w = mu * errors.w + self.learning_rate * steepness * root * self.reach(errors) + wrong
        return Errors(self.growth(steepness) * errors.moved + added, w, errors.total + w + summed)
