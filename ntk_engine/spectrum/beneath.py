"""What is certain of the eigenvalues that an iteration for the largest did not look for."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True)
class Beneath:
    """A = K/N in a Krylov basis V (N×b), and in what is orthogonal to it: A = [[B, Eᵀ], [E, C]].

    ‖A‖² = ‖B‖² + 2‖E‖² + ‖C‖² in Frobenius norms, so whoever knows ‖A‖ knows ‖C‖, which no eigenvalue of C exceeds. It
    is far above them where they are many; a probe comes nearer.
    """

    later: Tensor
    """The eigenvalues of B after those that were found, falling; there may be none."""
    couplings: Tensor
    """S (r×as many) with SᵀS = (EY)ᵀEY, Y their eigenvectors."""
    captured: float
    """√(‖B‖² + 2‖E‖²)."""
    slack: float
    """What it may err by in its square, relative to ‖A‖².

    10ω + 8√b N eps by V's loss ω of orthogonality and roundings N eps of K V, to first order, and 4 N eps of ‖A‖.
    """
    rounding: float
    """What roundings of K V may have added to E."""
    all_there_is: bool
    """Whether b = N, so that there is no C."""
    rest: float = math.inf
    """What no eigenvalue of C is above, as far as a probe has seen."""

    def ceiling(self, norm: float) -> float:
        """What no eigenvalue of A beside those found exceeds, but for their residuals; inf if nothing is known.

        norm: ‖A‖, Frobenius. With c ≥ ‖C‖ the largest eigenvalue of what was not found is at most that of
        [[diag θ_i, Sᵀ], [S, c]]. By its norm C is seen down to √slack ‖A‖, about 1e-6 of it for a thousand points.
        """
        first = float(self.later[0]) if len(self.later) else -math.inf
        if self.all_there_is:
            return first + self.slack * self.captured
        rest = min(self.rest, self._by_norm(norm))
        if not math.isfinite(rest):
            return math.inf
        unit = max(abs(first), rest) if len(self.later) else rest
        if unit == 0:
            return 0.0
        m, r = len(self.later), len(self.couplings)
        whole = torch.diag(torch.cat([self.later, self.later.new_full((r or 1,), rest)])) / unit
        whole[m : m + r, :m] = self.couplings / unit
        # The triangle beneath the diagonal is read; an eigenvalue of so many rows errs by their number of roundings.
        eps = torch.finfo(whole.dtype).eps * len(whole)
        return float(torch.linalg.eigvalsh(whole)[-1] + eps * torch.linalg.vector_norm(whole)) * unit + self.rounding

    def _by_norm(self, norm: float) -> float:
        if not 0 < norm < math.inf:
            return norm
        return norm * math.sqrt(max(0.0, 1 - (self.captured / norm) ** 2 + self.slack))
