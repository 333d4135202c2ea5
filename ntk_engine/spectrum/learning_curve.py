"""How the error of kernel regression falls with the number of training points: the spectral theory of generalization.

Bordelon, Canatar, Pehlevan 2020 and Simon, Dickens, Karkada, DeWeese 2021 ("The eigenlearning framework") have it for
points drawn independently from a distribution. Here N are drawn from M without replacement, P = SᵀS a projection of
rank N among M points. Free of K, as where eigenvectors spread over all points, it leaves of the smoother (LeJeune,
Patil, Javanmard, Baraniuk, Tibshirani 2022, "Asymptotics of the sketched pseudoinverse", orthogonal sketches)

    Sᵀ(SKSᵀ + δ)⁻¹S  ≃  (K + Mκ)⁻¹,      δ (M − ΣL_i) = Mκ (N − ΣL_i),      L_i = λ_i/(λ_i + κ)

Replacing K by K + εK² and differentiating by ε gives the mean error on all M points, differentiating by δ that on the
N, and both that on the M − N others. With ρ = δ/(Mκ), κ and the errors are sums of positive terms.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import torch

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["LearningCurve", "learning_curve"]

# Halvings of an interval of log κ, at most some 1500 wide, and steps of Newton's method after them.
_HALVINGS, _STEPS = 56, 2


class LearningCurve(NamedTuple):
    """For R ridges and T numbers of training points; errors are squared, summed over outputs, a point."""

    unseen: Tensor
    """Of points that were not trained on (R×T); the cost C = ½ E‖f − y‖² is half of it."""
    train: Tensor
    """Of the N training points (R×T)."""
    everywhere: Tensor
    """Of all M points, trained on or not (R×T)."""
    kappa: Tensor
    """κ (R×T), in the units of λ: components above it are learned; inf for N = 0."""
    learnability: Tensor
    """L_i = λ_i/(λ_i + κ), the part of a component that is learned, on average (R×T×m)."""


class Population(NamedTuple):
    """M points, as a learning curve knows them."""

    values: Tensor
    """λ (m), 0 where they are rounding."""
    powers: Tensor
    """|v_i|² (m), with a component's share of the noise."""
    share: float
    """1/M; 0 for a distribution."""
    empty: float
    """The part of all M components that is not among the m."""
    noise: float
    """ks²."""

    @property
    def rank(self) -> int:
        return int((self.values > 0.0).sum())

    def at(self, kappa: Tensor, ridge: float) -> State:
        """All that depends on κ (T): of λ = 0 nothing is learned, whatever κ."""
        positive, kappa = self.values > 0.0, kappa[:, None]
        learned = torch.where(positive, self.values / (self.values + kappa), 0.0)
        left = torch.where(positive, 1.0 / (1.0 + self.values / kappa), 1.0)
        tau = (ridge / kappa)[:, 0]
        vacant = self.vacant(left)
        return State(learned, left, vacant, tau * vacant, (tau * self.share).clamp_max(1.0))

    def vacant(self, left: Tensor) -> Tensor:
        """1 − ΣL/M (T), of 1 − L (T×m)."""
        return left.sum(dim=1) * self.share + self.empty


class State(NamedTuple):
    """All that depends on κ."""

    learned: Tensor
    """L (T×m)."""
    left: Tensor
    """1 − L (T×m), without cancellation."""
    vacant: Tensor
    """1 − ΣL/M (T)."""
    lacking: Tensor
    """N − ΣL (T)."""
    rho: Tensor
    """δ/(Mκ) (T)."""

    @property
    def slope(self) -> Tensor:
        """D (T), which is −dN/d log κ."""
        return self.lacking + (1.0 - self.rho) * (self.learned * self.left).sum(dim=1)


