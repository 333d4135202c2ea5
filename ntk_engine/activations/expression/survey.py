"""What an activation has to be: finite on the real line, with its kinks known and E[σ(z)²] < ∞ for every Gaussian z.

All of it is looked for on a grid of probes, and between them where something comes near 0; each fault is a ValueError
whose sentence names a z.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, log1p

import numpy as np

from ntk_engine.activations.expression.kinks import MAX_KINKS
from ntk_engine.activations.expression.operations import ARRAYS
from ntk_engine.activations.expression.program import Program
from ntk_engine.activations.expression.recording import FAR, NEAR, Array, Mask, Recording
from ntk_engine.activations.expression.syntax import Call, Node, text
from ntk_engine.activations.expression.zeros import crossings, touches, values

SAME = 1e-12
"""Kinks that differ by no more than this, relative to the larger of them and 1, are one."""
# How near a named kink has to be to the one meant.
_NAMED = 1e-6

# What overflows comes up to here before it does; what is infinite for another reason does not.
_HUGE = 1e290
_TINY = 5e-324
# log|σ| of e^{cz} is proportional to z, that of e^{cz²} to z²: its slopes over [z/4, z/2] and [z/2, z] are as 1 to 2.
_STEEPENS = 1.7
_LARGE = 100.0
_ADVICE = "write it so that no part of it overflows, as softplus(z) for log(1 + exp(z))"
_GROWTH = "E[σ(z)^2] must be finite for every Gaussian z"
_SIDES = {-1.0: "negative", 1.0: "positive"}


def check_divisors(recording: Recording) -> None:
    """Raises ValueError where a divisor is 0, or what log, log1p and sqrt take is not positive."""
    for watched in recording.divisors:
        points = recording.values[0]
        value, reached = values(recording, watched)
        signed = watched.of.function in ("log", "log1p", "sqrt")
        near = reached & (np.abs(points) <= NEAR)
        low = value <= np.where(near, 0.0, -_TINY) if signed else near & (value == 0.0)
        zeros = np.concatenate([points[reached & low], crossings(recording, watched), touches(recording, watched)])
        if zeros.size:
            raise ValueError(_singular(watched.of, _nearest(zeros)))


def exact_kinks(
    recording: Recording, unknown: Sequence[Call], found: Sequence[float], named: Sequence[float]
) -> tuple[float, ...]:
    """The named kinks, to the last digit where they are zeros of a difference.

    unknown: the functions whose kinks do not follow from the tree; found, named: the kinks that do, and the user's.
    Raises ValueError where such a function changes over at an unnamed point, or where nothing is named.
    """
    exact: set[float] = set()
    for watched in recording.changes:
        if not any(watched.of is node for node in unknown):
            continue
        at = crossings(recording, watched)
        if at.size > MAX_KINKS:
            raise ValueError(f"expression may have {MAX_KINKS} kinks, and {_quoted(watched.of)} has {at.size} or more")
        own = at[~_near(at, found, SAME)]
        missing = own[~_near(own, named, _NAMED)]
        if missing.size:
            listed = ", ".join(map(_number, missing))
            raise ValueError(f"kinks must name z = {listed}, where {_quoted(watched.of)} changes over")
        if not named:
            raise ValueError(
                f"kinks must name the points where {_quoted(watched.of)} changes over; "
                f"none was seen, so that it may do without {watched.of.function}"
            )
        exact.update(own.tolist())
    kept = np.array(named)
    return tuple(sorted({*kept[~_near(kept, sorted(exact), _NAMED)].tolist(), *exact}))


def _near(points: Array, others: Sequence[float], tolerance: float) -> Mask:
    """Which of the points are one of the others, but for an error relative to the larger of them and 1."""
    distance = np.abs(points[:, None] - np.array([*others, inf])).min(axis=1)
    return np.asarray(distance <= tolerance * np.maximum(1.0, np.abs(points)))


def check_finite(value: Program, derivative: Program, points: Array) -> float:
    """The largest |z|, up to FAR, until which σ and σ' are finite on both sides.

    Raises ValueError where one of them is no number, grows too fast, or is infinite without having grown.
    """
    finite = np.isfinite(value.run(points, ARRAYS))
    if not np.any(value.run(points, ARRAYS)):
        raise ValueError("expression is 0 everywhere")
    reach = FAR
    for what, program in (("expression", value), ("expression's derivative", derivative)):
        result = np.asarray(program.run(points, ARRAYS))
        # A derivative is asked for where there is a value.
        undefined = points[np.isnan(result) & (finite | (program is value))]
        if undefined.size:
            raise ValueError(f"{what} is not a number at z = {_place(_nearest(undefined))}: {_ADVICE}")
        infinite = points[np.isinf(result) & (np.abs(points) <= NEAR)]
        if infinite.size:
            raise ValueError(f"{what} is infinite or above 1e308 at z = {_place(_nearest(infinite))}: {_GROWTH}")
        for side in (-1.0, 1.0):
            last = side * _last(program, side, points[np.isinf(result)])
            if abs(last) < FAR and abs(_at(program, last)) < _HUGE:
                raise ValueError(f"{what} is not finite beyond z = {_place(last)}: {_ADVICE}")
            if _steepens(program, last):
                raise ValueError(f"{what} grows as exp(c z^2) or faster where z is {_SIDES[side]}: {_GROWTH}")
            reach = min(reach, abs(last))
    return reach


def _steepens(program: Program, last: float) -> bool:
    """Whether log|σ| grows faster than z·log z towards `last`, which is where it overflows, or FAR."""
    parts = [[_at(program, last * part * near) for near in np.linspace(0.9, 1.0, 8)] for part in (0.25, 0.5, 1.0)]
    quarter, half, whole = (log1p(max(map(abs, part))) for part in parts)
    return whole > _LARGE and (whole - half) / 0.5 > _STEEPENS * (half - quarter) / 0.25


def _last(program: Program, side: float, infinite: Array) -> float:
    """The largest |z| up to FAR before the result is infinite on this side; infinite: probes where it is."""
    low, high = NEAR, min(np.abs(infinite[infinite * side > 0.0]), default=FAR)
    if np.isfinite(_at(program, side * high)):
        return FAR
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if np.isfinite(_at(program, side * middle)) else (low, middle)
    return low


def _at(program: Program, z: float) -> float:
    return float(program.run(np.array([z]), ARRAYS)[0])


def _nearest(points: Array) -> float:
    """The one nearest to 0; of two, the positive one."""
    return float(min(points, key=lambda z: (abs(z), -z)))


def _singular(node: Call, z: float) -> str:
    where = f"at z = {_place(z)}"
    part = _quoted(node.arguments[-1] if node.function == "/" else node.arguments[0])
    match node.function:
        case "/":
            return f"expression has the divisor {part}, which is 0 {where}; it must be finite everywhere"
        case "^":
            return f"expression has a negative power of {part}, which is 0 {where}; it must be finite everywhere"
    least = "above -1" if node.function == "log1p" else "positive"
    return f"expression takes {node.function} of {part}, which is not {least} {where}"


def _quoted(node: Node) -> str:
    whole = text(node)
    return whole if len(whole) <= 60 else f"{whole[:60]}..."


def _place(z: float) -> str:
    return f"{0.0 if abs(z) < 1e-290 else z:.6g}"


def _number(value: float) -> str:
    return repr(float(value)).removesuffix(".0")
