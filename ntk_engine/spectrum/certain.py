"""What is certain of a spectrum: how far every eigenvalue may be off, and how far spaces are apart at least."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from ntk_engine.spectrum.definiteness import gamma

if TYPE_CHECKING:
    from torch import Tensor

    from ntk_engine.spectrum.result import Spectrum


@dataclass(frozen=True, slots=True)
class Certain:
    """λ_i with bounds on the i-th eigenvalue λ*_i of the matrix: λ_i − error ≤ λ*_i ≤ max(λ_i + error, ceiling)."""

    values: Tensor
    """λ (m), falling."""
    errors: Tensor
    """m; inf where nothing is known."""
    clusters: tuple[slice, ...]
    ceiling: float = -math.inf
    """λ*_{m+1} is not above it; −inf where there is none."""

    @property
    def radii(self) -> Tensor:
        """How far λ*_i may be from λ_i (m)."""
        return self.errors + (self.ceiling - self.values).clamp_min(0.0)

    def gaps(self) -> Tensor:
        """How far λ_i is at least from every eigenvalue of the matrix outside its cluster (m); ≤ 0 where it may be one.

        The cluster's own are those with its numbers, so that it has an invariant space of as many dimensions.
        """
        found = torch.empty_like(self.values)
        for at in self.clusters:
            above = self._above(at.start)
            below = self._below(at.stop)
            found[at] = torch.minimum(above - self.values[at], self.values[at] - below)
        return found

    def gaps_after(self, count: int) -> Tensor:
        """How far each of the `count` leading λ_i is at least above λ*_{count + 1} (count)."""
        return self.values[:count] - self._below(count)

    def spreads(self) -> Tensor:
        """How far an eigenvalue of the matrix in the cluster of λ_i may be from λ_i (m)."""
        found, radii = torch.empty_like(self.values), self.radii
        for at in self.clusters:
            upper, lower = (self.values[at] + radii[at]).amax(), (self.values[at] - radii[at]).amin()
            found[at] = torch.maximum(upper - self.values[at], self.values[at] - lower)
        return found

    def _above(self, start: int) -> float:
        """What no eigenvalue before that number is below."""
        return float((self.values - self.errors)[:start].amin()) if start else math.inf

    def _below(self, stop: int) -> float:
        """What no eigenvalue from that number on is above."""
        upper = (self.values + self.errors)[stop:]
        return max(self.ceiling, float(upper.amax()) if len(upper) else -math.inf)


def certain_of_all(found: Spectrum, errors: Tensor) -> Certain:
    """Of a full decomposition, by the errors (N) of its eigenvalues, as `spectrum.errors` gives them."""
    assert found.whole is not None
    return Certain(found.whole.values, errors, found.whole.clusters)


def residual_bounds(found: Spectrum, errors: Tensor) -> Tensor:
    """What ‖(K/N)v_i − λ_iv_i‖ may be at most (N), for a full decomposition and the errors (N) of its eigenvalues.

    Of a product as it was computed, in a cluster of g whose vectors and images were turned alike, it is at most the
    residual and √g (γ_{N+8}‖K/N‖ + 2γ_g max|λ|), in Frobenius norm; of any, with E = K/N − VΛVᵀ, ‖Ev + VΛ(VᵀV − I)e_i‖,
    which (1 + ω) times the largest error bounds.
    """
    whole = found.whole
    assert whole is not None
    assert whole.residuals is not None
    assert whole.orthogonality is not None
    n, u, most = len(whole.values), torch.finfo(whole.values.dtype).eps / 2, float(errors.amax())
    unit = float(whole.values.abs().amax()) or 1.0
    norm = float(torch.linalg.vector_norm(whole.values / unit) + torch.linalg.vector_norm(errors / unit)) * unit
    longer, rounding = 1 + whole.orthogonality + gamma(n + 1, u) * n, torch.empty_like(whole.values)
    for at in whole.clusters:
        g = at.stop - at.start
        turned = 2 * gamma(g, u) * unit if g > 1 else 0.0
        rounding[at] = math.sqrt(g) * (gamma(n + 8, u) * norm + turned) * longer
    return (whole.residuals + rounding).clamp_max(longer * most)


def certain_of_top(found: Spectrum, moved: float = 0.0) -> Certain:
    """Of the leading pairs that `top` found, where it `probed` what is beneath them.

    With R = (K/N)V − VΛ and Q the orthonormal factor of V, ‖(K/N)Q − QΛ‖ ≤ ‖R‖ + 2ω‖K/N‖, ω = ‖VᵀV − I‖, and leaving
    this out of K/N moves eigenvalues by no more than √2 times it. Then they are Λ's, and others not above
    `Beneath.ceiling`. moved: by how much the matrix that is meant may differ from K/N, in norm.
    """
    whole, beneath = found.whole, found.beneath
    assert whole is not None
    assert whole.residuals is not None
    assert whole.orthogonality is not None
    assert beneath is not None
    n, u = len(found.eigenvectors if found.eigenvectors is not None else ()), torch.finfo(whole.values.dtype).eps / 2
    unit = float(whole.values.abs().max()) or 1.0
    off = float(torch.linalg.vector_norm((whole.residuals + found.rounding) / unit))
    omega = whole.orthogonality + gamma(n + 1, u) * len(whole.values)
    error = math.sqrt(2) * (off + 2 * omega) * unit + moved
    errors = torch.full_like(whole.values, error)
    return Certain(whole.values, errors, whole.clusters, beneath.ceiling + error)
