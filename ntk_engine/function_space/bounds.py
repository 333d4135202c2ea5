"""How far rounding may move a prediction: perturbation of K/N to first order, and the rounding of what follows.

f(K/N + E) − f(K/N) is U (F ∘ UᵀEU) Uᵀ to first order, F_ij = (f(λ_i) − f(λ_j))/(λ_i − λ_j) (Daletskii, Krein 1965).
The computed decomposition is an exact one of K/N + E, and its residuals ρ bound the columns of UᵀEU, and by symmetry
its rows. Rounding of sums of n terms is counted as 4 √n eps of them, which independent errors hardly ever exceed
(Higham, Mary 2019).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor

    from ntk_engine.function_space.graded import Decomposition

Function = Callable[["Tensor"], "Tensor"]

_EPS = 2.0**-52
_STEP = 1e-6


def moved(found: Decomposition, function: Function, values: Tensor, reach: Tensor) -> Tensor:
    """Bounds (N) on the components of bᵀUᵀ(f(K/N + E) − f(K/N))U, of |b| at most `reach`, f having these `values`.

    By Cauchy and Schwarz on each column of E: its norm is ρ_j on components that are no smaller than j, and on the
    smaller ones, which have rows of smaller norms, at most √N times those.
    """
    rho = found.residuals
    sizes = (reach[:, None] * _slopes(found, function, values)).square()
    larger = torch.where(rho[:, None] >= rho, sizes, 0.0).sum(dim=0).sqrt() * rho
    smaller = torch.where(rho[:, None] < rho, sizes * rho[:, None].square(), 0.0).sum(dim=0).sqrt()
    total: Tensor = larger + smaller * len(rho) ** 0.5
    return total


def _slopes(found: Decomposition, function: Function, values: Tensor) -> Tensor:
    """|F_ij| (N×N); for eigenvalues within 10⁻⁶ of each other, the steeper of the slopes there, over that step."""
    lam = found.values
    step = _STEP * lam
    up, down = function(lam + step), function(lam - step)
    slope = torch.maximum((up - values).abs(), (values - down).abs()) / step
    slope[found.rank :] = 0.0
    apart = (lam[:, None] - lam).abs()
    near = apart <= _STEP * torch.maximum(lam[:, None], lam)
    secant = (values[:, None] - values).abs() / apart.masked_fill(near, 1.0)
    return torch.where(near, torch.maximum(slope[:, None], slope), secant)


def rounding(n: int) -> float:
    """What a sum of n terms errs by, relative to the sum of their sizes."""
    return 4 * math.sqrt(n) * _EPS


def own_errors(found: Decomposition, sizes: Tensor, whole: Tensor) -> Tensor:
    """Bounds (N×k) on errors of the components (of `sizes`, N×k) of k vectors with norms `whole`.

    A large component errs by rounding of all of the vector; a small one, in two words, relative to itself, and by what
    its eigenvector has of others.
    """
    errors = 4 * _EPS * sizes + found.mixing[:, None] * whole
    errors[: found.large] = rounding(len(sizes)) * whole
    return errors


def mean_bound(
    values: Tensor, moving: Tensor, reach: Tensor, reach_error: Tensor, c: Tensor, c_error: Tensor
) -> Tensor:
    """Bounds (k) on the error of Σ_j b_j f_j c_jk, of b the largest of all points, and `moving` its sensitivity."""
    size, reach = values.abs()[:, None], reach[:, None]
    parts = torch.linalg.vector_norm(size * reach_error[:, None] * c, dim=0) + torch.linalg.vector_norm(
        size * reach * c_error, dim=0
    )
    total: Tensor = (moving[:, None] * c + rounding(len(c)) * size * reach * c).sum(dim=0) + parts
    return total
