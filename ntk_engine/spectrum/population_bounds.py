"""How far the learning curve of one data set may be off, for the kernel as it was computed: to first order.

All is made of G = (K + diag μ)⁻¹. With H = K + diag μ and h = √diag H, Cholesky's factor is one of H + ΔH, |ΔH_xz| ≤ γ
h_x h_z (Higham 2002, 10.3), and μ is m at most from what solves its equation, whose residual is r and is off by φ:

    |ΔG| ≤ γ aaᵀ + |G| diag(m) |G|,  a = |G|h,      m = A⁻¹(|r| + φ),   φ_x = (1 − α) γa_x²/G_xx² + roundings

A⁻¹ ≥ 0 where Newton's steps end. The errors α q_x/G_xx², Aᵀq = p = |Gy|² + ks²|G_x|², have q off by A⁻ᵀ(|p − Aᵀq| +
Δp + |ΔA|ᵀq), as q ≥ 0, and with the residual of the solution in it nothing of the solver is trusted. γ = 4 √M eps
stands for roundings of sums of M terms (Higham, Mary 2019). By part x G changes, x the lesser of max m/μ and max |G|m,
and γ hᵀ|G|h more; by part z A does, the norm of A⁻¹ΔA for vectors in units of μ: Newton's steps from there on come to
an end for z ≤ ½, within m/(1 − z) (Kantorovich). First orders are multiplied by 1/(1 − x − 2z)², as errors are squares,
and where that is none nothing is said: so it is of a singular K without a ridge, N being its rank or more, where μ is
rounding of K. The ridge that stands for one that is less than rounding is a part of the residual.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import torch

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Settled", "population_bounds"]

_EPS = 2.0**-52


class Settled(NamedTuple):
    """Where μ is what it makes of itself, at one α."""

    part: float
    """α."""
    mu: Tensor
    """M."""
    g: Tensor
    """G, M×M."""
    turned: Tensor
    """A, M×M."""


def population_bounds(
    k: Tensor, y: Tensor, at: Settled, points: Tensor, ridges: tuple[float, float], noise: float
) -> tuple[Tensor, Tensor]:
    """Bounds on the error of each point (M), and of those trained on (a number); inf where nothing can be said.

    points: the errors themselves (M); ridges: the one that is meant, and the one, no less, that was put in. O(M³).
    """
    own, off = at.g.diagonal(), _off(k, at, ridges[0])
    inverse, turned = off.inverse, off.turned
    power = ((at.g @ y).square().sum(dim=1) + noise * y.shape[1] * at.g.square().sum(dim=1))[:, None]
    solved = (points * own.square() / at.part)[:, None]
    missed = (power - at.turned.mT @ solved).abs() + off.gamma * (at.turned.abs().mT @ solved + power)
    solved_off = inverse.mT @ (missed[:, 0] + _power_off(y, at, off, noise) + (turned.mT @ solved)[:, 0])
    first = at.part * solved_off / own.square() + points * (2 * off.own + 8 * _EPS)
    unknown = torch.full_like(first, math.inf)
    bound = (first * off.rest).where(first.isfinite(), unknown) if math.isfinite(off.rest) else unknown
    left, (meant, used) = (own / at.part).square() * points, (ridges[0] ** 2, ridges[1] ** 2)
    again = used * (own / at.part).square() * bound + used * left * (2 * off.own * off.rest + off.gamma)
    return bound, (again + (used - meant) * left).mean().nan_to_num(math.inf, math.inf)


class _Off(NamedTuple):
    """How far parts of it may be off."""

    gamma: float
    a: Tensor
    """M, and h, M."""
    h: Tensor
    mu: Tensor
    """m, M."""
    own: Tensor
    """ΔG_xx/G_xx, M."""
    turned: Tensor
    """ΔA, M×M."""
    inverse: Tensor
    """|A⁻¹|, M×M."""
    rest: float
    """What a first order is to be multiplied by; inf where it is none."""


def _off(k: Tensor, at: Settled, ridge: float) -> _Off:
    """Of G, A and μ."""
    own, size, gamma = at.g.diagonal(), at.g.abs(), 4 * len(k) ** 0.5 * _EPS
    h = (k.diagonal() + at.mu).clamp_min(0.0).sqrt()
    a, lacks = size @ h, (1.0 - at.part) / own
    rounded = lacks * gamma * a.square() / own + 4 * _EPS * (lacks + at.mu)
    inverse = torch.linalg.inv(at.turned).abs()
    mu = inverse @ ((ridge + lacks - at.mu).abs() + rounded)
    g_off = gamma * torch.outer(a, a) + (size * mu) @ size + 4 * _EPS * size
    own_off = g_off.diagonal() / own
    turned = 2 * (1.0 - at.part) / own.square()[:, None] * (size * g_off + size.square() * own_off[:, None])
    x = float(torch.minimum((mu / at.mu).max(), (size @ mu).max()) + gamma * (h @ a))
    z = float(((inverse @ (turned @ at.mu)) / at.mu).max())
    rest = (1.0 - x - 2 * z) ** -2 if x + 2 * z < 1.0 else math.inf
    return _Off(gamma, a, h, mu, own_off, turned, inverse, rest)


def _power_off(y: Tensor, at: Settled, off: _Off, noise: float) -> Tensor:
    """How far |Gy|² + ks²|G_x|² may be off (M), for ΔH = γhhᵀ + diag m: by |GΔHG y|, and GΔHG² twice."""
    size, image, gamma = at.g.abs(), at.g @ y, off.gamma
    each = gamma * torch.outer(off.a, off.h @ image.abs()) + size @ (off.mu[:, None] * image.abs())
    each = each + gamma * (size @ y.abs())
    found: Tensor = (2 * image.abs() * each + each.square()).sum(dim=1)
    if noise > 0.0:
        both = size @ size
        trace = gamma * off.a * (both @ off.h) + ((size * off.mu) * both).sum(dim=1)
        found = found + 2 * noise * y.shape[1] * (trace + gamma * both.diagonal())
    return found
