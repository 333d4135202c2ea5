"""How far a learning curve may be off, for the kernel as it was computed: to first order, and rounding.

K/M is QΛQᵀ + E for the Λ that was computed, and an orthonormal Q; y is √M Qv but for what v may be off. A function of
κ and of Σ h(λ_i) moves by Σ h'(λ_i)E_ii ≤ ‖h'(λ)‖ ‖E‖ (Frobenius), κ itself, of N(κ, λ) = ΣL + (δ/κ)(1 − ΣL/M), by

    ∂ log κ/∂λ_i = (1 − ρ) s_i/D,      s_i = −∂L̄_i/∂λ_i = κ/(λ_i + κ)²,   L̄ = 1 − L

and z = κ(K/M + κ)⁻¹y, of which |z|²/M = Σ L̄_i²|v_i|² = B, by (K/M + κ)⁻¹Ez, which makes 2 ‖E‖ |(K/M + κ)⁻¹z| |z|/M of
it: with w the derivatives of log(NB/(DV)), V = 1 − ΣL/M, but for B's own at fixed κ,

    |Δ unseen|/unseen ≤ ‖E‖ (‖w‖ + 2 √(ΣL̄²|v|²/(λ + κ)²)/√B) + …

Noise adds a part of the trace of L̄² to B, of which the same holds. κ solves its equation but for its residual over D
(of all points it is δ/M), which ∂ log/∂ log κ multiplies. What is more than first order is counted by x/(1 − x) in
place of x, and where x is 1 nothing is said. Eigenvalues that are rounding count as 0; for N of at least the rank,
without a ridge, they are taken to be that: κ = 0, and B is what y has in the null space, which moves by EK⁺y.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import torch

from ntk_engine.spectrum.learning_curve import (
    LearningCurve,
    Population,
    State,
    beyond,
    checked_population,
    least_squares,
)

if TYPE_CHECKING:
    from torch import Tensor

    from ntk_engine.spectrum.result import Spectrum

__all__ = ["Errors", "errors_of", "learning_bounds"]

_EPS = 2.0**-52
# Roundings of a term that is one of a sum.
_TERM = 16 * _EPS


class Errors(NamedTuple):
    """Of what a learning curve is made from."""

    matrix: float
    """‖E‖, Frobenius, in units of λ."""
    coefficients: float
    """How far v may be off, in the norm of all of it."""


def errors_of(found: Spectrum, bounds: Tensor, y: Tensor) -> Errors:
    """Of the full decomposition of k and v = Vᵀy/√M; bounds: `errors(k, found)` (M), y: M×k.

    V has ‖VᵀV − I‖ = ω, and is within ω/2 of an orthonormal basis; a product with it errs by M u, u = eps/2, at most.
    """
    size = float(torch.linalg.vector_norm(y)) / len(y) ** 0.5
    omega = math.inf if found.orthogonality is None else found.orthogonality
    return Errors(float(bounds.amax()), size * (omega / 2 + 4 * len(y) * _EPS))


class _Slopes(NamedTuple):
    """Derivatives by E_ii (T×m) and by log κ (T), of logarithms."""

    kappa: Tensor
    """Of log κ, by E_ii."""
    unseen: Tensor
    """Of log unseen, but for B's at fixed κ."""
    unseen_kappa: Tensor
    train: Tensor
    train_kappa: Tensor


def learning_bounds(
    curve: LearningCurve,
    eigenvalues: Tensor,
    coefficients: Tensor,
    sizes: Sequence[int],
    ridges: Sequence[float] = (0.0,),
    *,
    errors: Errors,
    noise: float = 0.0,
    population: float | None = None,
) -> LearningCurve:
    """Bounds on the error of each entry of `curve`, the `learning_curve` of the same arguments, sizes from 1.

    inf where nothing can be said, as of an error that is infinite. Raises ValueError as that does. O(R T m).
    """
    points, _ = checked_population(eigenvalues, coefficients, noise, population)
    n = points.values.new_tensor(list(sizes))
    if bool((n < 1.0).any()):
        raise ValueError(f"bounds are for numbers of training points from 1, not {list(sizes)}")
    # Those that count as 0 are a part of E.
    dropped = float(torch.linalg.vector_norm(eigenvalues.double()[points.values == 0.0]))
    errors = errors._replace(matrix=errors.matrix + dropped)
    rows = [
        _row(LearningCurve(*(part[i] for part in curve)), points, n, float(ridge), errors)
        for i, ridge in enumerate(ridges)
    ]
    return LearningCurve(*map(torch.stack, zip(*rows, strict=True)))


