"""Chebyshev interpolation on intervals."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from torch import Tensor


# Extended precision: errors of the nodes and of the transform add up where all polynomials are 1, at the ends.
_QUARTER = np.arctan(np.longdouble(1)) * 2


@lru_cache(64)
def points(n: int) -> Tensor:
    """The n zeros of T_n in [−1, 1], in rising order."""
    return torch.from_numpy(np.sin((2 * np.arange(n) - (n - 1)) * _QUARTER / n).astype(np.float64))


@lru_cache(64)
def transform(n: int) -> Tensor:
    """The matrix from values at `points(n)` to coefficients of T_0 … T_{n−1} (n×n)."""
    k, j = np.arange(n)[:, None], np.arange(n)
    # T_k(cos φ) = cos kφ.
    matrix = np.cos(k * (2 * (n - j) - 1) * _QUARTER / n) * 2 / n
    matrix[0] /= 2
    return torch.from_numpy(matrix.astype(np.float64))


def basis(x: Tensor, n: int) -> Tensor:
    """T_0(x) … T_{n−1}(x), in a new first dimension."""
    terms = [torch.ones_like(x), x]
    for _ in range(2, n):
        terms.append(2.0 * x * terms[-1] - terms[-2])
    return torch.stack(terms[:n])


class Interval:
    """[low, high], mapped to [−1, 1]; it may be a point."""

    def __init__(self, low: float, high: float) -> None:
        self.low = low
        self.high = high

    @property
    def width(self) -> float:
        """high − low."""
        return self.high - self.low

    def points(self, n: int) -> Tensor:
        """n Chebyshev points of the interval."""
        return self.low + self.width * 0.5 * (points(n) + 1.0)

    def to_unit(self, value: Tensor) -> Tensor:
        """Where values lie in [−1, 1]; 0 in an interval that is a point."""
        return ((value - self.low) * (2.0 / self.width) - 1.0) if self.width > 0.0 else value * 0.0

    def halves(self) -> tuple[Interval, Interval]:
        """The two halves."""
        middle = 0.5 * (self.low + self.high)
        return Interval(self.low, middle), Interval(middle, self.high)
