"""What an iteration for the leading eigenpairs knows of its matrix: a basis, its image, and the Ritz pairs on it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from ntk_engine.spectrum.beneath import Beneath
from ntk_engine.spectrum.result import orthogonality

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Basis", "beside", "orthogonal"]


@dataclass
class Basis:
    """An orthonormal V (n×m), its image KV, and the Ritz pairs of K on it, largest first."""

    vectors: Tensor
    images: Tensor
    values: Tensor
    """Ritz values (m), and"""
    rotation: Tensor
    """Ritz vectors in terms of V (m×m)."""

    @classmethod
    def spanned_by(cls, vectors: Tensor, images: Tensor) -> Basis:
        """Of V and KV."""
        projected = vectors.mT @ images
        values, rotation = torch.linalg.eigh((projected + projected.mT) / 2)
        return cls(vectors, images, values.flip(0), rotation.flip(1))

    def leading(self, m: int) -> Basis:
        """The span of the m leading Ritz vectors alone."""
        turn = self.rotation[:, :m]
        identity = torch.eye(turn.shape[1], dtype=turn.dtype, device=turn.device)
        return Basis(self.vectors @ turn, self.images @ turn, self.values[:m], identity)

    def rests(self, k: int) -> Tensor:
        """Kv − λv of the k leading Ritz pairs (n×k)."""
        turn = self.rotation[:, :k]
        return self.images @ turn - (self.vectors @ turn) * self.values[:k]

    def residuals(self, k: int) -> Tensor:
        """Their norms (k)."""
        norms: Tensor = torch.linalg.vector_norm(self.rests(k), dim=0)
        return norms

    @property
    def rounding(self) -> float:
        """What a product with K may add to a vector of norm 1 at worst."""
        eps = torch.finfo(self.vectors.dtype).eps
        return len(self.vectors) * eps * float(self.values.abs().max())

    def beneath(self, k: int, unit: float, rest: float) -> Beneath:
        """What is known of the matrix beside the k leading Ritz pairs; its eigenvalues are counted in `unit`.

        rest: what none of those of C is above, in units of K here.
        """
        n, m = self.vectors.shape
        moved = 10 * orthogonality(self.vectors) * float(self.values.abs().max()) + math.sqrt(m) * self.rounding
        return Beneath(
            later=self.values[k:] * unit,
            couplings=torch.linalg.qr(self.rests(m)[:, k:], mode="r").R * unit,
            rounding=moved * unit,
            rest=-math.inf if m == n else rest * unit,
        )


def orthogonal(image: Tensor, basis: Basis) -> Tensor:
    """An orthonormal basis of what the newest image adds to the space, without directions that are rounding only."""
    directions, sizes, _ = torch.linalg.svd(beside(image, basis), full_matrices=False)
    block: Tensor = directions[:, sizes > 4 * torch.finfo(image.dtype).eps * basis.values.abs().max()]
    for _ in range(2):
        block = beside(block, basis)
        block = torch.linalg.qr(block).Q
    return block


def beside(block: Tensor, basis: Basis) -> Tensor:
    """The part orthogonal to the basis; twice, as the first pass leaves what its own rounding made."""
    for _ in range(2):
        block = block - basis.vectors @ (basis.vectors.mT @ block)
    return block
