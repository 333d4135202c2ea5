"""Kernel gradient flow of any convex cost (Section 3), integrated in the coordinates of the kernel's components.

With K/N = Q Qᵀ on the points trained on (Q = V √λ, N×r, over the components that are not rounding) the function is
f_t = f_0 − Q e, and ∂_t f = −(1/N) K d(f) is ∂_t e = Qᵀ d(f): gradient descent on r numbers an output, whose Jacobian
−Qᵀ H Q is symmetric, H = ∂d/∂f. On other points f_t = f_0 − (1/N) κ V λ^(−½) e. The cost falls by ‖d‖²_K = |Qᵀ d|²/N.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from ntk_engine.function_space import bounds
from ntk_engine.function_space.reached import Here, begun, check_times
from ntk_engine.function_space.rosenbrock import integrate

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch import Tensor

    from ntk_engine.costs import Cost
    from ntk_engine.function_space.prediction import Start
    from ntk_engine.function_space.reached import At

__all__ = ["Path", "features", "follow"]

_EPS = 2.0**-52
_MOST_STEPS = 20_000


@dataclass(frozen=True)
class _Flow:
    """e' = Qᵀ d(f_0 − Q e)."""

    q: Tensor
    start: Tensor
    y: Tensor
    cost: Cost

    def at(self, e: Tensor) -> Tensor:
        """f on the points trained on."""
        return self.start - self.q @ e

    def slope(self, e: Tensor) -> Tensor:
        """r×k."""
        found: Tensor = self.q.mT @ self.cost.direction(self.at(e), self.y)
        return found

    def factored(self, e: Tensor, h: float) -> Tensor:
        """Of 1 + h Qᵀ H Q: rk×rk, as e is r×k row by row."""
        r, k = e.shape
        whole = self._blocks(self.cost.curvature(self.at(e), self.y) * h).view(r * k, r * k)
        whole.diagonal().add_(1.0)
        found: Tensor = torch.linalg.cholesky(whole)
        return found

    def _blocks(self, curvature: Tensor) -> Tensor:
        """Qᵀ H Q, r×k×r×k: of two outputs at a time."""
        k, r = curvature.shape[-1], self.q.shape[1]
        whole = self.q.new_empty(r, k, r, k)
        for a in range(k):
            for b in range(a, k):
                block = self.q.mT @ (self.q * curvature[:, a, b, None])
                whole[:, a, :, b] = block
                whole[:, b, :, a] = block
        return whole


@dataclass(frozen=True)
class Path:
    """f_t along its way; iterated over, it is integrated from one time to the next, anew every time."""

    eigenvalues: Tensor
    """λ of K/N (N), falling,"""
    eigenvalues_bound: float
    """and a bound on the error of each."""
    times: tuple[float, ...]
    tolerance: float
    flow: _Flow
    other: Tensor | None
    """κ V λ^(−½)/N, n×r."""
    beside: Tensor | None
    """f_0 on the other points, n×k."""

    def __iter__(self) -> Iterator[At]:
        """f_t at every time. Raises StepLimitError."""
        flow = self.flow
        # The longest row: what an error of e comes to in a value of f.
        rows = [flow.q] if self.other is None else [flow.q, self.other]
        length = max(float(some.norm(dim=1).max()) for some in rows) or 1.0
        e = flow.q.new_zeros(flow.q.shape[1], flow.start.shape[1])
        for reached in integrate(flow, e, self.times, self.tolerance / length, _MOST_STEPS):
            f, slope = flow.at(reached.e), flow.slope(reached.e)
            test = None if self.other is None or self.beside is None else self.beside - self.other @ reached.e
            here = Here(flow.cost, flow.y, slope.square().sum() / len(f), float(self.eigenvalues.norm()))
            far = max(float(some.abs().max()) for some in (f, test) if some is not None and len(some))
            rounded = bounds.rounding(len(reached.e)) * length * float(reached.e.norm(dim=0).max()) + _EPS * far
            yield here.at(reached.time, f, test, length * reached.error + rounded, reached.steps)


def follow(
    train: Tensor,
    cross: Tensor | None,
    y: Tensor,
    cost: Cost,
    times: Sequence[float],
    *,
    start: Start | None = None,
    tolerance: float = 1e-9,
) -> Path:
    """f_t at finite times, rising from 0, for K = `train` (N×N), κ = `cross` (n×N) and targets y of the cost.

    start: f_0 on the points trained on (N×k) and on others (n×k); None: 0. tolerance: of a step, in units of f. Errors
    that `At` bounds are those of integration, as they are estimated, and rounding of f from what it found. Raises
    ValueError for times that do not rise or are not finite, and for a start of other shapes.
    """
    check_times(times)
    values, bound, q, other = features(train, cross)
    start = begun(start, q, None if other is None else len(other), cost.outputs(y.shape[-1]))
    return Path(values, bound, tuple(times), tolerance, _Flow(q, start.train, y, cost), other, start.test)


def features(train: Tensor, cross: Tensor | None) -> tuple[Tensor, float, Tensor, Tensor | None]:
    """λ of K/N (N), falling, and a bound on their errors; Q (N×r); and κ V λ^(−½)/N, of other points (n×r)."""
    n = len(train)
    values, vectors = torch.linalg.eigh(train / n)
    # What is below is rounding: an eigenvalue errs by some N units of the last digit of the largest.
    rounded = n * torch.finfo(train.dtype).eps * values.abs().max()
    lacks = torch.linalg.matrix_norm(train @ vectors / n - vectors * values)
    some = values > rounded
    root, vectors = values[some].sqrt(), vectors[:, some]
    other = None if cross is None else cross @ (vectors / (n * root))
    return values.flip(0), float(lacks + rounded), vectors * root, other
