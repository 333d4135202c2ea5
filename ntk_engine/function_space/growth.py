"""What steps of descent make of errors where none of them can make them grow.

With f = f_0 − Q e, K/N = QQᵀ, two descents of a convex cost differ by (Δe, Δw), and with a matrix M, 0 ≤ M ≤ ηλ_1L = h,

    Δw ← μ Δw − M Δe,     Δe ← Δe + Δw       (M = η QᵀHQ, H a mean of the cost's curvature, at most its steepness L)

In z = Δe + μ/(1 − μ) Δw and u = √μ/(1 − μ) Δw a direction in which M is the number m has, for g = m/(1 − μ), the matrix

    z ← (1 − g) z + g√μ u,     u ← −g√μ z + μ(1 + g) u

Its norm is convex in g and 1 at g = 0, so that none exceeds 1 where that of m = h does not; this holds for M that
change from step to step, as eigenvectors do not enter. It is at most 1 up to h = 2 (1 − μ)²/(1 + μ), 2 without
momentum. No other weights of z and u, nor any other quadratic form, have a larger such h: the circle criterion for
0 ≤ M ≤ h, 1/h + Re z/((z − 1)(z − μ)) > 0 on |z| = 1, ends there, at z = 1. What is beyond, `probes` follows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Contraction", "Step", "edge"]


class Step(NamedTuple):
    """What a step of descent has errors from."""

    f: Tensor
    """f at its beginning (N×k),"""
    y: Tensor
    """and the targets that d was taken for (N×k)."""
    steepness: float
    """Of the cost, there."""
    wrong: float
    """The norm of what its own rounding adds to w (N×k)."""


def edge(momentum: float) -> float:
    """The largest ηλ_1L of which errors do not grow, whatever the curvatures: 2 (1 − μ)²/(1 + μ)."""
    return 2 * (1 - momentum) ** 2 / (1 + momentum)


@dataclass
class Contraction:
    """Bounds on errors that add up, of steps with ηλ_1L ≤ `edge`."""

    top: float
    """λ_1."""
    learning_rate: float
    momentum: float
    longest: float
    """‖q‖ of the longest row of Q, those of other points included,"""
    beyond: float = 0.0
    """and of what their rows of κ/N have beside Q."""
    moved: float = 0.0
    """On the norm of (z, u),"""
    w: float = 0.0
    """of Δw = η times that of w, and"""
    total: float = 0.0
    """of I's, whatever K makes of it."""

    @property
    def reach(self) -> float:
        """A bound on ‖Δe‖: e = z − √μ u."""
        found: float = (1 + self.momentum) ** 0.5 * self.moved
        return found

    def after(self, step: Step) -> None:
        """A step more."""
        mu, root, wrong = self.momentum, self.top**0.5, self.learning_rate * step.wrong
        self.w = mu * self.w + self.learning_rate * step.steepness * root * self.reach + wrong
        self.moved += root * (1 + mu) ** 0.5 / (1 - mu) * wrong
        self.total += self.w

    def furthest(self) -> float:
        """A bound on what they come to in any value of f."""
        return self.longest * self.reach + self.beyond * self.total