def learning_curve(
    eigenvalues: Tensor,
    coefficients: Tensor,
    sizes: Sequence[int],
    ridges: Sequence[float] = (0.0,),
    *,
    noise: float = 0.0,
    population: float | None = None,
) -> LearningCurve:
    """Expected errors of f = κ(x, X)(K(X, X) + δ)⁻¹y, X being N of M points drawn without replacement.

    eigenvalues: λ of K/M on all M points (m), as `eigh` gives them; what is at most m eps λ_1 counts as 0.
    coefficients: v = Uᵀy/√M (m, or m×k for k outputs), U the eigenvectors, so that Σv² is the mean of |y|².
    sizes: N, each from 0 to M (T). ridges: δ ≥ 0, added to K itself as in the papers (R). A prediction's ridge r is in
    units of the eigenvalues of K/N: δ = N r, which is another δ for each N.
    noise: the variance s² of what is added to each output of each point, trained on or not: errors are of noisy
    targets, and those against noiseless ones are k s² less where points are unseen.
    population: M, m unless it is said; components beyond the m have λ = v = 0. math.inf is a distribution, of which λ
    and v are those of the kernel's operator, and the formulas those published.

        N = ΣL_i + (δ/κ)(1 − ΣL_i/M),      L_i = λ_i/(λ_i + κ)
        unseen = N/D · Σ (1 − L_i)²(|v_i|² + ks²/M)/(1 − ΣL_i/M),      D = Σ (1 − L_i)(ρ + (1 − ρ)L_i),   ρ = δ/(Mκ)
        train  = (1 − ΣL_i/N)² unseen,      everywhere = (1 − N/M) unseen + (N/M) train

    Learnabilities add up to N without a ridge, as far as there are components, and to N − (δ/κ)(1 − ΣL_i/M) with one.
    As M → ∞, N = ΣL_i + δ/κ and D = N − ΣL_i². Without a ridge, N of at least the rank r is least squares: κ = 0, ρ =
    (N − r)/(M − r), and at N = r the error is inf, unless nothing is beyond the r components. At N = M, which leaves no
    points unseen, `unseen` is its limit: generalised cross-validation.

    It is a mean over draws to leading order in 1/N, for eigenvectors that spread over the points. It fails where some
    do not: near-duplicates and outliers, which without a ridge count most when N is a large part of M, a third and more
    (`population_curve` has none of that but the near-duplicates); for N of a few; and near N = r, where the mean is of
    errors that scatter. O(R T m) memory, and some 60 times that in operations.

    Raises ValueError where shapes do not fit, a number is not finite or negative, or a size is none of 0 … M.
    """
    spectrum, total = checked_population(eigenvalues, coefficients, noise, population)
    if not all(0 <= n <= total for n in sizes):
        raise ValueError(f"the numbers of training points are from 0 to {total}, not {list(sizes)}")
    if not all(math.isfinite(ridge) and ridge >= 0.0 for ridge in ridges):
        raise ValueError(f"ridges are finite numbers from 0, not {list(ridges)}")
    if not sizes or not ridges:
        raise ValueError("a learning curve has a number of training points and a ridge at least")
    n = spectrum.values.new_tensor(list(sizes))
    rows = [_curve(spectrum, n, float(ridge)) for ridge in ridges]
    return LearningCurve(*map(torch.stack, zip(*rows, strict=True)))


def checked_population(
    eigenvalues: Tensor, v: Tensor, noise: float, population: float | None
) -> tuple[Population, float]:
    """The spectrum, and M."""
    m = len(eigenvalues)
    total = float(m) if population is None else float(population)
    v = v[:, None] if v.ndim == 1 else v
    if eigenvalues.ndim != 1 or m == 0 or v.ndim != 2 or len(v) != m:
        raise ValueError(
            f"m eigenvalues have m or m×k coefficients, not {tuple(eigenvalues.shape)} and {tuple(v.shape)}"
        )
    if not bool(eigenvalues.isfinite().all() & v.isfinite().all()):
        raise ValueError("eigenvalues and coefficients need finite entries")
    if not (math.isfinite(noise) and noise >= 0.0):
        raise ValueError(f"a variance of noise is a finite number from 0, not {noise}")
    if not total >= m or (math.isfinite(total) and total != int(total)):
        raise ValueError(f"a population is a whole number from the {m} components, or inf, not {population}")
    values = eigenvalues.double()
    least = m * torch.finfo(eigenvalues.dtype).eps * float(values.abs().max())
    values = torch.where(values > least, values, 0.0)
    share, noise = 1.0 / total, noise * v.shape[1]
    empty = 1.0 if math.isinf(total) else (total - m) * share
    return Population(values, v.double().square().sum(dim=1) + noise * share, share, empty, noise), total


