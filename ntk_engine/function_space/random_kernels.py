"""The tangent kernel of P random functions (Section 3.1), how far it is from its mean, and what it predicts.

K_P = (1/P) Σ_p f^{(p)} ⊗ f^{(p)},     E‖K_P − K‖²_F = (‖K‖²_F + (tr K)²)/P  for Gaussian f^{(p)} (Wishart 1928)
"""

from __future__ import annotations

from itertools import pairwise
from math import inf, isnan
from typing import TYPE_CHECKING, NamedTuple

import torch

from ntk_engine.activations.double_word import add
from ntk_engine.finite.products import mirrored
from ntk_engine.function_space import bounds
from ntk_engine.function_space.blocks import Blocks, checked
from ntk_engine.function_space.dynamics import Dynamics, Flow
from ntk_engine.function_space.prediction import Gaussian, gaussian

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from torch import Tensor

    from ntk_engine.function_space.points import Moments

__all__ = [
    "RandomKernel",
    "RandomPrediction",
    "expected_error",
    "expected_error_bound",
    "random_kernels",
    "random_predictions",
]

_EPS = 2.0**-52
_CHUNK = 256
_FLOW = Flow()


class RandomKernel(NamedTuple):
    """K_P."""

    functions: int
    """P."""
    kernel: Blocks
    """K_P on the points trained on (N×N) and between others and those (n×N)."""
    frobenius: float
    """‖K_P − K‖_F/‖K‖_F on the points trained on,"""
    operator: float
    """and ‖K_P − K‖/‖K‖, of their largest |eigenvalues|."""
    error_bound: float
    """What rounding may have added to either of the two, for the functions that were drawn."""


class RandomPrediction(NamedTuple):
    """Least squares with K_P."""

    of: RandomKernel
    found: Gaussian
    """f_t from 0, at the times that were asked for."""
    train_missed: tuple[float, ...]
    """How far its mean is from that of K, time by time: the root of the mean square over points and outputs, of those
    trained on,"""
    test_missed: tuple[float, ...] | None
    """and of others."""
    train_missed_bound: float
    """What rounding may have added to any of them, for the kernels K and K_P as they were computed,"""
    test_missed_bound: float | None
    """and those of others."""


class _Sum:
    """Σ f ⊗ f over functions that come in any number: their products are taken in chunks, so sums have one order."""

    def __init__(self, points: int, n: int, like: Tensor) -> None:
        self.count, self._n = 0, n
        self._high, self._low = (like.new_zeros(points, n) for _ in range(2))
        self._waiting = like.new_empty(_CHUNK, points)

    def add(self, functions: Tensor) -> None:
        """Some more of them (…×(N + n))."""
        for some in functions.tensor_split(tuple(range(_CHUNK - self._filled, len(functions), _CHUNK))):
            self._waiting[self._filled : self._filled + len(some)] = some
            self.count += len(some)
            if len(some) and not self._filled:
                # In two words: what is null space of K, many summands would make more than rounding of.
                self._high, error = add(self._high, self._product(_CHUNK))
                self._low += error

    def kernel(self) -> Blocks:
        """K_P of all so far."""
        whole = self._high + (self._low + self._product(self._filled) if self._filled else self._low)
        whole /= self.count
        return Blocks(mirrored(whole[: self._n]), whole[self._n :] if len(whole) > self._n else None)

    @property
    def _filled(self) -> int:
        return self.count % _CHUNK

    def _product(self, rows: int) -> Tensor:
        some = self._waiting[:rows]
        return some.mT @ some[:, : self._n]


def random_kernels(kernel: Blocks, functions: Iterable[Tensor], counts: Sequence[int]) -> Iterator[RandomKernel]:
    """K_P of the first P functions (…×(N + n) at a time, such as those of a seed), for every P of rising counts.

    kernel: their mean, of which `train` is compared, and `cross` says how many other points there are. Nothing but two
    or three matrices of (N + n)×N and 256 functions are held; O((N + n) N) a function, O(N³) for every P. Equal
    functions give equal bits, however many come at a time and whatever other counts there are. Raises ValueError for
    counts that do not rise from 1, or to more than there are functions, and for shapes that do not fit.
    """
    if not counts or counts[0] < 1 or any(a >= b for a, b in pairwise(counts)):
        raise ValueError("numbers of functions rise, from 1 on")
    kernel = checked(kernel, "kernel", covariance="none")
    n, points = len(kernel.train), len(kernel.train) + (0 if kernel.cross is None else len(kernel.cross))
    sums, stream = _Sum(points, n, kernel.train), iter(functions)
    rest = kernel.train.new_empty(0, points)
    norms = _frobenius(kernel.train) or 1.0, _operator(kernel.train) or 1.0
    for count in counts:
        while sums.count < count:
            if not len(rest):
                rest = next(stream, rest)
                if not len(rest) or rest.shape[1:] != (points,):
                    raise ValueError(f"of functions on {points} points there are {sums.count}, and not {count}")
            some, rest = rest[: count - sums.count], rest[count - sums.count :]
            sums.add(some)
        found = sums.kernel()
        left = found.train - kernel.train
        errors = _frobenius(left) / norms[0], _operator(left) / norms[1]
        yield RandomKernel(count, found, *errors, _rounded(found.train, errors, norms, count))


