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

    ‖A‖² = ‖B‖² + 2‖E‖² + ‖C‖² in Frobenius norms, so whoever knows ‖A‖ knows ‖C‖, which no eigenvalue of C exceeds.
    """

    later: Tensor
    """The eigenvalues of B after those that were found, falling; there may be none."""
    couplings: Tensor
    """‖E y‖ of each of their eigenvectors y, as many."""
    captured: float
    """√(‖B‖² + 2‖E‖²)."""
    slack: float
    """What it may err by in its square, relative to ‖A‖².

    10ω + 8√b N eps by V's loss ω of orthogonality and roundings N eps of K V, to first order, and 4 N eps of ‖A‖.
    """
    all_there_is: bool
    """Whether b = N, so that there is no C."""

    def ceiling(self, norm: float) -> float:
        """What no eigenvalue of A beside those found exceeds, but for their residuals; inf if nothing is known.

        norm: ‖A‖, Frobenius. With r_i = ‖E y_i‖ the quadratic form of what was not found is at most that of the arrow
        [[diag θ_i, r], [rᵀ, ‖C‖]] at the sizes of its parts, and so is the largest eigenvalue. C is seen down to
        √slack ‖A‖, about 1e-6 of it for a thousand points.
        """
        first = float(self.later[0]) if len(self.later) else -math.inf
        if self.all_there_is:
            return first + self.slack * self.captured
        if not math.isfinite(norm):
            return math.inf
        rest = norm * math.sqrt(max(0.0, 1 - (self.captured / norm) ** 2 + self.slack)) if norm > 0 else 0.0
        unit = max(abs(first), rest) if len(self.later) else rest
        if unit == 0:
            return 0.0
        arrow = torch.diag(torch.cat([self.later, self.later.new_tensor([rest])])) / unit
        arrow[-1, :-1] = self.couplings / unit
        # The triangle beneath the diagonal is read; an eigenvalue of so many rows errs by their number of roundings.
        eps = torch.finfo(arrow.dtype).eps * len(arrow)
        return float(torch.linalg.eigvalsh(arrow)[-1] + eps * torch.linalg.vector_norm(arrow)) * unit