def _curve(spectrum: Population, n: Tensor, ridge: float) -> LearningCurve:
    """One ridge, every N (T)."""
    kappa = _kappa(spectrum, n, ridge)
    state = spectrum.at(kappa, ridge)
    learned = state.learned
    if ridge == 0.0:
        state = least_squares(spectrum, n, state)
    bias = (state.left.square() * spectrum.powers).sum(dim=1) + spectrum.empty * spectrum.noise
    unseen = torch.where(n == 0.0, bias, n / state.slope * bias / state.vacant)
    unseen = torch.where(bias == 0.0, 0.0, unseen)
    part = torch.where(n == 0.0, _untrained(spectrum, ridge), state.lacking / n)
    train = torch.where(part == 0.0, 0.0, part.square() * unseen)
    seen = n * spectrum.share
    everywhere = torch.where(seen == 1.0, train, (1.0 - seen) * unseen + seen * train)
    return LearningCurve(unseen, train, everywhere, kappa, learned)


def least_squares(spectrum: Population, n: Tensor, state: State) -> State:
    """The limit δ → 0 where N is the rank r or more, and so κ = 0."""
    rank = spectrum.rank
    fitted = (n >= rank) & (n > 0.0)
    lacking = torch.where(fitted, n - rank, 0.0)
    rho = torch.where(fitted & (lacking > 0.0), lacking * spectrum.share / state.vacant, 0.0)
    if spectrum.empty > 0.0 or rank < len(spectrum.values):
        return state._replace(lacking=lacking, rho=rho)
    # N = M, each point a component: errors are ratios of what is left, which is κ/λ, and κ is left out.
    left = torch.where(fitted[:, None], spectrum.values.min() / spectrum.values, state.left)
    return State(state.learned, left, spectrum.vacant(left), lacking, rho)


def _untrained(spectrum: Population, ridge: float) -> float:
    """1 − ΣL/N as N → 0."""
    trace = float(spectrum.values.sum())
    return ridge / (ridge + trace) if ridge + trace > 0.0 else 1.0


def _kappa(spectrum: Population, n: Tensor, ridge: float) -> Tensor:
    """κ (T), where N(κ) = ΣL + (δ/κ)(1 − ΣL/M), which falls from M, or the rank, to 0, is N.

    Halvings of log κ, so that no size is far, and Newton's steps for its last digits.
    """
    some, rank, tiny = n.clamp_min(1.0), spectrum.rank, torch.finfo(n.dtype).tiny
    if ridge == 0.0 and rank > 0:
        # (λ_min + κ) N ≤ r λ_min below it.
        least = spectrum.values[spectrum.values > 0.0].min() * (rank - n).clamp_min(1.0) / some
    else:
        least = ridge / some if spectrum.share == 0.0 else torch.full_like(n, ridge * spectrum.share)
    high = ((spectrum.values.sum() + ridge) / some).clamp_min(tiny).log()
    low = torch.minimum(least.clamp_min(tiny).log(), high)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        above = beyond(spectrum, n, ridge, middle.exp()) > 0.0
        low, high = torch.where(above, middle, low), torch.where(above, high, middle)
    kappa = high.exp()
    for _ in range(_STEPS):
        kappa = kappa * beyond(spectrum, n, ridge, kappa).exp()
    if ridge == 0.0:
        kappa = torch.where(n >= rank, 0.0, kappa)
    else:
        # Of all points, where the equation hardly determines it.
        kappa = torch.where(n * spectrum.share == 1.0, ridge * spectrum.share, kappa)
    return torch.where(n == 0.0, math.inf, kappa)


def beyond(spectrum: Population, n: Tensor, ridge: float, kappa: Tensor) -> Tensor:
    """(N(κ) − N)/D (T), by how much log κ is short of where it is to be, to first order."""
    state = spectrum.at(kappa, ridge)
    found: Tensor = (state.learned.sum(dim=1) + state.lacking - n) / state.slope
    return found
