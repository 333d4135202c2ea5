"""What is certain of the eigenvalues that an iteration for the largest did not look for."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Beneath:
    """A = K/N in a Krylov basis V (N×b), and in what is orthogonal to it: A = [[B, Eᵀ], [E, C]].

    ‖A‖² = ‖B‖² + 2‖E‖² + ‖C‖² in Frobenius norms, so whoever knows ‖A‖ knows ‖C‖, which no eigenvalue of C exceeds.
    """

    first: float
    """The largest eigenvalue of B after those that were found; −inf where there is none."""
    coupling: float
    """‖E‖ of these later ones."""
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

        norm: ‖A‖, Frobenius. The largest eigenvalue of [[B', E'ᵀ], [E', C]], B' without what was found, is at most that
        of the 2×2 matrix of the norms. C is seen down to √slack ‖A‖, about 1e-6 of it for a thousand points.
        """
        if self.all_there_is:
            return self.first + self.slack * self.captured
        if not math.isfinite(norm):
            return math.inf
        rest = norm * math.sqrt(max(0.0, 1 - (self.captured / norm) ** 2 + self.slack)) if norm > 0 else 0.0
        if self.first == -math.inf:
            return rest
        return (self.first + rest) / 2 + math.hypot((self.first - rest) / 2, self.coupling)
