"""Least squares in closed form (Section 5): the Gaussian that f_t is, at every time t."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

import torch

from ntk_engine.activations.double_word import Double, add
from ntk_engine.function_space import bounds
from ntk_engine.function_space.blocks import Blocks, checked
from ntk_engine.function_space.dynamics import Dynamics, Flow
from ntk_engine.function_space.graded import decompose
from ntk_engine.function_space.points import Components, Moments, TestPoints, TrainPoints, scales_of
from ntk_engine.function_space.two_words import transposed

if TYPE_CHECKING:
    from torch import Tensor

    from ntk_engine.function_space.graded import Decomposition

Covariance = Literal["full", "diagonal", "none"]
_FLOW = Flow()


class Start(NamedTuple):
    """A given f_0."""

    train: Tensor
    """f_0(X), N×k."""
    test: Tensor | None = None
    """f_0(x), n×k; needed where there are test points."""


@dataclass(frozen=True, slots=True)
class Gaussian:
    """f_t at the times that were asked for; each is computed when it is asked for, and none is kept."""

    times: tuple[float, ...]
    train_points: TrainPoints
    test_points: TestPoints | None

    @property
    def eigenvalues(self) -> Tensor:
        """λ of K/N (N), falling; 0 where they are rounding."""
        return self.train_points.shared.found.values

    @property
    def eigenvalues_bound(self) -> Tensor:
        """A bound on the error of each of them (a number)."""
        return self.train_points.shared.found.values_bound

    @property
    def eigenvectors(self) -> Tensor:
        """Orthonormal columns, one of each eigenvalue (N×N)."""
        found: Tensor = self.train_points.shared.found.basis.high
        return found

    def train_at(self, t: float) -> Moments:
        """f_t on the N training points."""
        self.train_points.shared.dynamics.check(t)
        return self.train_points.at(t)

    def test_at(self, t: float) -> Moments:
        """f_t on the n test points. Raises ValueError where there are none."""
        if self.test_points is None:
            raise ValueError("there are no test points: the kernel has no cross block")
        self.train_points.shared.dynamics.check(t)
        return self.test_points.at(t)

    def __iter__(self) -> Iterator[tuple[Moments, Moments | None]]:
        """f_t on training and test points, time by time."""
        for t in self.times:
            yield self.train_at(t), None if self.test_points is None else self.test_at(t)

    @property
    def train(self) -> Moments:
        """All times, stacked: mean (T×N×k), variance (T×N), covariance (T×N×N), bounds (T)."""
        return _stacked([self.train_at(t) for t in self.times])

    @property
    def test(self) -> Moments:
        """All times, stacked: mean (T×n×k), variance (T×n), covariance (T×n×n), bounds (T)."""
        return _stacked([self.test_at(t) for t in self.times])


def gaussian(
    ntk: Blocks,
    nngp: Blocks | None,
    y: Tensor,
    times: Sequence[float],
    *,
    dynamics: Dynamics = _FLOW,
    start: Literal["ensemble", "zero"] | Start = "ensemble",
    ridge: float = 0.0,
    covariance: Covariance = "full",
) -> Gaussian:
    """f_t of an infinitely wide network that learns y (N×k) by least squares, C = ½ E‖f − y‖², at rising times 0 … inf.

    With K = Θ(X, X), κ = Θ(x, X) and f_0 ~ GP(0, Σ) ("ensemble"), f_t is Gaussian for every t:

        A_t = κ/N (K/N + r)⁻¹ (1 − d_t(K/N + r)),      m_t = f_0 + A_t (y − f_0(X)),     f_0 being 0 on average
        cov(x, x') = Σ(x, x') − A_t Σ(X, x') − Σ(x, X) A_tᵀ + A_t Σ(X, X) A_tᵀ

    "zero" and a given `Start` have no covariance, and need no `nngp`. A time is the paper's, Δt = η.

    `ridge` r ≥ 0, in units of λ, is weight decay towards θ_0. Of C + r/2 |θ − θ_0|², with f linear in θ, the flow is
    θ' = −Jᵀ(f − y)/N − r (θ − θ_0). J times it is, for h = f − f_0, on the training points

        h' = −(K/N + r) h + K/N (y − f_0),      h_t = K/N (K/N + r)⁻¹ (1 − e^{−t(K/N + r)}) (y − f_0)

    and elsewhere κ/N stands for the first K/N: r moves where it ends, and d_t(λ + r) is left of the way.

    With `gaussian(nngp, nngp, …)` only the last layer learns; without a ridge it ends at the posterior of GP(0, Σ).

    `dynamics` is `Flow()` or `GradientDescent(learning_rate, momentum)`. Eigenvalues that are rounding are null space
    (`graded.decompose` says which): there f keeps f_0 on the training points, and κu = 0, whatever t. Where a descent
    diverges results may be ±inf, and are inf where infinities cancel; never NaN. O(N³) once; `TrainPoints.at` and
    `TestPoints.at` say what a time costs. All is float64, on the device of the blocks. Raises ValueError where shapes
    do not fit together, something is not finite, times do not rise or are none of the dynamics, the ridge is negative,
    or K has negative eigenvalues.
    """
    check(times, dynamics, ridge)
    eps = torch.finfo(ntk.train.dtype).eps
    ntk = checked(ntk, "ntk", covariance="none")
    y = outputs(y, len(ntk.train), "y")
    given = start if isinstance(start, Start) else Start(torch.zeros_like(y))
    f_0 = outputs(given.train, len(y), "start.train", y.shape[1])
    prior = prior_of(ntk, nngp, covariance) if start == "ensemble" and covariance != "none" else None
    found = decompose(ntk.train, eps)
    difference = Double(*add(y, -f_0))
    c = found.images(transposed(difference)).mT
    c_error = bounds.own_errors(found, c.abs(), torch.linalg.vector_norm(difference.high, dim=0))
    form = None if prior is None else found.form(prior.train)
    scales = None if form is None else scales_of(form, found)
    shared = Components(found, dynamics, ridge, c, c_error, form, scales, covariance == "full")
    test = None if ntk.cross is None else _test_points(shared, ntk.cross, prior, given, y.shape[1])
    return Gaussian(tuple(float(t) for t in times), TrainPoints(shared, f_0, bounds.largest(found.basis.high)), test)


def check(times: Sequence[float], dynamics: Dynamics, ridge: float) -> None:
    """Raises ValueError where times do not rise or are none of the dynamics, or the ridge is negative."""
    for t in times:
        dynamics.check(t)
    if any(a >= b for a, b in itertools.pairwise(times)):
        raise ValueError("times rise")
    if not (math.isfinite(ridge) and ridge >= 0):
        raise ValueError(f"a ridge is a finite number from 0, not {ridge}")


def prior_of(ntk: Blocks, nngp: Blocks | None, covariance: Covariance) -> Blocks:
    """Σ where f_0 is random; ValueError unless it is there and of the points of Θ."""
    if nngp is None:
        raise ValueError("the covariance of an ensemble needs the kernel nngp")
    if nngp.train.shape != ntk.train.shape:
        raise ValueError("ntk and nngp are of the same training points")
    if ntk.cross is not None and (nngp.cross is None or nngp.cross.shape != ntk.cross.shape):
        raise ValueError("ntk and nngp are of the same test points")
    return checked(nngp, "nngp", covariance=covariance)


def _test_points(shared: Components, cross: Tensor, prior: Blocks | None, start: Start, k: int) -> TestPoints:
    b, b_error, largest = reach(shared.found, cross)
    if start.test is None and bool((start.train != 0).any()):
        raise ValueError("a given start says f_0 on the test points too")
    f_0 = cross.new_zeros(len(cross), k) if start.test is None else outputs(start.test, len(cross), "start.test", k)
    if prior is None or prior.cross is None:
        return TestPoints(shared, f_0, b, b_error, largest, None, None)
    own = prior.test
    if own is not None and own.ndim == 2 and not shared.full:
        own = own.diagonal()
    return TestPoints(shared, f_0, b, b_error, largest, own, shared.found.images(prior.cross))


def reach(found: Decomposition, cross: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """B = κU/N (n×N), 0 on the null space, bounds on the errors of its columns (N), and the largest entry of each."""
    b = found.images(cross).div_(cross.shape[1])
    b[:, found.rank :] = 0.0
    size, largest = torch.linalg.vector_norm(cross, dim=1).amax() / cross.shape[1], bounds.largest(b)
    error = bounds.own_errors(found, largest[:, None], size[None])[:, 0]
    error[found.rank :] = 0.0
    return b, error, largest


def outputs(x: Tensor, n: int, name: str, k: int | None = None) -> Tensor:
    """x (n×k) in float64, of n where k = 1; ValueError where it is not that."""
    x = x.double()
    x = x[:, None] if x.ndim == 1 else x
    if x.ndim != 2 or len(x) != n or (k is not None and x.shape[1] != k):
        raise ValueError(f"{name} has a row for each of {n} points and a column for each output, not {tuple(x.shape)}")
    if not bool(x.isfinite().all()):
        raise ValueError(f"{name} needs finite entries")
    return x


def _stacked(moments: list[Moments]) -> Moments:
    def stack(column: Sequence[Tensor | None]) -> Tensor | None:
        present = [x for x in column if x is not None]
        return torch.stack(present) if present else None

    return Moments(*map(stack, zip(*moments, strict=True)))  # type: ignore[arg-type]
