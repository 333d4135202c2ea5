"""Where a step of a recording passes or touches 0, between the probes too."""

from __future__ import annotations

import numpy as np

from ntk_engine.activations.expression.operations import ARRAYS
from ntk_engine.activations.expression.program import Program
from ntk_engine.activations.expression.recording import Array, Mask, Recording, Watched

# A minimum that is smaller than its surroundings by this factor is 0 but for rounding.
_NOTHING = 1e-12
_SURROUNDINGS = 1 / 8
_MOST_MINIMA = 64


def values(recording: Recording, watched: Watched) -> tuple[Array, Mask]:
    """The step's values at the probes, and which of the probes reach its branch."""
    points = recording.values[0]
    return np.broadcast_to(recording.values[watched.step], points.shape), recording.values[watched.z] == points


def crossings(recording: Recording, watched: Watched) -> Array:
    """The points, to the last digit, where it changes its sign; in rising order."""
    points = recording.values[0]
    value, reached = values(recording, watched)
    sign = np.where(reached, np.sign(value), 0.0)
    exact = points[1:-1][(sign[1:-1] == 0.0) & (sign[:-2] * sign[2:] < 0.0)]
    left = np.flatnonzero(sign[:-1] * sign[1:] < 0.0)
    between = _bisect(recording.steps.program(watched.step), points[left], points[left + 1], sign[left])
    return np.sort(np.concatenate([exact, between]))


def touches(recording: Recording, watched: Watched) -> Array:
    """The points where its modulus falls to 0, and rises again unless its branch ends there."""
    points = recording.values[0]
    value, reached = values(recording, watched)
    size = np.where(reached, np.abs(value), np.inf)
    left, middle, right = size[:-2], size[1:-1], size[2:]
    lowest = np.flatnonzero((middle <= left) & (middle <= right) & ((middle < left) | (middle < right))) + 1
    lowest = lowest[np.argsort(size[lowest], kind="stable")[:_MOST_MINIMA]]
    scale = np.array([_scale(points, size, int(index)) for index in lowest])
    # At the end of a branch there is nothing to look for beyond.
    low = np.where(reached[lowest - 1], points[lowest - 1], points[lowest])
    high = np.where(reached[lowest + 1], points[lowest + 1], points[lowest])
    deep = size[lowest] <= scale / 2
    at, least = _descend(recording.steps.program(watched.step), low[deep], high[deep])
    return np.sort(at[least < _NOTHING * scale[deep]])


def _scale(points: Array, size: Array, index: int) -> float:
    """How far the modulus rises in the surroundings of a probe, on the side where it rises less."""
    reach = _SURROUNDINGS * max(1.0, abs(points[index]))
    low, high = np.searchsorted(points, [points[index] - reach, points[index] + reach])
    return float(min(size[low : index + 1].max(), size[index:high].max()))


def _bisect(program: Program, low: Array, high: Array, sign: Array) -> Array:
    """Where the function leaves the sign that it has at `low`."""
    # Halves of an interval next to 0 get to its smallest numbers in some 1,100 steps, others to neighbours in 60.
    while np.any((low < (middle := low / 2 + high / 2)) & (middle < high)):
        same = np.sign(_run(program, middle)) == sign
        low, high = np.where(same, middle, low), np.where(same, high, middle)
    return high


def _descend(program: Program, low: Array, high: Array) -> tuple[Array, Array]:
    """The places and values of the least modulus between `low` and `high`."""
    rows, places = np.arange(low.size), np.linspace(0.0, 1.0, 9)
    for _ in range(24):
        grid = low[:, None] + (high - low)[:, None] * places
        size = np.abs(_run(program, grid))
        least = np.argmin(np.where(np.isnan(size), np.inf, size), axis=1)
        at, found = grid[rows, least], size[rows, least]
        low, high = grid[rows, np.maximum(least - 1, 0)], grid[rows, np.minimum(least + 1, 8)]
    return at, found


def _run(program: Program, z: Array) -> Array:
    return np.asarray(program.run(z, ARRAYS))