def _row(curve: LearningCurve, points: Population, n: Tensor, ridge: float, errors: Errors) -> LearningCurve:
    """One ridge, every N (T)."""
    state = points.at(curve.kappa, ridge)
    fitted = (n >= points.rank) if ridge == 0.0 else torch.zeros_like(n, dtype=torch.bool)
    slopes = _slopes(points, state, curve.kappa)
    solved, moved = _solved(points, n, ridge, curve.kappa, state), torch.linalg.vector_norm(slopes.kappa, dim=1)
    off = errors.matrix * moved.where(n * points.share != 1.0, 0.0) + solved
    learned = torch.where(fitted[:, None], 0.0, _learned(points, state, curve.kappa, off, errors))
    unseen, train = _general(curve, points, n, state, slopes, solved, errors)
    limit, none = _limit(curve, points, n, state, errors)
    unseen, train = torch.where(fitted, limit, unseen), torch.where(fitted, none, train)
    seen = n * points.share
    whole = (1.0 - seen) * unseen.where(seen < 1.0, 0.0) + seen * train + 8 * _EPS * curve.everywhere
    kappa = torch.where(fitted, 0.0, curve.kappa * (_more(off) + 4 * _EPS))
    return LearningCurve(*map(_number, (unseen, train, whole, kappa, learned)))


def _solved(points: Population, n: Tensor, ridge: float, kappa: Tensor, state: State) -> Tensor:
    """How far log κ is from what solves its equation (T), by its residual over D; of all points it is δ/M itself."""
    off = beyond(points, n, ridge, kappa).abs() + _sums(points) * n / state.slope
    return torch.where(n * points.share == 1.0, 4 * _EPS, off)


def _sums(points: Population) -> float:
    """What sums of positive terms err by, relatively."""
    return float(4 * len(points.values) ** 0.5 * _EPS + _TERM)


def _slopes(points: Population, state: State, kappa: Tensor) -> _Slopes:
    """With Ll = L(1 − L): D = δ/κ V + (1 − ρ)ΣLl, V = ΣL̄/M, B = ΣL̄²|v|², and d/d log κ: −L of L̄, L̄ of L."""
    learned, left, rho = state.learned, state.left, state.rho[:, None]
    both, d, vacant = learned * left, state.slope, state.vacant
    falls = left / (points.values + kappa[:, None])
    bias = (left.square() * points.powers).sum(dim=1) + points.empty * points.noise
    by_kappa = (1.0 - rho) * falls / d[:, None]
    d_kappa = (
        -state.lacking + 2 * state.rho * both.sum(dim=1) + (1.0 - state.rho) * (both * (learned - left)).sum(dim=1)
    ) / d
    d_matrix = ((1.0 - rho) * (left - learned) - rho) * falls / d[:, None]
    v_kappa, v_matrix = points.share * both.sum(dim=1) / vacant, -points.share * falls / vacant[:, None]
    b_kappa = 2 * (both * left * points.powers).sum(dim=1) / bias.clamp_min(torch.finfo(bias.dtype).tiny)
    unseen_kappa = b_kappa - d_kappa - v_kappa
    unseen = unseen_kappa[:, None] * by_kappa - d_matrix - v_matrix
    # Times (N − ΣL)² = (δ/κ)²V².
    lacks = 2 * (v_kappa - 1.0)
    train = unseen + 2 * v_matrix + lacks[:, None] * by_kappa
    return _Slopes(by_kappa, unseen, unseen_kappa, train, unseen_kappa + lacks)


