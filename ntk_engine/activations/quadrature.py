"""Gauss-Legendre rules over panels that are graded towards points, for Gaussian expectations on the line.

Panels grow by a factor of 3 away from a point: whatever is analytic on the scale of its distance to the point, like a
function of √q z for any root, is resolved by the same number of nodes a panel.
"""

from __future__ import annotations

from functools import lru_cache
from math import ceil, log, pi, sqrt
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch

if TYPE_CHECKING:
    from torch import Tensor

GROWTH = 3.0
# Panels of this width take e^{−z²/2} to 1e-17 with NODES nodes.
WIDTH = 4.7
NODES = 18
# Features below this width of z count for nothing.
FINEST = 1e-18


class Rule(NamedTuple):
    """Where the integrals over z are cut off, and how many nodes a panel has."""

    reach: float
    nodes: int = NODES

    def finer(self) -> Rule:
        """A rule with other nodes and other panels, to check by."""
        return Rule(self.reach * 1.07, self.nodes + 7)

    def levels(self, scale: float) -> int:
        """How many gradings lead from a scale to the reach."""
        return max(0, ceil(log(self.reach / max(scale, FINEST), GROWTH)))

    def graded(self, scale: Tensor, levels: int) -> Tensor:
        """0 and ± scale · 3^k, k < levels (…×(2·levels + 1)), in rising order; scale: any shape."""
        powers = scale.clamp_min(FINEST)[..., None] * scale.new_tensor([GROWTH**k for k in range(levels)])
        return torch.cat([-powers.flip(-1), torch.zeros_like(scale)[..., None], powers], -1)

    def even_edges(self, like: Tensor) -> Tensor:
        """Edges of equal panels over the whole reach, symmetric about 0, which is one of them."""
        return torch.linspace(-self.reach, self.reach, self.even_panels + 1, dtype=like.dtype, device=like.device)

    @property
    def even_panels(self) -> int:
        """How many equal panels cover the reach."""
        return 2 * ceil(self.reach / WIDTH)

    def panels(self, edges: Tensor) -> tuple[Tensor, Tensor]:
        """Nodes and weights of ∫ dx between edges in rising order (…×(E+1)): two …×(E · nodes)."""
        nodes, weights = (item.to(edges) for item in _legendre(self.nodes))
        low, width = edges[..., :-1, None], edges.diff(dim=-1)[..., None]
        return (low + width * nodes).flatten(-2), (width * weights).flatten(-2)


@lru_cache(8)
def _legendre(n: int) -> tuple[Tensor, Tensor]:
    # One step of Newton's method in extended precision: numpy's weights err by several units of the last digit.
    x: np.ndarray[Any, Any] = np.polynomial.legendre.leggauss(n)[0].astype(np.longdouble)
    for _ in range(2):
        previous, value = np.ones_like(x), x
        for k in range(2, n + 1):
            previous, value = value, ((2 * k - 1) * x * value - (k - 1) * previous) / k
        slope = n * (previous - x * value) / (1 - x * x)
        x = x - value / slope
    weights = 1 / ((1 - x * x) * slope * slope)
    return tuple(torch.from_numpy(item.astype(np.float64)) for item in ((x + 1) / 2, weights))  # type: ignore[return-value]


def unit_rule(n: int) -> tuple[Tensor, Tensor]:
    """Nodes and weights of the Gauss-Legendre rule on [0, 1]."""
    return _legendre(n)


def density(z: Tensor) -> Tensor:
    """The normal density."""
    return (z * z * -0.5).exp() * (1.0 / sqrt(2.0 * pi))
