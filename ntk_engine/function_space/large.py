"""The end of training by least squares on more points than a matrix of eigenvectors can be held for (t = ∞).

f_∞ = f_0 + κ w with (K + N r) w = y − f_0. Half of K is held in float32 (2 N² bytes), on which conjugate gradients
iterate behind a preconditioner of few columns; residuals are made by tiles in float64 that are thrown away.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import torch

from ntk_engine import infinite
from ntk_engine.function_space import bounds
from ntk_engine.function_space.conjugate import solve
from ntk_engine.function_space.held import Held
from ntk_engine.function_space.pivoted import pivoted
from ntk_engine.spectrum import product

if TYPE_CHECKING:
    from torch import Tensor

    from ntk_engine.architecture import Architecture
    from ntk_engine.function_space.conjugate import Solution

__all__ = ["Ended", "Fitted", "ended"]

_ROWS, _COLUMNS = 256, 512
# Columns for the preconditioner, and to how many digits what errors come to is asked for.
_RANK, _NEARLY = 600, 0.05


class Ended(NamedTuple):
    """f_∞ on some points."""

    mean: Tensor
    """n×k."""
    error_bound: float
    """On every entry's error by what the solution lacks: √K(x,x) √(rᵀ (K + N r)⁻¹ r), r the residuals, to a tenth."""


@dataclass(frozen=True)
class Fitted:
    """Weights w of the kernel's functions."""

    arch: Architecture
    kernel: str
    x: Tensor
    weights: Tensor
    """N×k."""
    trained: Tensor
    """f_∞ − f_0 on the points trained on (N×k): what was to be gained, less N r w and what the solution lacks."""
    residuals: Tensor
    """‖y − f_0 − (K + N r) w‖/‖y − f_0‖ of every output (k), in float64,"""
    residuals_bound: float
    """and what rounding may have added to any of them."""
    lacking: float
    """√(rᵀ (K + N r)⁻¹ r), of the output of which it is largest."""
    iterations: int
    """Of conjugate gradients."""

    def at(self, x: Tensor) -> Ended:
        """κ w on the rows of x (n×d), tile by tile."""
        a, b, work = infinite.rows(x), infinite.rows(self.x), infinite.Workspace()
        mean = x.new_zeros(len(x), self.weights.shape[1])
        for at in infinite.blocks(len(x), len(self.x), _ROWS, gram=False, width=_COLUMNS):
            tile = infinite.tile(self.arch, a, b, at, work, kernels=(self.kernel,)).arrays[self.kernel]
            mean[at.rows] += tile @ self.weights[at.columns]
        return Ended(mean, self.error_bound(x))

    def error_bound(self, x: Tensor) -> float:
        """That of f_∞ on the rows of x."""
        own = float(infinite.diagonal(self.arch, x, kernels=[self.kernel]).arrays[self.kernel].max())
        # Of a product with w, whose entries K(x, x_j) are at most √(K(x,x) K(x_j,x_j)).
        rounding = len(self.x) ** 0.5 * torch.finfo(x.dtype).eps * float(self.weights.norm(dim=0).max()) * own
        return float(1.1 * own**0.5 * self.lacking + rounding)


def ended(
    arch: Architecture,
    x: Tensor,
    y: Tensor,
    *,
    kernel: str = "ntk",
    ridge: float = 0.0,
    tolerance: float = 1e-10,
    rank: int = _RANK,
) -> Fitted:
    """Train on inputs x (N×d) and what f is to gain, y − f_0 (N×k), to the end; float64.

    ridge: r, in units of the eigenvalues of K/N. tolerance: of residuals. Raises NoSolutionError where the kernel is
    too near to a singular one for it, and ValueError as `infinite.rows` does.
    """
    held, shift = Held(arch, x, kernel), len(x) * ridge
    diagonal = infinite.diagonal(arch, x, kernels=[kernel]).arrays[kernel]
    precondition = pivoted(
        diagonal, lambda some: infinite.kernel(arch, x, x[some], kernels=[kernel]).arrays[kernel], rank, shift
    )
    multiply = product(arch, x, kernel=kernel, threads=torch.get_num_threads())

    def exact(v: Tensor) -> Tensor:
        return multiply(v) + shift * v

    def rough(v: Tensor) -> Tensor:
        return held(v) + shift * v

    found = solve(exact, rough, precondition.apply, y, tolerance)
    lacking = solve(rough, rough, precondition.apply, found.rest, _NEARLY)
    energy = (found.rest * lacking.weights).sum(dim=0).clamp_min(0.0)
    return Fitted(
        arch,
        kernel,
        x,
        found.weights,
        y - shift * found.weights - found.rest,
        found.residuals,
        _rounded(diagonal, shift, y, found),
        float(energy.max()) ** 0.5,
        found.iterations + lacking.iterations,
    )


def _rounded(diagonal: Tensor, shift: float, y: Tensor, found: Solution) -> float:
    """Of y − (K + s) w, by |K(x, x')| ≤ √(K(x,x) K(x',x')), and of its length, relative to those of y."""
    sizes, eps = y.norm(dim=0), torch.finfo(y.dtype).eps
    summed = diagonal.sum().sqrt() * (diagonal.clamp_min(0.0).sqrt()[:, None] * found.weights.abs()).sum(dim=0)
    rests = bounds.rounding(len(y)) * summed + 2 * eps * (shift * found.weights.norm(dim=0) + sizes)
    relative = rests / torch.where(sizes > 0.0, sizes, 1.0) + bounds.rounding(len(y)) * found.residuals
    return float(relative.max())
