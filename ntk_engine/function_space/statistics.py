"""What is read off a Gaussian: percentiles, samples, costs and accuracies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor


def percentiles(mean: Tensor, variance: Tensor, levels: Sequence[float]) -> Tensor:
    """Percentiles (…×P×n×k) of every value: mean (…×n×k), variance (…×n), levels above 0 and below 100."""
    if not all(0 < level < 100 for level in levels):
        raise ValueError(f"percentiles are between 0 and 100, neither included, not {list(levels)}")
    normal = torch.special.ndtri(mean.new_tensor([level / 100 for level in levels]))
    deviation = variance.clamp_min(0.0).sqrt()
    found: Tensor = mean[..., None, :, :] + normal[:, None, None] * deviation[..., None, :, None]
    return found


def percentile_bound(variance: Tensor, levels: Sequence[float], mean_bound: Tensor, variance_bound: Tensor) -> Tensor:
    """A bound (a number) on the error of percentiles, from those of means and variances; variance: …×n."""
    farthest = variance.new_tensor([abs(level / 100 - 0.5) + 0.5 for level in levels]).amax()
    spread = (variance + variance_bound).sqrt() - (variance - variance_bound).clamp_min(0.0).sqrt()
    bound: Tensor = mean_bound + torch.special.ndtri(farthest) * spread.amax()
    return bound


def samples(mean: Tensor, covariance: Tensor, count: int, seed: int) -> Tensor:
    """Joint samples (count×n×k) of k independent outputs with mean (n×k) and one covariance (n×n), semidefinite.

    By the eigenvectors of the covariance, of which those with negative eigenvalues, which are rounding, are left out.
    Numbers are drawn on the CPU, so that a seed means the same ones on every device. O(n³ + count n² k).
    """
    values, basis = torch.linalg.eigh(covariance)
    factor = basis * values.clamp_min(0.0).sqrt()
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randn(count, *mean.shape, dtype=torch.float64, generator=generator).to(mean.device, mean.dtype)
    found: Tensor = mean + factor @ drawn
    return found


def cost(mean: Tensor, variance: Tensor | None, y: Tensor) -> Tensor:
    """E C (…) of least squares, C = ½ (1/n) Σ_i ‖f(x_i) − y_i‖²: mean (…×n×k), variance (…×n), y (n×k).

    Every output adds its own variance. Without one it is the cost of the mean.
    """
    y = y[:, None] if y.ndim == 1 else y
    squares = (mean - y).square().sum(dim=-1)
    if variance is not None:
        squares = squares + mean.shape[-1] * variance
    return squares.mean(dim=-1) / 2


def cost_bound(direction: Tensor, mean_bound: Tensor, variance_bound: Tensor | None = None) -> Tensor:
    """A bound (a number) on the error of a cost, from those of means and, where there are some, of variances.

    direction: d (n×k) of the means, of a cost whose curvature is at most 1, as that of each of `costs` is.
    """
    k = direction.shape[-1]
    bound = direction.abs().sum(dim=-1).mean() * mean_bound + mean_bound.square() * k / 2
    return bound if variance_bound is None else bound + variance_bound * k / 2


def accuracy(mean: Tensor, y: Tensor) -> Tensor:
    """The part (…) of points where the mean (…×n×k) has y's (n×k) largest output, or its sign for k = 1."""
    y = y[:, None] if y.ndim == 1 else y
    if y.shape[-1] == 1:
        right = (mean > 0) == (y > 0)
        return right.squeeze(-1).double().mean(dim=-1)
    return (mean.argmax(dim=-1) == y.argmax(dim=-1)).double().mean(dim=-1)
