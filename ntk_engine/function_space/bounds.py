"""How far rounding may move a prediction: perturbation of K/N to first order, and the rounding of what follows.

f(K/N + E) − f(K/N) is U (F ∘ UᵀEU) Uᵀ to first order, F_ij = (f(λ_i) − f(λ_j))/(λ_i − λ_j) (Daletskii, Krein 1965).
The computed decomposition is an exact one of K/N + E, and its residuals ρ bound the columns of UᵀEU, and by symmetry
its rows. Rounding of sums of n terms is counted as 4 √n eps of them, which independent errors hardly ever exceed
(Higham, Mary 2019).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor

    from ntk_engine.function_space.graded import Decomposition

Function = Callable[["Tensor"], "Tensor"]

_EPS = 2.0**-52
_STEP = 1e-6
_ROWS = 64
# At how many times, about, bounds that take long are found.
_TIMES = 64


def moved(found: Decomposition, function: Function, values: Tensor, reach: Tensor, *, convex: bool) -> Tensor:
    """Bounds (N) on the components of bᵀUᵀ(f(K/N + E) − f(K/N))U, of |b| at most `reach`, f having these `values`.

    By Cauchy and Schwarz on each column of E: its norm is ρ_j on components that are no smaller than j, and on the
    smaller ones, which have rows of smaller norms, at most √N times those.

    convex: whether f is, and falls. Then |F_ij| falls with λ_i, so that the least eigenvalue of half an octave speaks
    for all of it, and O(N) numbers are enough; otherwise O(N²) are made, in rows that stay in cache.
    """
    rho = found.residuals
    bins, least = _half_octaves(found) if convex else (None, torch.arange(len(rho), device=rho.device))
    squares = reach.square()
    weights = squares if bins is None else squares.new_zeros(len(least)).index_add(0, bins, squares)
    steep = slope(found, function, values)
    larger, smaller = torch.zeros_like(rho), torch.zeros_like(rho)
    for some, weight in zip(torch.split(least, _ROWS), torch.split(weights, _ROWS), strict=True):
        sizes = _divided(found.values, values, steep, some).square_().mul_(weight[:, None])
        above = rho[some][:, None] >= rho
        larger += torch.where(above, sizes, 0.0).sum(dim=0)
        smaller += torch.where(above, 0.0, sizes * rho[some][:, None].square()).sum(dim=0)
    total: Tensor = larger.sqrt() * rho + smaller.sqrt() * len(rho) ** 0.5
    return total


def _half_octaves(found: Decomposition) -> tuple[Tensor, Tensor]:
    """Which of m bins each eigenvalue is in (N), and the place of the least in each (m); one bin has one residual."""
    places = torch.arange(len(found.values), device=found.values.device)
    octaves = (2 * found.values.clamp_min(torch.finfo(found.values.dtype).tiny).log2()).floor().long()
    _, group = torch.unique_consecutive(found.residuals, return_inverse=True)
    _, bins = torch.unique(octaves + 4096 * group, return_inverse=True)
    last = places.new_zeros(int(bins.max()) + 1).scatter_reduce(0, bins, places, "amax", include_self=False)
    return bins, last


def slope(found: Decomposition, function: Function, values: Tensor) -> Tensor:
    """At least |f'(λ)| (N): the steeper of the slopes over a step of 10⁻⁶ λ; 0 on the null space."""
    step = _STEP * found.values
    up, down = function(found.values + step), function(found.values - step)
    steep = (torch.maximum((up - values).abs(), (values - down).abs()) + 2 * _EPS * values.abs()) / step
    steep[found.rank :] = 0.0
    return steep


def _divided(lam: Tensor, values: Tensor, steep: Tensor, rows: Tensor) -> Tensor:
    """At least |F_ij| for some i (rows×N); for eigenvalues within 10⁻⁶ of each other, the steeper slope there."""
    mine = lam[rows][:, None]
    apart = (mine - lam).abs_()
    near = apart <= _STEP * torch.maximum(mine, lam)
    rounded = 2 * _EPS * values.abs()
    secant = (values[rows][:, None] - values).abs_().add_(rounded).add_(rounded[rows][:, None])
    secant.div_(apart.masked_fill_(near, 1.0))
    return torch.where(near, torch.maximum(steep[rows][:, None], steep), secant)


def largest(x: Tensor) -> Tensor:
    """The largest size in each column (m) of x (n×m), without a copy of x."""
    low, high = x.amin(dim=0), x.amax(dim=0)
    return torch.maximum(-low, high)


def at_some(times: Tensor, bound: Callable[[float], Iterable[float]]) -> Tensor:
    """Bounds (T×c) at T times, rising, of numbers c that are found at some 64 of these, the first and the last too.

    In between the larger of the neighbours stands for them.
    """
    places = torch.arange(len(times), device=times.device)
    some = torch.unique(torch.cat([places[:: max(len(times) // _TIMES, 1)], places[-1:]]))
    found = times.new_tensor([list(bound(time)) for time in times[some].tolist()])
    after = torch.searchsorted(some, places)
    return torch.maximum(found[after], found[(after - 1).clamp_min(0)])


def rounding(n: int) -> float:
    """What a sum of n terms errs by, relative to the sum of their sizes: of few, some roundings of each too."""
    return 4 * math.sqrt(n + 8) * _EPS


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
