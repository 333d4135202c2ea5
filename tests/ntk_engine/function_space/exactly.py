"""The Gaussian f_t at 50 digits: mpmath, the printed formulas, and nothing in common with the engine."""

from collections.abc import Callable

import mpmath
import torch
from mpmath import mpf

from ntk_engine.function_space import Blocks

DIGITS = 50
Function = Callable[[mpf], mpf]


def matrix(x: torch.Tensor) -> mpmath.matrix:
    """A tensor of two axes, exactly."""
    return mpmath.matrix(x.tolist())


def furthest(found: torch.Tensor, exact: mpmath.matrix) -> float:
    """The largest difference of two matrices."""
    return max(abs(float(mpf(a) - b)) for a, b in zip(found.flatten().tolist(), exact, strict=True))


def largest(exact: mpmath.matrix) -> float:
    """The largest entry."""
    return max(abs(float(entry)) for entry in exact)


class Exact:
    """K/N = QΛQᵀ, with as many leading eigenvalues as are no null space."""

    def __init__(self, ntk: Blocks, nngp: Blocks, y: torch.Tensor, rank: int) -> None:
        n = len(y)
        rising, q = mpmath.eigsy(matrix(ntk.train) / n)
        self.values, self.null = list(rising), n - rank
        self.u, self.y, self.b = q, matrix(y), matrix(ntk.cross) * q / n
        self.c, self.s = q.T * self.y, q.T * matrix(nngp.train) * q
        self.between, self.prior = matrix(nngp.cross) * q, matrix(nngp.test)

    def _scaled(self, x: mpmath.matrix, function: Function, at_null: int) -> mpmath.matrix:
        factors = [mpf(at_null) if i < self.null else function(lam) for i, lam in enumerate(self.values)]
        return x * mpmath.diag(factors)

    def test(self, gain: Function) -> tuple[mpmath.matrix, mpmath.matrix]:
        """Mean and covariance on the test points, of gains that are 0 on the null space."""
        a = self._scaled(self.b, gain, 0)
        return a * self.c, self.prior - a * self.between.T - self.between * a.T + a * self.s * a.T

    def train(self, left: Function) -> tuple[mpmath.matrix, mpmath.matrix]:
        """Mean and covariance on the training points, of what is left, all of it on the null space."""
        d = self._scaled(self.u, left, 1)
        return self.y - d * self.c, d * self.s * d.T
