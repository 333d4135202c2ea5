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
    """A = K/N in a Krylov basis V (N×b), and in what is orthogonal to it: A = [[B, Eᵀ], [E, C]]."""

    later: Tensor
    """The eigenvalues of B after those that were found, falling; there may be none."""
    couplings: Tensor
    """S (r×as many) with SᵀS = (EY)ᵀEY, Y their eigenvectors."""
    rounding: float
    """What V's loss of orthogonality and roundings of K V may move an eigenvalue by, to first order."""
    rest: float
    """What no eigenvalue of C is above, as far as a probe has seen; inf without one, −inf where b = N."""

    @property
    def ceiling(self) -> float:
        """What no eigenvalue of A beside those found exceeds, but for their residuals; inf if nothing is known.

        The largest of what was not found is at most that of [[diag θ_i, Sᵀ], [S, c]], c = `rest`.
        """
        if math.isinf(self.rest):
            first = float(self.later[0]) if len(self.later) else -math.inf
            return math.inf if self.rest > 0 else first + self.rounding
        m, r = len(self.later), len(self.couplings)
        whole = torch.diag(torch.cat([self.later, self.later.new_full((r or 1,), self.rest)]))
        whole[m : m + r, :m] = self.couplings
        unit = float(whole.abs().amax()) or 1.0
        # The triangle beneath the diagonal is read; an eigenvalue of so many rows errs by their number of roundings.
        eps = torch.finfo(whole.dtype).eps * len(whole)
        most = torch.linalg.eigvalsh(whole / unit)[-1] + eps * torch.linalg.vector_norm(whole / unit)
        return float(most) * unit + self.rounding
