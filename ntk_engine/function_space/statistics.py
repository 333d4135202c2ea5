"""What is read off a Gaussian: percentiles, samples, costs and accuracies."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import torch

from ntk_engine.function_space.bounds import rounding

if TYPE_CHECKING:
    from torch import Tensor

_EPS = 2.0**-52
# Behind so many deviations there is less than rounding.
_FAR = 9.0


def percentiles(mean: Tensor, variance: Tensor, levels: Sequence[float]) -> Tensor:
    """Percentiles (…×P×n×k) of every value: mean (…×n×k), variance (…×n), levels above 0 and below 100."""
    if not all(0 < level < 100 for level in levels):
        raise ValueError(f"percentiles are between 0 and 100, neither included, not {list(levels)}")
    normal = _normal(levels, mean)
    deviation = variance.clamp_min(0.0).sqrt()
    found: Tensor = mean[..., None, :, :] + normal[:, None, None] * deviation[..., None, :, None]
    return found


def _normal(levels: Sequence[float], like: Tensor) -> Tensor:
    """Percentiles (P) of N(0, 1). Above 50 by the upper tail, 100 − level exactly, as 1 − p would lose its digits."""
    tails = torch.special.ndtri(like.new_tensor([min(level, 100 - level) / 100 for level in levels]))
    return torch.where(like.new_tensor(list(levels)) > 50, -tails, tails)


def percentile_bound(variance: Tensor, levels: Sequence[float], mean_bound: Tensor, variance_bound: Tensor) -> Tensor:
    """A bound (a number) on the error of percentiles, from those of means and variances; variance: …×n.

    Rounding adds to a normal percentile z 2 eps of it, and eps/2 p/φ(z) < eps by that of p ≤ ½; to its product with a
    deviation 2 eps. That of the sum is that of means.
    """
    farthest = _normal(levels, variance).abs().amax()
    most = (variance + variance_bound).sqrt()
    spread = most - (variance - variance_bound).clamp_min(0.0).sqrt()
    bound: Tensor = mean_bound + farthest * spread.amax() + (4 * farthest + 1) * _EPS * most.amax()
    return bound


class Samples(NamedTuple):
    """Joint samples."""

    values: Tensor
    """count×n×k."""
    bound: Tensor
    """A bound (a number) on the error of every value, for the numbers that were drawn."""


def samples(mean: Tensor, covariance: Tensor, count: int, seed: int) -> Tensor:
    """Joint samples (count×n×k) of k independent outputs with mean (n×k) and one covariance (n×n), semidefinite.

    mean + √covariance z, the semidefinite root, which changes little where the covariance does; negative eigenvalues,
    which are rounding, are left out. Numbers z are drawn on the CPU, so that a seed means the same samples on every
    device. O(n³ + count n² k).
    """
    none = mean.new_zeros(())
    return sampled(mean, covariance, count, seed, none, none).values


def sampled(
    mean: Tensor, covariance: Tensor, count: int, seed: int, mean_bound: Tensor, covariance_bound: Tensor
) -> Samples:
    """`samples`, and a bound on their errors from those of means and covariances.

    ‖√A − √B‖ is at most √‖A − B‖, and ‖A − B‖/(√a + √b) of smallest eigenvalues a, b (Bhatia 1997, X.1.1, X.3.2); that
    norm is at most n times the error of an entry, what the decomposition lacks, and what was left out.
    """
    values, basis = torch.linalg.eigh(covariance)
    root = basis * values.clamp_min(0.0).sqrt() @ basis.mT
    lacks = torch.linalg.matrix_norm(covariance @ basis - basis * values)
    lacks = lacks + len(mean) * _EPS * values.abs().amax() - values[0].clamp_max(0.0)
    off = len(mean) * covariance_bound + lacks
    least = values[0].clamp_min(0.0).sqrt() + (values[0] - off).clamp_min(0.0).sqrt()
    off = torch.minimum(off.sqrt(), off / least.clamp_min(torch.finfo(off.dtype).tiny))
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randn(count, *mean.shape, dtype=torch.float64, generator=generator).to(mean.device, mean.dtype)
    found = mean + root @ drawn
    rounded = rounding(len(mean)) * torch.linalg.vector_norm(root, dim=1).amax() + off
    longest = torch.linalg.vector_norm(drawn, dim=1).amax() if drawn.numel() else off.new_zeros(())
    return Samples(found, mean_bound + rounded * longest + _EPS * mean.abs().amax())


def cost(mean: Tensor, variance: Tensor | None, y: Tensor) -> Tensor:
    """E C (…) of least squares, C = ½ (1/n) Σ_i ‖f(x_i) − y_i‖²: mean (…×n×k), variance (…×n), y (n×k).

    Every output adds its own variance. Without one it is the cost of the mean.
    """
    y = y[:, None] if y.ndim == 1 else y
    squares = (mean - y).square().sum(dim=-1)
    if variance is not None:
        squares = squares + mean.shape[-1] * variance
    return squares.mean(dim=-1) / 2


def cost_bound(
    direction: Tensor,
    mean_bound: Tensor,
    variance_bound: Tensor | None = None,
    *,
    steepness: float = 1.0,
    slope: float = math.inf,
) -> Tensor:
    """A bound (a number) on the error of a cost, from those of means and, where there are some, of variances.

    direction: d (n×k) of the means, which changes by at most `steepness` times as much as they do, and whose sizes at a
    point never add up to more than `slope`: c errs there by Σ_k |d_k| e + steepness k e²/2, and by slope e, at most.
    """
    k = direction.shape[-1]
    points = direction.abs().sum(dim=-1) * mean_bound + steepness * mean_bound.square() * k / 2
    if slope < math.inf:
        points = torch.minimum(points, slope * mean_bound)
    bound: Tensor = points.mean()
    return bound if variance_bound is None else bound + variance_bound * k / 2


def cost_rounding(value: Tensor, direction: Tensor, f: Tensor, *, squares: bool) -> Tensor:
    """What rounding of a cost's own evaluation may add to it: value (a number), d and f (n×k), as they were computed.

    Of the sum over points and outputs; and, unless all of it is `squares` and variances, of c at a point, in which
    logarithms of sums and y·f may cancel.
    """
    n, k = f.shape
    if squares:
        relative: Tensor = (rounding(n * k) + 8 * _EPS) * value.abs()
        return relative
    sizes = value.abs() + (direction * f).abs().sum() / n
    found: Tensor = rounding(n * k) * sizes + (3 * k + 9) * _EPS * (1 + f.abs().amax())
    return found


def accuracy(mean: Tensor, y: Tensor) -> Tensor:
    """The part (…) of points where the mean (…×n×k) has y's (n×k) largest output, or its sign for k = 1."""
    return _right(mean, y[:, None] if y.ndim == 1 else y).double().mean(dim=-1)


