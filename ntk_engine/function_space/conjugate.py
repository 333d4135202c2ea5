"""(K + s) w = y for matrices that are only multiplied with: conjugate gradients, refined by exact residuals.

A rough product, of a kernel held in few digits, carries the iterations; after some the residual is made anew by the
exact product, and what is missing is solved for in turn: what is found is right to the digits of the exact one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import torch

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["NoSolutionError", "Solution", "solve"]

Linear = Callable[["Tensor"], "Tensor"]

# What a round of iterations lowers residuals by, and how many it may take.
_ROUND, _MOST_ITERATIONS, _MOST_ROUNDS = 1e-5, 2000, 12


class Solution(NamedTuple):
    """w, and how well it is known."""

    weights: Tensor
    """w, N×k."""
    rest: Tensor
    """y − (K + s) w by the exact product, N×k,"""
    residuals: Tensor
    """and its length over that of y, of every column (k)."""
    iterations: int
    """Rough products,"""
    rounds: int
    """and exact ones."""


class NoSolutionError(ArithmeticError):
    """Residuals do not fall: the matrix is singular, to the digits that are there, on what is asked for."""


def solve(exact: Linear, rough: Linear, precondition: Linear, y: Tensor, tolerance: float) -> Solution:
    """w with residuals of at most `tolerance` of y's columns (N×k); products are those with K + s.

    Raises NoSolutionError where residuals fall no further.
    """
    size = y.norm(dim=0)
    size = torch.where(size > 0.0, size, 1.0)
    weights, rest, iterations = torch.zeros_like(y), y.clone(), 0
    residuals = rest.norm(dim=0) / size
    for rounds in range(_MOST_ROUNDS):
        if float(residuals.max()) <= tolerance:
            return Solution(weights, rest, residuals, iterations, rounds)
        # No more digits than are asked for.
        aim = max(_ROUND, 0.3 * tolerance / float(residuals.max()))
        step, taken = _iterate(rough, precondition, rest, aim)
        iterations += taken
        weights = weights + step
        rest = y - exact(weights)
        now = rest.norm(dim=0) / size
        if float(now.max()) > 0.5 * float(residuals.max()):
            break
        residuals = now
    raise NoSolutionError(
        f"residuals stay at {float(residuals.max()):.1e} of the targets, above {tolerance:.1e}: "
        "the kernel is too near to a singular one; a ridge, or a larger tolerance, would be met"
    )


def _iterate(multiply: Linear, precondition: Linear, y: Tensor, aim: float) -> tuple[Tensor, int]:
    """Conjugate gradients, column by column in one product, until every residual is at most `aim` of what it was."""
    weights, rest = torch.zeros_like(y), y.clone()
    wanted = aim * y.norm(dim=0)
    z = precondition(rest)
    direction, energy, taken = z, (rest * z).sum(dim=0), 0
    while taken < _MOST_ITERATIONS:
        taken += 1
        image = multiply(direction)
        bent = (direction * image).sum(dim=0)
        # A column that is done, or a direction that rounding has made of no use, stays where it is.
        length = torch.where((bent > 0.0) & (rest.norm(dim=0) > wanted), energy / bent, 0.0)
        weights, rest = weights + length * direction, rest - length * image
        if bool((rest.norm(dim=0) <= wanted).all()) or bool((length == 0.0).all()):
            break
        z = precondition(rest)
        new = (rest * z).sum(dim=0)
        direction = z + torch.where(energy > 0.0, new / energy, 0.0) * direction
        energy = new
    return weights, taken