def _frobenius(k: Tensor) -> float:
    """By entries over the largest, whose squares do not underflow."""
    unit = float(k.abs().amax()) or 1.0
    return float((k / unit).norm()) * unit


def _operator(k: Tensor) -> float:
    return float(torch.linalg.eigvalsh(k).abs().max())


def _rounded(found: Tensor, errors: tuple[float, float], norms: tuple[float, float], count: int) -> float:
    """A bound on rounding in both of the errors, of P = `count` functions.

    Of entries of K_P, relative to √(K_P(x,x) K_P(x',x')) and so to tr K_P in their norm: of products of 256 functions,
    as sums from there on have two words. And of norms themselves, each relative to itself: of sums of N² squares, and
    of a solver that finds eigenvalues to N eps of the largest.
    """
    n = len(found)
    entries = (bounds.rounding(min(count, _CHUNK)) + 4 * _EPS) * float(found.trace())
    own = bounds.rounding(n * n) + 8 * _EPS, (2 * n + 8) * _EPS
    return max(entries / norm + part * error for norm, part, error in zip(norms, own, errors, strict=True))


def expected_error(k: Tensor, functions: int) -> float:
    """The root of the mean square of ‖K_P − K‖_F/‖K‖_F, for P Gaussian functions of covariance K (N×N); 0 of K = 0."""
    norm = _frobenius(k)
    found: float = ((1 + (float(k.trace()) / norm) ** 2) / functions) ** 0.5 if norm else 0.0
    return found


def expected_error_bound(error: float, points: int) -> float:
    """What rounding may have added to such an `error` of K of so many points: of a trace, and of a norm."""
    return (bounds.rounding(points) + bounds.rounding(points**2) + 8 * _EPS) * error


def random_predictions(
    kernel: Blocks,
    functions: Iterable[Tensor],
    y: Tensor,
    counts: Sequence[int],
    times: Sequence[float],
    *,
    dynamics: Dynamics = _FLOW,
    ridge: float = 0.0,
) -> Iterator[RandomPrediction]:
    """Least squares, from f_0 = 0, with K_P in place of K, for every P: what descent on θ does, whatever P (θ_0 = 0).

    As `gaussian` has it, whose null space is that of K_P where P < N. Kernels as in `random_kernels`; raises ValueError
    as that and `gaussian`. O(N³) for every P.
    """

    def predicted(k: Blocks) -> Gaussian:
        pair = Blocks(k.train, k.cross)
        return gaussian(pair, None, y, times, dynamics=dynamics, start="zero", ridge=ridge, covariance="none")

    limit = list(predicted(kernel))
    for of in random_kernels(kernel, functions, counts):
        found = predicted(of.kernel)
        pairs = list(zip(found, limit, strict=True))
        own = [_missed(train, twin) for (train, _), (twin, _) in pairs]
        others = [_missed(test, twin) for (_, test), (_, twin) in pairs if test is not None and twin is not None]
        yield RandomPrediction(
            of,
            found,
            tuple(missed for missed, _ in own),
            tuple(missed for missed, _ in others) or None,
            max((bound for _, bound in own), default=0.0),
            max((bound for _, bound in others), default=None),
        )


def _missed(found: Moments, limit: Moments) -> tuple[float, float]:
    """The root of the mean square of what means differ by, inf where both are, and a bound on its error."""
    far = (found.mean - limit.mean).square().mean().sqrt()
    bound = found.mean_bound + limit.mean_bound + (bounds.rounding(found.mean.numel()) + 4 * _EPS) * far
    missed, off = (inf if isnan(some) else some for some in (float(far), float(bound)))
    return missed, off