def _right(mean: Tensor, y: Tensor) -> Tensor:
    """Of which points (…×n) it is."""
    if y.shape[-1] == 1:
        return ((mean > 0) == (y > 0)).squeeze(-1)
    return mean.argmax(dim=-1) == y.argmax(dim=-1)


def expected_accuracy(mean: Tensor, variance: Tensor, y: Tensor) -> Tensor:
    """`accuracy` as expected over the ensemble (a number): the mean over points of P(y's output is the largest).

    Outputs are independent with means (n×k) and one variance (n), so that of k > 1 it is E Π_j Φ((m_y − m_j)/s + u)
    over the other j, u ~ N(0, 1), s² the variance; for k = 1 it is Φ(± m/s). Where s = 0, `accuracy`.
    """
    y = y[:, None] if y.ndim == 1 else y
    spread = variance.clamp_min(0.0).sqrt()[:, None]
    certain = spread[:, 0] == 0.0
    chance = _chance(_ahead(mean, y) / spread.masked_fill(certain[:, None], 1.0))
    return torch.where(certain, _right(mean, y).to(chance.dtype), chance).mean()


def expected_accuracy_bound(
    mean: Tensor, variance: Tensor, y: Tensor, mean_bound: Tensor, variance_bound: Tensor
) -> Tensor:
    """A bound (a number) on its error, from those of means (n×k) and variances (n).

    A chance rises with every (m_y − m_j)/s: it is between those of the least and of the largest that these can be.
    """
    y = y[:, None] if y.ndim == 1 else y
    ahead, off = _ahead(mean, y), mean_bound * (1.0 if y.shape[-1] == 1 else 2.0)
    least, most = ((variance + sign * variance_bound).clamp_min(0.0).sqrt()[:, None] for sign in (-1.0, 1.0))
    low, high = ahead - off, ahead + off
    ends = [
        _chance(torch.where(low > 0.0, low / most, low / least).nan_to_num(-torch.inf, torch.inf, -torch.inf)),
        _chance(torch.where(high > 0.0, high / least, high / most).nan_to_num(torch.inf, torch.inf, -torch.inf)),
    ]
    rounded = _FAR / 0.7 * y.shape[-1] ** 0.5 * 8 * _EPS
    found: Tensor = (ends[1] - ends[0]).mean() + rounded
    return found


def _ahead(mean: Tensor, y: Tensor) -> Tensor:
    """By how much y's output is above each other one (n×k), and inf above itself; of one output, y's sign times it."""
    if y.shape[-1] == 1:
        return (2.0 * (y > 0) - 1.0) * mean
    right = y.argmax(dim=-1, keepdim=True)
    return (mean.gather(-1, right) - mean).scatter(-1, right, torch.inf)


def _chance(ahead: Tensor) -> Tensor:
    """E Π_j Φ(a_j + u) (n), u ~ N(0, 1), or Φ(a) of one output, of a (n×k).

    The trapezoidal rule with steps of 0.7/√k is right to rounding: the integrand is entire, and grows as e^{kv²/2} off
    the real line.
    """
    if ahead.shape[-1] == 1:
        only: Tensor = torch.special.ndtr(ahead[:, 0])
        return only
    step = 0.7 / ahead.shape[-1] ** 0.5
    at = torch.arange(-_FAR, _FAR + step, step, dtype=ahead.dtype, device=ahead.device)
    weights = step * torch.exp(-at.square() / 2) / math.sqrt(2 * math.pi)
    chance = torch.zeros_like(ahead[:, 0])
    for u, weight in zip(at, weights, strict=True):
        chance = chance + weight * torch.special.ndtr(ahead + u).prod(dim=-1)
    return chance


def accuracy_bound(mean: Tensor, y: Tensor, mean_bound: Tensor) -> Tensor:
    """The part (…) of points of which `accuracy` may say the contrary, for means (…×n×k) that err by `mean_bound`.

    That is where y's output is within twice the bound of the largest other one, or within it of 0 for k = 1; nowhere
    where means do not err, as at t = 0.
    """
    y = y[:, None] if y.ndim == 1 else y
    if y.shape[-1] == 1:
        return ((mean.abs() <= mean_bound) & (mean_bound > 0)).squeeze(-1).double().mean(dim=-1)
    right = y.argmax(dim=-1, keepdim=True).expand(*mean.shape[:-1], 1)
    other = mean.scatter(-1, right, -torch.inf).amax(dim=-1, keepdim=True)
    near = (mean.gather(-1, right) - other).abs() <= 2 * mean_bound
    return (near & (mean_bound > 0)).squeeze(-1).double().mean(dim=-1)
