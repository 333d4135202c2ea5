"""The end of training by least squares (t = ∞) from a Cholesky factor, where the kernel is far from a singular one.

A factor is a tenth of the work of a decomposition. With M = K + N r = LLᵀ, w = M⁻¹(y − f_0(X)) and A = κM⁻¹:

    m = f_0 + κ w                      cov = Σ(x, x') + H Aᵀ + A Hᵀ,   H = A Σ(X, X)/2 − Σ(x, X)
    on training points y − N r w       (N r)² M⁻¹ Σ(X, X) M⁻¹

What w and A lack is known from their residuals: κ M⁻¹ρ is at most ‖L⁻¹κ_x‖ ‖L⁻¹ρ‖.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch

from ntk_engine.activations.double_word import add
from ntk_engine.function_space.blocks import Blocks, checked
from ntk_engine.function_space.bounds import rounding
from ntk_engine.function_space.dynamics import Flow
from ntk_engine.function_space.points import Moments
from ntk_engine.function_space.prediction import Covariance, Start, check, outputs, prior_of

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Final", "final"]

_EPS = 2.0**-52
# What bounds may be of the largest values; above, the decomposition is asked.
_STANDARD = 1e-9
_ROWS = 64
_ONCE = 2.0**-26
# ‖B‖ ≤ 10 √(2/π) max_i ‖Bω_i‖ for r normal vectors but for a chance of 10^−r (Halko, Martinsson, Tropp 2011, 4.1).
_VECTORS, _POWER, _HALKO = 16, 4, 10 * math.sqrt(2 / math.pi)


@dataclass(frozen=True, slots=True)
class _Factor:
    """M = K + N r, and its factor."""

    k: Tensor
    shift: float
    lower: Tensor
    inverse: float
    """A bound on ‖M⁻¹‖."""
    lost: float
    """The part of M⁻¹ that the factor's rounding may change: ‖M⁻¹‖ 4√N eps tr M."""

    def solved(self, b: Tensor) -> Tensor:
        """M⁻¹ b."""
        return _turned(self.lower, self.half(b))

    def half(self, b: Tensor) -> Tensor:
        """L⁻¹ b."""
        found: Tensor = torch.linalg.solve_triangular(self.lower, b, upper=False)
        return found

    def length(self, rest: Tensor, error: Tensor | float) -> Tensor:
        """At least ‖L⁻¹ρ‖ for every column (k) of the residuals (N×k), which themselves err by `error` in norm."""
        found: Tensor = torch.linalg.vector_norm(self.half(rest), dim=0) + math.sqrt(self.inverse) * error
        return found * (1 + 2 * self.lost)

    def rest(self, d: tuple[Tensor, Tensor], w: Tensor) -> tuple[Tensor, Tensor]:
        """d − M w (N×k) of d in two words, and a bound (k) on the norms of its errors."""
        found, missed = _rest(self.k, d, w)
        shifted = self.shift * w
        return found - shifted, torch.linalg.vector_norm(missed, dim=0) + 2 * _EPS * torch.linalg.vector_norm(
            shifted, dim=0
        )


def _rest(k: Tensor, d: tuple[Tensor, Tensor], w: Tensor) -> tuple[Tensor, Tensor]:
    """d − k w (n×k) of k (n×N) and d in two words, and bounds (n×k) on its errors.

    The first bits are multiplied exactly, so that only 2^−20 of the products, about, is rounded.
    """
    bits = (53 - math.ceil(math.log2(max(len(w), 2)))) // 2
    first = _leading(w.mT, bits).mT
    second, lengths = w - first, [torch.linalg.vector_norm(x, dim=0) for x in (w - first, w)]
    rests, errors = [], []
    for rows, high, low in zip(*(torch.split(x, _ROWS) for x in (k, *d)), strict=True):
        top = _leading(rows, bits)
        below = rows - top
        rests.append((high - top @ first) - top @ second - below @ w + low)
        sizes = [torch.linalg.vector_norm(x, dim=1, keepdim=True) for x in (top, below)]
        errors.append(sizes[0] * lengths[0] + sizes[1] * lengths[1])
    found = torch.cat(rests)
    return found, rounding(len(w)) * torch.cat(errors) + 2 * _EPS * found.abs()


