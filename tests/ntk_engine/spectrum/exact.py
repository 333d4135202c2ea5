"""Matrices that are hostile to bounds, and their eigenpairs to 50 digits."""

from dataclasses import dataclass
from math import pi

import mpmath
import torch

from ntk_engine import infinite
from ntk_engine.architecture import mlp

DIGITS = 50


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def spread(values: list[float], seed: int = 0) -> torch.Tensor:
    """N times a symmetric matrix with about these eigenvalues."""
    v = torch.linalg.qr(draw(len(values), len(values), seed=seed)).Q
    k = len(values) * (v * torch.tensor(values, dtype=torch.float64)) @ v.mT
    return (k + k.mT) / 2


def circle(n: int) -> torch.Tensor:
    angles = torch.arange(n, dtype=torch.float64) * (2 * pi / n)
    k = infinite.kernel(mlp(3), torch.stack([angles.cos(), angles.sin()], dim=1)).ntk
    # Circulant to the last bit, so that its pairs are pairs.
    turns = (torch.arange(n)[:, None] - torch.arange(n)).abs()
    return k[0][torch.minimum(turns, n - turns)]


def twice(n: int) -> torch.Tensor:
    """Half of the rows are those of the other half."""
    x = torch.cat([draw(n // 2, 3, seed=2)] * 2)
    return infinite.kernel(mlp(3), x).ntk


MATRICES = {
    "random": (lambda g: g @ g.mT)(draw(14, 20, seed=1)),
    "repeated rows": twice(16),
    "circle": circle(12),
    "steep": spread([10.0**-i for i in range(16)]),
    "near pairs": spread([1.0, 1 - 1e-9, 0.5, 0.5 - 1e-9, 0.25, 0.1, 0.1 + 1e-9, 1e-2, 1e-3, 1e-3 - 1e-9, 1e-4, 1e-5]),
    "both signs": spread([3.0, 1.0, 0.3, 0.1, 1e-3, 1e-9, -1e-9, -1e-3, -0.2, -2.0]),
    "tiny": 1e-120 * (lambda g: g @ g.mT)(draw(12, 15, seed=3)),
    "one by one": torch.full((1, 1), 3.0, dtype=torch.float64),
}


@dataclass(frozen=True)
class Exact:
    """All eigenpairs of k/N for the numbers as they are, falling."""

    values: list[mpmath.mpf]
    vectors: mpmath.matrix

    @classmethod
    def of(cls, k: torch.Tensor) -> "Exact":
        with mpmath.workdps(DIGITS):
            values, vectors = mpmath.eigsy(mpmath.matrix(k.tolist()))
            n = len(k)
            order = sorted(range(n), key=lambda i: -values[i])
            columns = mpmath.matrix(n, n)
            for to, of in enumerate(order):
                for row in range(n):
                    columns[row, to] = vectors[row, of]
            return cls([values[i] / n for i in order], columns)

    def onto(self, at: slice, v: mpmath.matrix) -> mpmath.matrix:
        """P v, P onto the space of the eigenvectors of these numbers."""
        space = self.vectors[:, at.start : at.stop]
        return space * (space.T * v)

    def nearest(self, at: slice, v: mpmath.matrix) -> mpmath.matrix:
        """The vector of norm 1 in that space that is nearest to v."""
        inside = self.onto(at, v)
        return inside / mpmath.norm(inside)


def column(values: torch.Tensor) -> mpmath.matrix:
    return mpmath.matrix(values.tolist())
