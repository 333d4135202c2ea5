"""What one row needs: moments of an activation over the line, and its values as coordinates in which rows differ.

With X(z) = σ(√q z)/√E[σ²], split into its even and odd part, rows of roots √q and √q' are
    ½E[(X(z) − X'(z))²] = ½|X_e − X_e'|² + ½|X_o − X_o'|²
apart at equal z, and at opposite z the odd parts change their sign. Coordinates are values at the nodes of a rule,
times the roots of its weights.
"""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING, NamedTuple

import torch

from ntk_engine.activations.quadrature import Rule, density

if TYPE_CHECKING:
    from torch import Tensor

    from ntk_engine.activations.correlation import Correlated
    from ntk_engine.activations.numeric import Numeric

# e^{-z²/2} beyond which nothing is looked for.
_FARTHEST = 38.0
_NEGLIGIBLE = 43.0


class Row(NamedTuple):
    """Of n rows."""

    scale: Tensor
    """√E[σ²]: n."""
    slope: Tensor
    """√E[σ'²]: n."""
    mean: Tensor
    """E[σ]/√E[σ²]: n."""
    even: Tensor
    """Coordinates of X_e, half the sum of X(z) and X(−z): n×M."""
    odd: Tensor
    """Coordinates of X_o: n×M."""


class Line:
    """The rule on the line for rows whose roots are `most` at most."""

    def __init__(self, activation: Numeric, correlated: Correlated, most: float, rule: Rule) -> None:
        self.activation = activation
        self.correlated = correlated
        self.rule = rule
        self._scale = 1.0 / most
        self._kinks = sorted({abs(kink) for kink in activation.kinks} - {0.0})

    def rows(self, root: Tensor) -> Row:
        """Their moments and coordinates; root: n. Without kinks but 0, all rows have the same nodes."""
        z, weights = self._nodes(root)
        right, left = (self.activation.value(root[:, None] * side) for side in (z, -z))
        # Divided by the largest value first: no square overflows or underflows.
        largest = torch.maximum(right.abs(), left.abs()).amax(-1, keepdim=True).detach()
        largest = largest.masked_fill(largest == 0.0, 1.0)
        right, left = right / largest, left / largest
        norm = _root((weights * (right.square() + left.square())).sum(-1, keepdim=True))
        half = weights.sqrt() / norm.masked_fill(norm == 0.0, 1.0) * sqrt(0.5)
        slopes = [self.activation.derivative(root[:, None] * side) for side in (z, -z)]
        return Row(
            (norm * largest).squeeze(-1),
            _root((weights * (slopes[0].square() + slopes[1].square())).sum(-1)),
            ((right + left) * half * weights.sqrt()).sum(-1) * sqrt(2.0),
            (right + left) * half,
            (right - left) * half,
        )

    def slopes(self, root: Tensor) -> tuple[Tensor, Tensor]:
        """E[σ'(√q z) σ'(√q' z)] and E[σ'(√q z) σ'(−√q' z)] of all pairs of rows without kinks but 0: two n×n."""
        z, weights = self._nodes(root)
        right, left = (self.activation.derivative(root[:, None] * side) for side in (z, -z))
        f, turned = torch.cat([right, left], -1), torch.cat([left, right], -1)
        weighted = f * torch.cat([weights, weights], -1)
        return weighted @ f.mT, weighted @ turned.mT

    def _nodes(self, root: Tensor) -> tuple[Tensor, Tensor]:
        """Nodes z > 0 and their weights times the density: n×M, or 1×M where all rows share them."""
        like = root.detach()[:1]
        levels = self.rule.levels(self._scale)
        graded = self.rule.graded(like * 0.0 + self._scale, levels)[..., levels:]
        edges = [self.rule.even_edges(like)[None, self.rule.even_panels // 2 :], graded]
        if self._kinks:
            kinks = root.new_tensor(self._kinks) / root[:, None]
            edges = [*(item.expand(len(root), -1) for item in edges), kinks]
        z, weights = self.rule.panels(torch.cat(edges, -1).clamp_max(self.rule.reach).sort(-1).values)
        return z, weights * density(z)


def _root(x: Tensor) -> Tensor:
    zero = x <= 0.0
    return x.masked_fill(zero, 1.0).sqrt().masked_fill(zero, 0.0)


def reach(activation: Numeric, roots: Tensor) -> float:
    """Where σ(√q z)² e^{−z²/2} and that of √q σ' have fallen below 1e-18 of their largest value, for these rows.

    The first such point of a grid: between it and the one before, what vanishes beyond a kink may not be 0 yet. Raises
    ArithmeticError if they have not fallen so at z = 38, the end of what float64 can weigh.
    """
    z = torch.linspace(0.0, _FARTHEST, 305, dtype=torch.float64)
    furthest = 0.0
    for root in roots:
        for values in (activation.value, activation.derivative):
            x = torch.cat([values(root * z), values(-root * z)]).abs()
            if not bool(x.isfinite().all()):
                raise ArithmeticError(f"σ is not finite in the range of its inputs at √q = {float(root):.3g}")
            height = 2.0 * x.clamp_min(1e-300).log() - torch.cat([z, z]).square() * 0.5
            significant = torch.cat([z, z])[height > height.max() - _NEGLIGIBLE]
            furthest = max(furthest, float(significant.max()))
    if furthest > _FARTHEST - 1.0:
        raise ArithmeticError(f"E[σ(√q z)²] does not converge for √q up to {float(roots.max()):.3g}")
    return furthest + float(z[1])
