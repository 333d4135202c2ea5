"""How far numbers of a spectrum may be off, by what its eigenvalues λ (m) may: |λ*_i − λ_i| ≤ errors_i (m).

All include what their own sums round, to first order in u = eps/2. inf: nothing can be said.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from ntk_engine.spectrum.definiteness import gamma
from ntk_engine.spectrum.numbers import decay

if TYPE_CHECKING:
    from torch import Tensor


def largest_learning_rate_error(largest: float, error: float) -> float:
    """2/(λ_1 − δ) − 2/λ_1 = 2δ/(λ_1(λ_1 − δ)); inf where λ_1 may be 0."""
    if not error < largest:
        return math.inf
    return 2 / largest * (error / (largest - error) + 2**-53)


def condition_number_error(eigenvalues: Tensor, errors: Tensor) -> float:
    """(λ_1 + δ_1)/(λ_m − δ_m) − λ_1/λ_m; inf where λ_m may be 0."""
    (first, off_first), (least, off) = ((float(eigenvalues[i]), float(errors[i])) for i in (0, -1))
    if not off < least:
        return math.inf
    return (off_first + first * (off / least)) / (least - off) + first / least * 2**-53


def effective_dimension_errors(eigenvalues: Tensor, errors: Tensor, ridges: Tensor) -> Tensor:
    """Of Σ_i λ_i/(λ_i + r), negative λ as 0, for every ridge (…).

    Terms grow with λ: from a to b by r(b − a)/((a + r)(b + r)). All may be off to one side.
    """
    r, u = ridges[..., None], torch.finfo(eigenvalues.dtype).eps / 2
    if not bool(errors.isfinite().all()):
        return torch.full_like(ridges, math.inf)
    values = eigenvalues.clamp_min(0.0)
    lower, upper = (eigenvalues - errors).clamp_min(0.0), (eigenvalues + errors).clamp_min(0.0)
    less = ((values - lower) / (values + r) * (r / (lower + r))).sum(dim=-1)
    more = ((upper - values) / (values + r) * (r / (upper + r))).sum(dim=-1)
    return torch.maximum(less, more) + gamma(len(values) + 2, u) * (values / (values + r)).sum(dim=-1)


def participation_ratio_error(eigenvalues: Tensor, errors: Tensor) -> float:
    """Of (Σλ)²/Σλ², by Σδ for the sum and ‖δ‖ for the root of the sum of squares."""
    unit = float(eigenvalues.abs().max())
    if unit == 0 or not bool(errors.isfinite().all()):
        return math.inf if bool((errors > 0).any()) else 0.0
    share, off, u = eigenvalues / unit, errors / unit, torch.finfo(eigenvalues.dtype).eps / 2
    rounding = gamma(len(share) + 1, u)
    total, root = abs(float(share.sum())), float(torch.linalg.vector_norm(share))
    moved = float(off.sum()) + rounding * float(share.abs().sum())
    turned = float(torch.linalg.vector_norm(off)) + rounding * root
    if turned >= root:
        return math.inf
    ratio = total / root
    more = (total + moved) / (root - turned) - ratio
    return more * (2 * ratio + more) + 4 * u * ratio**2


def rank_error(eigenvalues: Tensor, errors: Tensor) -> float:
    """How many λ may be on the other side of m eps max|λ|, which may be off as well."""
    relative = len(eigenvalues) * torch.finfo(eigenvalues.dtype).eps
    threshold = relative * float(eigenvalues.abs().max())
    off = relative * float(errors.max()) + torch.finfo(eigenvalues.dtype).eps * threshold
    return _in_doubt(eigenvalues, errors, eigenvalues > threshold, threshold - off, threshold + off)


def negative_error(eigenvalues: Tensor, errors: Tensor) -> float:
    """How many λ may be on the other side of 0."""
    return _in_doubt(-eigenvalues, errors, eigenvalues < 0, 0.0, 0.0)


def decay_errors(eigenvalues: Tensor, errors: Tensor, first: int, last: int) -> tuple[float, float]:
    """Of the exponent of `decay` and of its standard error, for positive λ from `first` to `last`.

    Logarithms are off by l_i = −log(1 − δ_i/λ_i) at most, the exponent −Σ x_i log λ_i/‖x‖² by Σ|x_i|l_i/‖x‖², x = log i
    less its mean, and the standard error ‖rest‖/√((n − 2)‖x‖²) by ‖l‖ in place of ‖rest‖: a projection takes it.
    """
    values, off = eigenvalues[first - 1 : last].double(), errors[first - 1 : last].double()
    if not bool((off < values).all()):
        return math.inf, math.inf
    n, u = len(values), 2.0**-53
    logs = values.log()
    i = torch.arange(first, last + 1, dtype=torch.float64, device=values.device).log()
    x, y = i - i.mean(), logs - logs.mean()
    slope, square = abs(decay(eigenvalues, first, last).exponent), float(x @ x)
    size, rounding = math.sqrt(square), gamma(n + 6, u)
    moved = -torch.log1p(-off / values) + rounding * float(logs.abs().max())
    bent = rounding * float(i.max()) * math.sqrt(n)
    turned = bent * (float(torch.linalg.vector_norm(y)) + 2 * slope * size) / square
    turned += 2 * rounding * float(x.abs() @ y.abs()) / square
    rest = float(torch.linalg.vector_norm(moved)) + slope * bent + turned * size
    rest += rounding * (float(torch.linalg.vector_norm(y)) + slope * size)
    return float(x.abs() @ moved) / square + turned, rest / math.sqrt((n - 2) * square)


def _in_doubt(eigenvalues: Tensor, errors: Tensor, above: Tensor, lower: float, upper: float) -> float:
    """How many of those that are counted above a threshold may be beneath it, or the other way round."""
    if not bool(errors.isfinite().all()):
        return math.inf
    down, up = above & (eigenvalues - errors <= upper), ~above & (eigenvalues + errors > lower)
    return float((down | up).sum())
