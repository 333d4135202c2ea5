"""What normal numbers certify: bounds that fail with a chance of 10⁻¹² at most."""

from __future__ import annotations

import math

__all__ = ["least_square"]

_CHANCE = 1e-12


def least_square(count: int) -> float:
    """What Σ z² of c = `count` independent normal z is above: it is below 2q with a chance below q^(c/2)/(c/2)!."""
    half = count / 2
    # Γ(c/2 + 1) is the factorial.
    return 2 * math.exp((math.lgamma(half + 1) + math.log(_CHANCE)) / half)
