"""How far eigenvectors and components are from those of the matrix, by residuals over gaps (Davis and Kahan 1970).

Of a cluster the space alone is determined, so that bounds are distances from an exact function of norm 1 in that space:
the nearest one. Norms of functions are those of L²(p^in), in which √N v has ‖v‖. inf: nothing can be said.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from ntk_engine.spectrum.definiteness import gamma
from ntk_engine.spectrum.result import orthogonality

if TYPE_CHECKING:
    from torch import Tensor

    from ntk_engine.spectrum.certain import Certain
    from ntk_engine.spectrum.components import Components
    from ntk_engine.spectrum.result import Spectrum


def vector_errors(found: Spectrum, certain: Certain, residuals: Tensor) -> Tensor:
    """Bounds (k) of ‖v_i − v*_i‖ for the k eigenvectors of `found`, v*_i of norm 1 in the exact space of i's cluster.

    residuals (k): of (K/N)v_i − λ_iv_i, for the matrix that is meant, roundings included. What of v_i is outside that
    space is ‖(I − P)v_i‖ ≤ residual/gap = sin θ, and what is inside 2 sin(θ/2) away from its unit vector; ‖v_i‖ itself
    is not quite 1.
    """
    vectors = found.eigenvectors
    assert vectors is not None
    u, count = torch.finfo(vectors.dtype).eps / 2, vectors.shape[1]
    length = (torch.linalg.vector_norm(vectors, dim=0) - 1).abs() + gamma(len(vectors) + 2, u)
    sines = _sines(residuals, certain.gaps()[:count]) / (1 - length)
    chords = 2 * (sines.clamp_max(1.0).asin() / 2).sin()
    # Nothing is known of a vector that may be at right angles to the space.
    return torch.where(sines < 1, chords + length + 2 * u, math.inf)


@dataclass(frozen=True, slots=True)
class ComponentBounds:
    """What components give, and how far each may be off."""

    those: Components
    errors: Tensor
    """Of each, in norm, as `vector_errors` has them (m)."""
    certain: Certain
    residuals: Tensor
    """‖Πf − λf‖ for the operator that is meant (m)."""

    def at(self, block: Tensor, entries: Tensor | float = 0.0) -> Tensor:
        """How far f⁽ⁱ⁾(x) may be from that of the exact function, at the worst of the points (m).

        block (n×N): K(x, x_j), centred where the kernel is; entries (n): ‖K(x, ·) − block‖ over p^in. The exact one is
        (1/N) k·Π⁻¹f* in the cluster's space, where Π is λ_i up to Δ, so with κ = ‖K(x, ·)‖

            |f(x) − f*(x)| ≤ κ/λ (‖f − f*‖ + Δ/(λ − Δ)) + entries/(λ − Δ) + roundings of a sum of N terms.
        """
        n, u = block.shape[1], torch.finfo(block.dtype).eps / 2
        spread = self.certain.spreads()[: len(self.errors)]
        values, left = self.those.eigenvalues, self.those.eigenvalues - spread
        lengths = torch.linalg.vector_norm(self.those.values, dim=0) / math.sqrt(n)
        turned = (self.errors + spread / left + gamma(n + 4, u) * lengths) / values
        kappa = torch.linalg.vector_norm(block, dim=1) / math.sqrt(n)
        off = torch.as_tensor(entries, dtype=block.dtype, device=block.device).expand_as(kappa)
        found = torch.where(left > 0, kappa[:, None] * turned + off[:, None] / left, math.inf)
        worst: Tensor = found.amax(dim=0)
        return worst.nan_to_num(nan=math.inf, posinf=math.inf)

    def projections(self, f: Tensor) -> float:
        """How far any ⟨f⁽ⁱ⁾, f⟩ of functions …×N×k may be off: ‖f⁽ⁱ⁾ − f*‖ ‖f‖ and a sum of N terms."""
        n, u = f.shape[-2], torch.finfo(f.dtype).eps / 2
        lengths = torch.linalg.vector_norm(self.those.values, dim=0) / math.sqrt(n)
        size = float(self._norms(f).amax())
        return float((self.errors + gamma(n + 3, u) * lengths).amax()) * size if size > 0 else 0.0

    def outside(self, f: Tensor, found: Tensor) -> float:
        """How far any ‖f − Pf‖² (…×k, `found`) of functions …×N×k may be off, P onto the exact space of all m.

        Where the last cluster is cut, it is that of its space's part that is nearest. ‖P_V − P‖ ≤ S/√(1 − ω), S² the
        sum of squares of sines and ω = ‖VᵀV − I‖, which ‖VVᵀ − P_V‖ is at most. With T times ‖f‖ for all that the
        difference may be off, squares are by T(2√found + T).
        """
        m, n, u = len(self.errors), f.shape[-2], torch.finfo(f.dtype).eps / 2
        omega = orthogonality(self.those.values / math.sqrt(n)) + gamma(n + 5, u) * m
        sine = float(torch.linalg.vector_norm(self._sines()))
        if not (sine < 1 and omega < 1):
            return math.inf
        off = sine / math.sqrt(1 - omega) + omega + (gamma(n + 2, u) + gamma(m, u)) * math.sqrt(m) * (1 + omega) + 2 * u
        moved = off * self._norms(f)
        return float((moved * (2 * found.sqrt() + moved) + gamma(n + 2, u) * found).amax())

    def _sines(self) -> Tensor:
        """What of each component is outside the space of all: of whole clusters together, or of one that is cut."""
        count = len(self.errors)
        whole = max((at.stop for at in self.certain.clusters if at.stop <= count), default=0)
        gaps = self.certain.gaps()[:count]
        gaps[:whole] = self.certain.gaps_after(whole)
        return _sines(self.residuals, gaps)

    @staticmethod
    def _norms(f: Tensor) -> Tensor:
        """‖f‖ (…×k)."""
        norms: Tensor = torch.linalg.vector_norm(f, dim=-2)
        return norms / math.sqrt(f.shape[-2])


def _sines(residuals: Tensor, gaps: Tensor) -> Tensor:
    """Residuals over gaps, and inf where there may be none."""
    return torch.where((gaps > 0) & residuals.isfinite(), residuals / gaps, math.inf)
