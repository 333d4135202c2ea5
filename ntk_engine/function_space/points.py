"""The Gaussian f_t on training points and on test points, in the eigenbasis of K/N: what is prepared, and one time.

With D_t = I − A_t on the training points, everything is a sum over components: c = Uᵀ(y − f_0), S = UᵀΣ(X, X)U.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import torch

from ntk_engine.function_space import bounds

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from ntk_engine.function_space.dynamics import Dynamics
    from ntk_engine.function_space.graded import Decomposition

_EPS = 2.0**-52


class Moments(NamedTuple):
    """f_t on n points; of T times, with T before every shape."""

    mean: Tensor
    """n×k."""
    variance: Tensor | None
    """n, the same for every output; None where f_0 is given, or no covariance was asked for."""
    covariance: Tensor | None
    """n×n; None unless the full one was asked for."""
    mean_bound: Tensor
    """A bound on every entry's error, for the kernels as they were given (a number)."""
    covariance_bound: Tensor | None
    """The same for variances and covariances."""


@dataclass(frozen=True, slots=True)
class Components:
    """What training points and test points share."""

    found: Decomposition
    dynamics: Dynamics
    ridge: float
    c: Tensor
    """Uᵀ(y − f_0), N×k."""
    c_error: Tensor
    """Bounds on their errors, N×k."""
    prior: Tensor | None
    """S (N×N), where a covariance is wanted,"""
    scales: Tensor | None
    """and what it is right to rounding relative to (N), `scales_of` it."""
    full: bool

    def gain(self, lam: Tensor, t: float) -> Tensor:
        """g_t(λ + r), and 0 on the null space, where κu = 0."""
        values = self.dynamics.gain(lam + self.ridge, t)
        values[self.found.rank :] = 0.0
        return values

    def left(self, lam: Tensor, t: float) -> Tensor:
        """1 − λ g_t(λ + r) = (r + λ d_t(λ + r))/(λ + r), and 1 on the null space."""
        total = lam + self.ridge
        values = (self.ridge + lam * self.dynamics.decay(total, t)) / total
        values[self.found.rank :] = 1.0
        return values

    def moved(self, function: Callable[[Tensor, float], Tensor], t: float, values: Tensor, reach: Tensor) -> Tensor:
        """`bounds.moved` for `gain` or `left`."""
        convex = self.dynamics.convex(float(self.found.values[0]) + self.ridge)
        return bounds.moved(self.found, lambda lam: function(lam, t), values, reach, convex=convex)


def scales_of(prior: Tensor, found: Decomposition) -> Tensor:
    """√S_jj for small components, √‖S‖ for large ones (N)."""
    scales = prior.diagonal().clamp_min(0.0).sqrt()
    scales[: found.large] = torch.linalg.matrix_norm(prior).sqrt()
    return scales


@dataclass(frozen=True, slots=True)
class TrainPoints:
    """m_t = f_0 + U (1 − D) c and the covariance U D S D Uᵀ."""

    shared: Components
    start: Tensor
    """f_0 (N×k), 0 where it is random."""
    reach: Tensor
    """The largest entry of each eigenvector (N)."""

    def at(self, t: float) -> Moments:
        """One time: O(N² k), and two products of N×N matrices for a covariance."""
        shared, u = self.shared, self.shared.found.basis.high
        values = shared.left(shared.found.values, t)
        fitted = shared.found.values * shared.gain(shared.found.values, t)
        reach, moved = self.reach, shared.moved(shared.left, t, values, self.reach)
        errors = torch.full_like(reach, bounds.rounding(len(u)))
        bound = bounds.mean_bound(fitted, moved, reach, errors, shared.c.abs(), shared.c_error).amax()
        mean = self.start + u @ (fitted[:, None] * shared.c)
        # At t = 0 it is f_0 itself.
        bound = bound + _EPS * mean.abs().amax() if t > 0 else torch.zeros_like(bound)
        if shared.prior is None or shared.scales is None:
            return _moments(mean, None, None, bound, None)
        scaled = u * values
        half = scaled @ shared.prior
        far = values.abs() * shared.scales * reach
        rounding = bounds.rounding(len(u)) * far.square().sum()
        spread = 2 * (half.abs() @ moved).amax() + rounding
        if shared.full:
            covariance = half @ scaled.mT
            return _moments(mean, None, (covariance + covariance.mT) / 2, bound, spread)
        return _moments(mean, (half * scaled).sum(dim=1), None, bound, spread)


@dataclass(frozen=True, slots=True)
class TestPoints:
    """m_t = f_0 + B g c and the covariance Σ(x, x') + H(Bg)ᵀ + (Bg)Hᵀ, H = B g S/2 − Σ(x, X)U, of B = κU/N."""

    __test__ = False

    shared: Components
    start: Tensor
    """f_0 (n×k), 0 where it is random."""
    b: Tensor
    b_error: Tensor
    """Bounds on the errors of B's columns (N),"""
    reach: Tensor
    """and the largest entry of each (N)."""
    prior: Tensor | None
    """Σ(x, x'), n×n or n."""
    between: Tensor | None
    """Σ(x, X)U, n×N."""

    def at(self, t: float) -> Moments:
        """One time: O(nN k + N²), and two products, n×N by N×N and by N×n, for a covariance."""
        shared = self.shared
        values = shared.gain(shared.found.values, t)
        reach, moved = self.reach, shared.moved(shared.gain, t, values, self.reach)
        bound = bounds.mean_bound(values, moved, reach, self.b_error, shared.c.abs(), shared.c_error)
        mean = self.start + self.b @ (values[:, None] * shared.c)
        # At t = 0 it is f_0 itself.
        total = bound.amax() + _EPS * mean.abs().amax() if t > 0 else torch.zeros_like(bound.amax())
        if shared.prior is None or shared.scales is None or self.prior is None or self.between is None:
            return _moments(mean, None, None, total, None)
        scaled = self.b * values
        pulled = scaled @ shared.prior
        own = self.prior if self.prior.ndim == 1 else self.prior.diagonal()
        far = values.abs() * shared.scales * reach
        moved = moved + values.abs() * self.b_error
        rounding = bounds.rounding(len(reach)) * (own.abs().amax() + far.square().sum())
        spread = 2 * ((pulled - self.between).abs_() @ moved).amax() + rounding
        half = pulled.div_(2).sub_(self.between)
        if shared.full:
            change = half @ scaled.mT
            return _moments(mean, None, self.prior + (change + change.mT), total, spread)
        return _moments(mean, own + 2 * (half * scaled).sum(dim=1), None, total, spread)


def _moments(
    mean: Tensor, variance: Tensor | None, covariance: Tensor | None, bound: Tensor, spread: Tensor | None
) -> Moments:
    """Moments with inf in place of what is no number, as where diverging components cancel one another."""
    if covariance is not None:
        covariance = _number(covariance)
        variance = covariance.diagonal()
    if variance is not None:
        variance = _number(variance).clamp_min(0.0)
    return Moments(_number(mean), variance, covariance, _number(bound), None if spread is None else _number(spread))


def _number(x: Tensor) -> Tensor:
    return x.masked_fill(x.isnan(), torch.inf)
