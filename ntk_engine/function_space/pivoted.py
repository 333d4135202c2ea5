"""A kernel matrix by few of its columns: randomly pivoted Cholesky (Chen, Epperly, Tropp, Webber, 2023), in blocks."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import torch

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Preconditioner", "pivoted"]

Columns = Callable[["Tensor"], "Tensor"]
"""From numbers of inputs to their columns of K, N×b."""

_BLOCK = 64


class Preconditioner(NamedTuple):
    """(F Fᵀ + μ)⁻¹ for the part F Fᵀ of K that was found, and a guess μ at the size of the rest."""

    basis: Tensor
    """Orthonormal columns that span F's, N×m."""
    weights: Tensor
    """What each takes off 1/μ: σ²/(μ (σ² + μ)), for F's singular values σ (m)."""
    rest: float
    """μ."""

    def apply(self, v: Tensor) -> Tensor:
        """Of v (N×k)."""
        return v / self.rest - self.basis @ (self.weights[:, None] * (self.basis.mT @ v))


def pivoted(diagonal: Tensor, columns: Columns, rank: int, shift: float, seed: int = 0) -> Preconditioner:
    """For K + shift, from K's diagonal (N) and at most `rank` of its columns, drawn by what is left of the diagonal.

    O(N rank²), N×rank numbers thrice. It ends before where nothing but rounding is left.
    """
    left, n = diagonal.clone(), len(diagonal)
    generator = torch.Generator().manual_seed(seed)
    factor = diagonal.new_empty(n, 0)
    floor = n * torch.finfo(diagonal.dtype).eps * float(diagonal.max())
    while factor.shape[1] < rank and float(left.max()) > floor:
        count = min(_BLOCK, rank - factor.shape[1])
        chances = (left.clamp_min(0.0) / left.max()).cpu()
        drawn = torch.multinomial(chances, count, replacement=True, generator=generator)
        pivots = torch.unique(drawn).to(left.device)
        rest = columns(pivots) - factor @ factor[pivots].mT
        # Pivots that are nearly equal leave little of one another.
        values, vectors = torch.linalg.eigh(rest[pivots])
        some = values > 1e-10 * values.abs().max()
        factor = torch.cat([factor, rest @ (vectors[:, some] / values[some].sqrt())], dim=1)
        left = diagonal - factor.square().sum(dim=1)
    return _from(factor, shift + max(float(left.clamp_min(0.0).mean()), floor / n))


def _from(factor: Tensor, rest: float) -> Preconditioner:
    squares, vectors = torch.linalg.eigh(factor.mT @ factor)
    some = squares > len(squares) * torch.finfo(squares.dtype).eps * squares.abs().max()
    squares, vectors = squares[some], vectors[:, some]
    return Preconditioner(factor @ (vectors / squares.sqrt()), squares / (rest * (squares + rest)), rest)
