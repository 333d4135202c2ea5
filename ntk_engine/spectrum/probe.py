"""How large a matrix can be where an iteration has not looked, by products with normal vectors.

Of A = K/N let C = (I − VVᵀ)A(I − VVᵀ) be what an orthonormal V leaves, μ > 0 its largest eigenvalue and u a unit vector
of it. With y_0 = (I − VVᵀ)G for a normal G (N×b) and y_{j+1} = (I − VVᵀ)A y_j is uᵀy_j = μ^j uᵀG, so that

    μ^j ‖uᵀG‖ ≤ ‖y_j‖

As u does not depend on G, ‖uᵀG‖² is χ² of b degrees of freedom, which is too small with a chance of 10⁻¹² (`chance`).
In three passes flat spectra lose a factor of two or three, steep ones less.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import torch

from ntk_engine.chance import least_square

if TYPE_CHECKING:
    from torch import Tensor

PASSES = 3
"""j, in the end: each costs as much as one of the iteration."""
# Another one than an iteration begins with, which its V depends on.
_SEED = 2**61 - 1


class Probe(NamedTuple):
    """After j passes; eigenvalues are counted in a unit of the caller's."""

    least: float
    """‖uᵀy_0‖ is not below it."""
    passes: int = 0
    """j."""
    rest: float = math.inf
    """No eigenvalue of C is above it."""
    error: float = 0.0
    """What roundings of y_j come to (norm)."""

    def after(self, block: Tensor, image: Tensor, rounding: float) -> Probe:
        """With y_j = `block` and y_{j+1} = `image`, to which ‖y_j‖ `rounding` may have been added."""
        passes = self.passes + 1
        carried = self.rest * self.error if self.error else 0.0
        error = carried + rounding * float(torch.linalg.vector_norm(block))
        size = float(torch.linalg.matrix_norm(image, 2)) + error
        return Probe(self.least, passes, min(self.rest, (size / self.least) ** (1 / passes)), error)


def normal(n: int, width: int, like: Tensor) -> Tensor:
    """G (n×width)."""
    # Drawn on the CPU, so that it is the same on every device.
    drawn = torch.randn(n, width, dtype=torch.float64, generator=torch.Generator().manual_seed(_SEED))
    return drawn.to(like)


def begun(block: Tensor, rounding: float) -> Probe:
    """With y_0 (N×b), to each column of which its norm times `rounding` may have been added."""
    return Probe(math.sqrt(least_square(block.shape[1])) - rounding * float(torch.linalg.vector_norm(block)))
