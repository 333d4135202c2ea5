"""What a decomposition gives, and how one says that it gave up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True)
class Spectrum:
    """The m leading eigenpairs of K/N, for a symmetric K (N×N)."""

    eigenvalues: Tensor
    """λ (m), falling."""
    eigenvectors: Tensor | None
    """Orthonormal columns (N×m), each with its first large entry positive; None where not asked for."""
    residuals: Tensor | None
    """‖(K/N) v − λ v‖₂ (m): no eigenvalue is further from a true one than this. None without eigenvectors."""


class NotConvergedError(ArithmeticError):
    """The iteration spent its passes over K before the residuals fell to the tolerance; `residuals` holds the last."""

    def __init__(self, passes: int, tolerance: float, residuals: Tensor) -> None:
        super().__init__(
            f"after {passes} passes over the matrix the largest residual is {float(residuals.max()):.2e}, above "
            f"{tolerance:.2e} of the largest eigenvalue's magnitude; allow more passes or a larger tolerance"
        )
        self.passes = passes
        self.residuals = residuals


def with_signs(vectors: Tensor) -> Tensor:
    """The columns with signs that do not depend on how they were computed.

    The first entry of at least half the largest magnitude is made positive: the largest one itself may be a tie.
    """
    if vectors.numel() == 0:
        return vectors
    size = vectors.abs()
    first = (size >= 0.5 * size.amax(dim=0)).to(torch.uint8).argmax(dim=0)
    return vectors * vectors.gather(0, first[None, :]).sign()
