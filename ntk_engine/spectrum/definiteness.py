"""How far computed eigenvalues are from those of the matrix, and whether it is positive definite (Proposition 2)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor

    from ntk_engine.spectrum.result import Spectrum

# Rows of K that are compared at a time.
_PANEL = 512


@dataclass(frozen=True, slots=True)
class Definiteness:
    """The least eigenvalue of K/N as computed, and what it may be."""

    least: float
    error: float
    """The true one is within least ± error."""

    @property
    def positive(self) -> bool | None:
        """Whether K is positive definite; None where that cannot be told at this precision."""
        return self.least > 0 if abs(self.least) > self.error else None


def definiteness(k: Tensor, found: Spectrum, *, entries: float = 0.0) -> Definiteness:
    """Whether k (N×N) is positive definite, by its full decomposition `found`. Raises as `errors` does."""
    return Definiteness(float(found.eigenvalues[-1]), float(errors(k, found, entries=entries)[-1]))


def errors(k: Tensor, found: Spectrum, *, entries: float = 0.0) -> Tensor:
    """Bounds (N) of |i-th eigenvalue of k/N − λ_i| for all eigenvalues of a full decomposition of k (N×N, symmetric).

    With E = k/N − VΛVᵀ and ω = ‖VᵀV − I‖, the i-th eigenvalue of VΛVᵀ is θλ_i with |θ − 1| ≤ ω (Ostrowski), and that
    of k/N is within ‖E‖ of it (Weyl): the bound is ‖E‖ + ω|λ_i|, in Frobenius norms, plus the rounding of both, which
    is (N + 6) u Σ|λ_i| for E, u = eps/2, in any order of summation. It takes one product of N×N matrices and trusts
    nothing of the solver.

    entries: an e with |k − K|(x, x') ≤ e √(K(x,x)K(x',x')) for the kernel K that k rounds or approximates, as
    `infinite.error_bound` has it; then the bounds are for K. Raises ValueError unless `found` has all eigenvectors of
    a matrix of that shape.
    """
    n = k.shape[0]
    v = found.eigenvectors
    if v is None or found.orthogonality is None or v.shape != k.shape or v.shape[1] != n:
        raise ValueError(f"bounds need all eigenvectors of the {tuple(k.shape)} matrix")
    u = torch.finfo(k.dtype).eps / 2
    unit = float(found.eigenvalues.abs().max()) or 1.0
    values = found.eigenvalues / unit
    omega = found.orthogonality * (1 + n * n * u) + gamma(n + 1, u) * n
    apart = _apart(k, values, v, unit) * (1 + n * n * u) + gamma(n + 6, u) * float(values.abs().sum()) * (1 + omega)
    moved = entries / (1 - entries) * float((k.diagonal() / unit).abs().mean())
    return (apart + moved + omega * values.abs()) * unit


def gamma(count: int, u: float) -> float:
    """γ = count u/(1 − count u): what so many roundings may add, relatively (Higham, Section 3.1)."""
    return count * u / (1 - count * u) if count * u < 1 else math.inf


def _apart(k: Tensor, values: Tensor, v: Tensor, unit: float) -> float:
    """‖k/(N unit) − VΛVᵀ‖ (Frobenius), a panel of rows at a time."""
    square = 0.0
    for start in range(0, len(k), _PANEL):
        some = slice(start, start + _PANEL)
        rest = torch.addmm((k[some] / unit).div_(len(k)), v[some] * values, v.mT, alpha=-1.0)
        square += float(rest.double().square().sum())
    return math.sqrt(square)