def _learned(points: Population, state: State, kappa: Tensor, off: Tensor, errors: Errors) -> Tensor:
    """Of L (T×m), which is anything from 0 to 1 at most."""
    far = errors.matrix / (points.values + kappa[:, None])
    moved = _rest(far + off[:, None]) * state.left * (far + off[:, None] * state.learned)
    return torch.minimum(moved + _TERM * state.learned, torch.maximum(state.learned, state.left))


def _general(
    curve: LearningCurve, points: Population, n: Tensor, state: State, slopes: _Slopes, solved: Tensor, errors: Errors
) -> tuple[Tensor, Tensor]:
    """Of errors on unseen points and on those trained on, for κ > 0 (T)."""
    lam = points.values + curve.kappa[:, None]
    moved = _bias_bound(points, state.left, lam, errors)
    rounded = 3 * _sums(points) + 8 * _EPS * (state.learned * state.left).sum(dim=1) / state.slope
    found = []
    for weights, by_kappa, times in (
        (slopes.unseen, slopes.unseen_kappa, torch.ones_like(n)),
        (slopes.train, slopes.train_kappa, (state.lacking / n).square()),
    ):
        off = errors.matrix * torch.linalg.vector_norm(weights, dim=1) + by_kappa.abs() * solved + rounded
        more = _more(off)
        found.append(times * (moved * (1.0 + more) * n / (state.slope * state.vacant) + curve.unseen * more))
    # Without a ridge nothing is left to err by on points trained on.
    return found[0], torch.where(state.lacking == 0.0, 0.0, found[1])


def _bias_bound(points: Population, left: Tensor, lam: Tensor, errors: Errors) -> Tensor:
    """Of B (T), as the square of a norm that errs by ‖E‖ |(K/M + κ)⁻¹z| and by what v does."""
    bias, far = (left.square() * points.powers).sum(dim=1), (left.square() * points.powers / lam.square()).sum(dim=1)
    x = errors.matrix * far.sqrt() * _rest(errors.matrix / lam.amin(dim=1)) + errors.coefficients * left.amax(dim=1)
    return 2 * bias.sqrt() * x + x.square()


def _limit(curve: LearningCurve, points: Population, n: Tensor, state: State, errors: Errors) -> tuple[Tensor, Tensor]:
    """Of the same errors for κ = 0, N of at least the rank and no ridge: least squares (T)."""
    positive, state = points.values > 0.0, least_squares(points, n, state)
    values = points.values.where(positive, 1.0).expand_as(state.left)
    if points.empty > 0.0 or points.rank < len(points.values):
        size = torch.linalg.vector_norm(torch.where(positive, points.powers.sqrt() / values, 0.0), dim=1)
        x = errors.matrix * size * _rest(errors.matrix / values.amin(dim=1)) + errors.coefficients
        bias = (state.left.square() * points.powers).sum(dim=1)
        moved, trace = 2 * bias.sqrt() * x + x.square(), torch.zeros_like(n)
    else:
        # Ratios of K⁻¹: B of the square of a trace.
        moved = _bias_bound(points, state.left, values, errors)
        trace = 2 * errors.matrix * torch.linalg.vector_norm(state.left / values, dim=1) / state.left.sum(dim=1)
    more = _more(trace + 3 * _sums(points))
    unseen = moved * (1.0 + more) * n / (state.slope * state.vacant) + curve.unseen * more
    part = state.lacking / n
    return unseen, torch.where(part == 0.0, 0.0, part.square() * unseen)


def _rest(x: Tensor) -> Tensor:
    """1/(1 − x), what a first order is to be multiplied by; inf from 1 on."""
    return torch.where(x < 1.0, 1.0 / (1.0 - x), math.inf)


def _more(x: Tensor) -> Tensor:
    return x * _rest(x)


def _number(x: Tensor) -> Tensor:
    return x.masked_fill(x.isnan(), math.inf)
