"""Means and standard errors of samples that come in batches (Welford; Chan, Golub, LeVeque, 1979)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Moments"]


@dataclass
class Moments:
    """What is known of the samples so far."""

    count: int
    mean: Tensor
    squares: Tensor
    """Σ (sample − mean)²."""

    @staticmethod
    def none(like: Tensor) -> Moments:
        """No samples yet, of the shape of `like`."""
        return Moments(0, torch.zeros_like(like), torch.zeros_like(like))

    def add(self, samples: Tensor) -> None:
        """Further samples, one an entry of the first dimension; no difference of large sums is taken."""
        more = samples.shape[0]
        mean = samples.mean(dim=0)
        apart = mean - self.mean
        total = self.count + more
        self.mean += apart * (more / total)
        self.squares += (samples - mean).square_().sum(dim=0)
        self.squares += apart.square_() * (self.count * more / total)
        self.count = total

    def standard_error(self) -> Tensor:
        """Of the mean: the samples' standard deviation over √count. Needs two samples."""
        return (self.squares / (self.count * (self.count - 1))).sqrt()
