"""All eigenpairs of a matrix that is held as a whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from ntk_engine.spectrum.result import of_pairs, of_values

if TYPE_CHECKING:
    from torch import Tensor

    from ntk_engine.spectrum.result import Spectrum


def eigh(k: Tensor, *, vectors: bool = True) -> Spectrum:
    """Every eigenvalue of k/N for a symmetric k (N×N), and its eigenvectors and residuals unless `vectors` is false.

    Reads one triangle. O(N³) operations and about three times k's memory with vectors. Raises ValueError if k is not
    square, is empty, or has entries that are not finite.
    """
    checked(k)
    n = k.shape[0]
    if not vectors:
        return of_values(torch.linalg.eigvalsh(k).flip(0) / n, n)
    values, basis = torch.linalg.eigh(k)
    basis = basis.flip(1)
    return of_pairs(values.flip(0) / n, basis, (k @ basis).div_(n))


def checked(k: Tensor) -> None:
    """Raises ValueError if k is not a square matrix with at least one row and finite entries only."""
    if k.ndim != 2 or k.shape[0] != k.shape[1] or k.shape[0] == 0:
        raise ValueError(f"a spectrum is of a square matrix with at least one row, not of shape {tuple(k.shape)}")
    if not bool(k.isfinite().all()):
        raise ValueError("a spectrum needs finite entries")
