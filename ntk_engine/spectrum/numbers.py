"""What a spectrum is like, in a number: of all eigenvalues λ (m) of K/N, falling, as `eigh` gives them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True)
class Decay:
    """λ_i ~ i^(−exponent)."""

    exponent: float
    standard_error: float
    """Of the least-squares fit, as if the logarithms' deviations from it were independent."""


def effective_dimension(eigenvalues: Tensor, ridges: Tensor) -> Tensor:
    """Σ_i λ_i/(λ_i + r) for every ridge r (…): how many components a ridge regression on K/N fits.

    Negative eigenvalues count as 0. Raises ValueError if a ridge is not positive.
    """
    if not bool((ridges > 0).all()):
        raise ValueError("ridges must be positive")
    values = eigenvalues.clamp_min(0.0)
    return (values / (values + ridges[..., None])).sum(dim=-1)


def participation_ratio(eigenvalues: Tensor) -> float:
    """(Σλ)²/Σλ²: m for m equal eigenvalues and zeros besides; 0 where all are 0."""
    share = eigenvalues / (float(eigenvalues.abs().max()) or 1.0)
    return float(share.sum() ** 2 / (share.square().sum() or 1.0))


def rank(eigenvalues: Tensor, threshold: float | None = None) -> int:
    """How many λ are above `threshold` times the largest magnitude, which is m eps unless it is given."""
    relative = len(eigenvalues) * torch.finfo(eigenvalues.dtype).eps if threshold is None else threshold
    return int((eigenvalues > relative * eigenvalues.abs().max()).sum())


def condition_number(eigenvalues: Tensor, error: float = 0.0) -> float:
    """λ_1/λ_m, and inf where the last is not above `error`, so that it may be 0."""
    least = float(eigenvalues[-1])
    return float(eigenvalues[0]) / least if least > error else math.inf


def decay(eigenvalues: Tensor, first: int, last: int) -> Decay:
    """The exponent of λ_i ~ i^(−α) for i = first … last, counted from 1: least squares of log λ_i on log i.

    Raises ValueError for fewer than three eigenvalues, a range that is not in 1 … m, or a λ in it that is not positive.
    """
    if first < 1 or last > len(eigenvalues) or last - first < 2:
        raise ValueError(
            f"a decay is fitted to three or more of the {len(eigenvalues)} eigenvalues, not {first} to {last}"
        )
    values = eigenvalues[first - 1 : last].double()
    if not bool((values > 0).all()):
        raise ValueError(
            f"a decay needs positive eigenvalues; from {first} to {last} they fall to {float(values.min()):.1e}"
        )
    x = torch.arange(first, last + 1, dtype=torch.float64, device=values.device).log()
    x, y = x - x.mean(), values.log() - values.log().mean()
    slope = float(x @ y / (x @ x))
    error = float((y - slope * x).square().sum() / ((len(x) - 2) * (x @ x)))
    return Decay(-slope, math.sqrt(error))


def largest_learning_rate(largest: float, momentum: float = 0.0) -> float:
    """2(1 + μ)/λ_1: gradient descent on ½E‖f − f*‖² converges below it and diverges above, in the kernel regime.

    largest: λ_1. With momentum the step is v ← μv + ∇C, θ ← θ − ηv (Polyak 1964). inf for λ_1 ≤ 0. Raises ValueError
    unless 0 ≤ μ < 1.
    """
    if not 0 <= momentum < 1:
        raise ValueError(f"momentum is at least 0 and below 1, not {momentum}")
    return 2 * (1 + momentum) / largest if largest > 0 else math.inf
