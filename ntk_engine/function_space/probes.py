"""What errors of steps come to where steps may make them grow: normal ones, followed beside the descent.

An error ε_i of norm at most ν_i that a step makes in w is carried on, to first order, by the curvature H_s of the cost
at f_s, which is known on the way:

    Δw ← μ Δw − H_s K ΔI/N + ε,     ΔI ← ΔI + η Δw,     Δf = −(1/N) K(x, X) ΔI

So a value of f errs by Σ_i r_i·ε_i, with rows r_i of products of these maps, and by Cauchy and Schwarz at most by
√s ‖(ν_i r_i)_i‖ after s steps. Of normal numbers ν_i g_i in place of ε_i it errs by a normal number v of that norm as
its deviation, and over c = 8 descents Σ v² is below q times its square with a chance of at most (q/2)^(c/2)/(c/2)!,
which is 10⁻¹². Nothing is asked of curvatures, of η or of μ: where the descent is stable errors stay small, and where
it is not they are seen to grow.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from ntk_engine.chance import least_square

if TYPE_CHECKING:
    from ntk_engine.costs import Cost
    from ntk_engine.function_space.blocks import Blocks
    from ntk_engine.function_space.growth import Step

__all__ = ["PROBES", "Probes"]

PROBES = 8
"""c: descents of normal errors, beside that of f."""
_LEAST = least_square(PROBES)


@dataclass
class Probes:
    """Normal errors after some steps."""

    kernel: Blocks
    cost: Cost
    learning_rate: float
    momentum: float
    outputs: int

    def __post_init__(self) -> None:
        train = self.kernel.train
        # Δw, ΔI, and −Δf on the points trained on: N×k×c.
        self._w, self._total, self._image = (train.new_zeros(len(train), self.outputs, PROBES) for _ in range(3))
        self._generator = torch.Generator(train.device).manual_seed(0)
        self._steps = 0

    def after(self, step: Step) -> None:
        """A step more: O(N²kc + Nk²c)."""
        curved = self.cost.curvature(step.f, step.y) @ self._image
        drawn = torch.empty_like(self._w).normal_(generator=self._generator)
        self._w = drawn.mul_(step.wrong).add_(self._w, alpha=self.momentum).sub_(curved)
        self._total.add_(self._w, alpha=self.learning_rate)
        self._image = self._times(self.kernel.train)
        self._steps += 1

    def furthest(self) -> float:
        """A bound on what they come to in any value of f: O(nNkc) where there are other points."""
        cross = self.kernel.cross
        seen = [self._image] if cross is None or not len(cross) else [self._image, self._times(cross)]
        largest = max(float(some.square().sum(dim=-1).amax()) for some in seen)
        return math.sqrt(self._steps * largest / _LEAST)

    def _times(self, rows: torch.Tensor) -> torch.Tensor:
        """K(x, X) ΔI/N, of these rows of K."""
        found = rows @ self._total.flatten(1) / len(self._total)
        return found.view(len(rows), *self._total.shape[1:])
