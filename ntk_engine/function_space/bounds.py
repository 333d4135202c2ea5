"""How far rounding may move a prediction: perturbation of K/N to first order, and the rounding of what follows.

f(K/N + E) − f(K/N) is U (F ∘ UᵀEU) Uᵀ to first order, F_ij = (f(λ_i) − f(λ_j))/(λ_i − λ_j) (Daletskii, Krein 1965).
The computed decomposition is an exact one of K/N + E, and its residuals ρ bound UᵀEU: |e_ij| ≤ min(ρ_i, ρ_j).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch

from ntk_engine.function_space.graded import LARGE

if TYPE_CHECKING:
    from torch import Tensor

    from ntk_engine.function_space.graded import Decomposition

Function = Callable[["Tensor"], "Tensor"]

_EPS = 2.0**-52
_STEP = 1e-6


def sensitivity(found: Decomposition, function: Function, values: Tensor) -> Tensor:
    """|F_ij| min(ρ_i, ρ_j) (N×N), for a function with these values at the eigenvalues.

    Where two eigenvalues are within 10⁻⁶ of each other, F is the steeper of the slopes there, over that step.
    """
    lam, rho = found.values, found.residuals
    step = _STEP * lam
    up, down = function(lam + step), function(lam - step)
    slope = torch.maximum((up - values).abs(), (values - down).abs()) / step
    slope[found.rank :] = 0.0
    apart = (lam[:, None] - lam).abs()
    near = apart <= _STEP * torch.maximum(lam[:, None], lam)
    secant = (values[:, None] - values).abs() / apart.masked_fill(near, 1.0)
    return torch.where(near, torch.maximum(slope[:, None], slope), secant) * torch.minimum(rho[:, None], rho)


def own_errors(found: Decomposition, sizes: Tensor, whole: Tensor) -> Tensor:
    """Bounds on errors of components (N) of vectors with the norm `whole`, by rounding of the basis and of sums.

    A large component errs by rounding of all of the vector; a small one, in two words, relative to itself.
    """
    n = len(sizes)
    errors = _EPS * sizes + (_EPS / LARGE) ** 2 * whole
    errors[: found.large] = n * _EPS * whole
    return errors


def mean_bound(values: Tensor, moved: Tensor, reach: Tensor, reach_error: Tensor, c: Tensor, c_error: Tensor) -> Tensor:
    """Bounds (k) on the error of Σ_j b_j f_j c_jk, of b the largest of all points, and `moved` its sensitivity."""
    size = values.abs()[:, None]
    rounded = size * (reach_error[:, None] * c + reach[:, None] * (c_error + len(c) * _EPS * c))
    return (moved[:, None] * c + rounded).sum(dim=0)
