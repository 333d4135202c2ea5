"""A stiff integrator for gradient flows e' = g(e) with a symmetric negative semidefinite Jacobian.

RODAS of order 4 with an embedded one of order 3 (Hairer & Wanner, Solving Ordinary Differential Equations II, 2nd ed.,
Section VI.4): six stages, L-stable, each one solution of (1/(hγ) − J) u = r, whose matrix a step factors once. Flows of
convex functions bring solutions nearer to one another, so that what steps err adds up and never grows.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, NamedTuple, Protocol

import torch

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch import Tensor

__all__ = ["Flow", "Reached", "StepLimitError", "integrate"]

_GAMMA = 0.25
# What earlier stages bring to the argument of a stage, and to its right side over h.
_A = (
    (),
    (1.544,),
    (0.9466785280815826, 0.2557011698983284),
    (3.314825187068521, 2.896124015972201, 0.9986419139977817),
    (1.221224509226641, 6.019134481288629, 12.53708332932087, -0.6878860361058950),
    (1.221224509226641, 6.019134481288629, 12.53708332932087, -0.6878860361058950, 1.0),
)
_C = (
    (),
    (-5.6688,),
    (-2.430093356833875, -0.2063599157091915),
    (-0.1073529058151375, -9.594562251023355, -20.47028614809616),
    (7.496443313967647, -10.24680431464352, -33.99990352819905, 11.70890893206160),
    (8.083246795921522, -7.981132988064893, -31.52159432874371, 16.31930543123136, -6.058818238834054),
)
_ORDER = 4
# How a step's length may change, and how much below what is allowed a step is meant to err.
_LEAST, _MOST, _SAFETY = 0.2, 6.0, 0.8


class Flow(Protocol):
    """What is integrated."""

    def slope(self, e: Tensor) -> Tensor:
        """g(e)."""

    def factored(self, e: Tensor, h: float) -> Tensor:
        """The lower Cholesky factor of 1 − h ∂g/∂e, for e as one vector."""


class Reached(NamedTuple):
    """A time that was asked for."""

    time: float
    e: Tensor
    error: float
    """What the lengths of the steps' estimated errors come to by then: a bound on |e − e(t)| where estimates are."""
    steps: int


class StepLimitError(ArithmeticError):
    """The steps that are allowed were spent before the last time."""


def integrate(flow: Flow, e: Tensor, times: Sequence[float], tolerance: float, max_steps: int) -> Iterator[Reached]:
    """e at every time (rising, from 0), each step's error at most `tolerance`.

    Raises StepLimitError after max_steps steps, accepted or not.
    """
    time, error, steps, h = 0.0, 0.0, 0, _first(flow, e, tolerance)
    for end in times:
        while time < end:
            step = min(h, end - time)
            last = step == end - time
            new, missed = _step(flow, e, step)
            steps += 1
            if steps > max_steps:
                raise StepLimitError(f"after {max_steps} steps of integration only the time {time:g} was reached")
            grown = step * _change(missed, tolerance)
            if missed <= tolerance:
                time, e, error = end if last else time + step, new, error + missed
                # A step that was cut short to end at a time says nothing against longer ones.
                grown = max(h, grown) if last else grown
            h = grown
        yield Reached(end, e, error, steps)


def _change(missed: float, tolerance: float) -> float:
    """By what a step's length is multiplied."""
    if missed == 0.0:
        return _MOST
    wanted: float = _SAFETY * (tolerance / missed) ** (1.0 / _ORDER)
    return min(_MOST, max(_LEAST, wanted))


def _first(flow: Flow, e: Tensor, tolerance: float) -> float:
    """A length so short that e hardly moves; steps grow at once."""
    speed = float(flow.slope(e).norm())
    return max(tolerance, 1e-12) ** (1.0 / _ORDER) / speed if speed > 0.0 else 1.0


def _step(flow: Flow, e: Tensor, h: float) -> tuple[Tensor, float]:
    """e after a step, and the length of its estimated error; inf where it is not finite."""
    factor = flow.factored(e, _GAMMA * h)
    stages: list[Tensor] = []
    for a, c in zip(_A, _C, strict=True):
        right = flow.slope(_plus(e, a, stages)) * (_GAMMA * h)
        right = _plus(right, [_GAMMA * weight for weight in c], stages)
        stages.append(torch.cholesky_solve(right.reshape(-1, 1), factor).view_as(e))
    last = stages[-1]
    new = _plus(e, (*_A[-1], 1.0), stages)
    return new, float(last.norm()) if bool(new.isfinite().all()) else inf


def _plus(start: Tensor, weights: Sequence[float], stages: Sequence[Tensor]) -> Tensor:
    for weight, stage in zip(weights, stages, strict=True):
        start = start + weight * stage
    return start