def _turned(lower: Tensor, b: Tensor) -> Tensor:
    """L⁻ᵀ b."""
    found: Tensor = torch.linalg.solve_triangular(lower.mT, b, upper=True)
    return found


def _leading(x: Tensor, bits: int) -> Tensor:
    """The first bits of entries, below the largest of each row."""
    exponent = torch.frexp(x.abs().amax(dim=1, keepdim=True)).exponent
    step = torch.ldexp(torch.full_like(x[:, :1], 1.5), exponent + (52 - bits))
    return (x + step).sub_(step)


@dataclass(frozen=True, slots=True)
class Final:
    """f_∞."""

    factor: _Factor
    prior: Tensor | None
    """Σ(X, X), where a covariance is wanted,"""
    full: bool
    """and whether all of it."""
    mean: Tensor
    """On the training points (N×k),"""
    mean_bound: Tensor
    """and its bound."""
    test: Moments | None
    """On the test points, where there are some."""

    @property
    def train(self) -> Moments:
        """On the training points; computed when it is asked for: O(N³) with a covariance and a ridge."""
        if self.prior is None:
            return Moments(self.mean, None, None, self.mean_bound, None)
        n, factor = len(self.mean), self.factor
        if factor.shift == 0:
            none = self.mean.new_zeros(n)
            return Moments(self.mean, none, none.diag() if self.full else None, self.mean_bound, none.sum())
        half = factor.solved(self.prior).mul_(factor.shift)
        whole = factor.solved(half.mT).mul_(factor.shift)
        whole = (whole + whole.mT) / 2
        # Each solution is that of a matrix that is off by three roundings of tr M (Higham 2002, 10.4).
        bound = 6 * factor.lost * torch.linalg.vector_norm(whole, dim=0).amax() + _EPS * whole.abs().amax()
        variance = whole.diagonal().clamp_min(0.0)
        return Moments(self.mean, variance, whole if self.full else None, self.mean_bound, bound)


def final(
    ntk: Blocks,
    nngp: Blocks | None,
    y: Tensor,
    *,
    start: Literal["ensemble", "zero"] | Start = "ensemble",
    ridge: float = 0.0,
    covariance: Covariance = "full",
) -> Final | None:
    """What `gaussian` says of t = ∞, without eigenvalues; None where K + N r is too near to a singular matrix for it.

    That is where a bound exceeds 1e-9 of the largest target or prior variance. Arguments are those of `gaussian`. One
    factor, N³/3, and about 9 n N² flops of test points with a covariance, n N² without. Raises ValueError as `gaussian`
    does, but for a K that has negative eigenvalues above −r, which is taken as it is.
    """
    check([math.inf], Flow(), ridge)
    eps = torch.finfo(ntk.train.dtype).eps
    ntk = checked(ntk, "ntk", covariance="none")
    y = outputs(y, len(ntk.train), "y")
    given = start if isinstance(start, Start) else Start(torch.zeros_like(y))
    f_0 = outputs(given.train, len(y), "start.train", y.shape[1])
    prior = prior_of(ntk, nngp, covariance) if start == "ensemble" and covariance != "none" else None
    factor = _factored(ntk.train, len(y) * ridge, eps)
    if factor is None:
        return None
    d = add(y, -f_0)
    w = factor.solved(d[0])
    # Each time what it lacks is multiplied by `lost`, at least.
    for _ in range(1 if factor.lost < _ONCE else 2):
        w = w + factor.solved(factor.rest(d, w)[0])
    rest, missed = factor.rest(d, w)
    mean = y - factor.shift * w
    lacks = factor.length(rest, missed)
    bound = (factor.shift * math.sqrt(factor.inverse) * lacks + 2 * _EPS * mean.abs().amax(dim=0)).amax()
    test = None
    if ntk.cross is not None:
        test = _spread(factor, ntk.cross, prior, _mean(factor, ntk.cross, given, w, (rest, missed)), covariance)
    most = _STANDARD * max(float(y.abs().max()), float(f_0.abs().max()))
    for moments in (Moments(mean, None, None, bound, None), test):
        if moments is not None and not _exact(moments, most, prior):
            return None
    return Final(factor, None if prior is None else prior.train, covariance == "full", mean, bound, test)


