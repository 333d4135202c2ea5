"""What is computed once for every input row: an exactly scaled copy, its length, and the root of its first variance."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor

    from ntk_engine.architecture import Architecture

DTYPES = (torch.float64, torch.float32)


@dataclass(frozen=True, slots=True)
class Rows:
    """n inputs, prepared; `rows[a:b]` are views of some of them."""

    scaled: Tensor
    """x times a power of two of each row (n×d): exact, and its largest entry is in [1, 2), or 0."""
    inverse: Tensor
    """1/‖scaled row‖ (n), and 0 for a zero row."""
    root: Tensor
    """σ_w ‖x‖/√n_0 (n): the root of the first layer's variance before its bias."""

    def __len__(self) -> int:
        return self.scaled.shape[0]

    def __getitem__(self, some: slice) -> Rows:
        return Rows(self.scaled[some], self.inverse[some], self.root[some])


def rows(arch: Architecture, x: Tensor) -> Rows:
    """Prepare inputs x (n×d, float64 or float32, any device), for `tile`.

    Raises ValueError if x is no matrix, is empty, has another dtype, or entries that are not finite.
    """
    if x.ndim != 2 or x.numel() == 0 or x.dtype not in DTYPES:
        raise ValueError(
            f"inputs must be a non-empty n×d matrix of float64 or float32, not {tuple(x.shape)} of {x.dtype}"
        )
    largest = x.abs().amax(dim=1)
    if not bool(largest.isfinite().all()):
        raise ValueError("inputs must be finite")
    # 2^e of the largest entry: squares of the scaled rows neither overflow nor underflow, whatever the norm.
    scale = torch.where(largest > 0, largest / largest.frexp().mantissa / 2, torch.ones_like(largest))
    scaled = x / scale[:, None]
    length = torch.linalg.vector_norm(scaled, dim=1)
    inverse = torch.where(length > 0, length.reciprocal(), torch.zeros_like(length))
    return Rows(scaled, inverse, length * (arch.sigma_w / sqrt(x.shape[1])) * scale)