def _exact(moments: Moments, most: float, prior: Blocks | None) -> bool:
    if float(moments.mean_bound) > most:
        return False
    if moments.covariance_bound is None or prior is None:
        return True
    return float(moments.covariance_bound) <= _STANDARD * float(prior.train.diagonal().max())


def _factored(k: Tensor, shift: float, eps: float) -> _Factor | None:
    """None where M, of entries right to eps, is not positive definite by far."""
    m = k.clone()
    m.diagonal().add_(shift)
    lower, failed = torch.linalg.cholesky_ex(m)
    if int(failed) != 0:
        return None
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(len(k), _VECTORS, dtype=k.dtype, generator=generator).to(k.device)
    for _ in range(_POWER):
        z = _turned(lower, torch.linalg.solve_triangular(lower, z, upper=False))
    inverse = (_HALKO * float(torch.linalg.vector_norm(z, dim=0).max())) ** (1 / _POWER)
    trace = float(m.diagonal().sum())
    lost = inverse * rounding(len(k)) * trace
    null = 8 * eps * (trace + float(k.diagonal().max()) * len(k) ** 0.5)
    return _Factor(k, shift, lower, inverse, lost) if lost < _STANDARD**0.5 and null * inverse < 1 else None


def _mean(
    factor: _Factor, cross: Tensor, start: Start, w: Tensor, lacking: tuple[Tensor, Tensor]
) -> tuple[Tensor, Tensor, Tensor]:
    """m (n×k) and its bound: κ w, and κ M⁻¹ρ of the residuals ρ, known to the errors of both; and L⁻¹κᵀ (N×n)."""
    if start.test is None and bool((start.train != 0).any()):
        raise ValueError("a given start says f_0 on the test points too")
    zero = cross.new_zeros(len(cross), w.shape[1])
    f_0 = zero if start.test is None else outputs(start.test, len(cross), "start.test", w.shape[1])
    reached, half = factor.half(cross.mT), factor.half(lacking[0])
    against, error = _rest(cross, (-f_0, zero), w)
    mean = reached.mT @ half - against
    off = (
        2 * factor.lost * torch.linalg.vector_norm(half, dim=0)
        + math.sqrt(factor.inverse) * (1 + 2 * factor.lost) * lacking[1]
    )
    bound = torch.linalg.vector_norm(reached, dim=0).amax() * off.amax() + error.amax() + _EPS * mean.abs().amax()
    return mean, bound, reached


def _spread(
    factor: _Factor, cross: Tensor, prior: Blocks | None, found: tuple[Tensor, Tensor, Tensor], covariance: Covariance
) -> Moments:
    """With the covariance, where it has a prior."""
    mean, bound, reached = found
    if prior is None or prior.cross is None or prior.test is None:
        return Moments(mean, None, None, bound, None)
    a = _turned(factor.lower, reached)
    pulled = prior.train @ a
    spread = _spread_bound(factor, cross, prior, a, pulled - prior.cross.mT)
    half = pulled.div_(2).sub_(prior.cross.mT)
    if covariance == "full":
        change = a.mT @ half
        whole = prior.test + (change + change.mT)
        return Moments(mean, whole.diagonal().clamp_min(0.0), whole, bound, spread)
    own = prior.test if prior.test.ndim == 1 else prior.test.diagonal()
    return Moments(mean, (own + 2 * (a * half).sum(dim=0)).clamp_min(0.0), None, bound, spread)


def _spread_bound(factor: _Factor, cross: Tensor, prior: Blocks, a: Tensor, pull: Tensor) -> Tensor:
    """A bound on the covariance's error: twice |R M⁻¹ (ΣAᵀ − Σ(X, x))| for A's residuals R, and its rounding."""
    assert prior.test is not None
    n, weight = len(a), a.abs().sum(dim=0).amax()
    rest = torch.addmm(cross.mT, factor.k, a, alpha=-1).sub_(a, alpha=factor.shift)
    size = factor.k.diagonal().amax() + factor.shift / n**0.5
    lacks = factor.length(rest, rounding(n) * n**0.5 * size * weight).amax()
    own = prior.test if prior.test.ndim == 1 else prior.test.diagonal()
    largest = torch.maximum(own.amax(), prior.train.diagonal().amax())
    spread: Tensor = 2 * lacks * factor.length(pull, 0.0).amax() + rounding(n) * largest * (1 + weight).square()
    return spread
