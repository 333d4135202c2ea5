"""Slow twins of what an activation computes: printed formulas at as many digits as it takes, and quadrature.

A printed dual is a function (q, q', s) ↦ E[σ(z)σ(z')], (z, z') ~ N(0, [[q, s], [s, q']]), on mpmath's numbers.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache, partial
from itertools import pairwise
from math import atan2, exp, expm1, log10, pi, sin, sqrt
from types import CodeType
from typing import Any, NamedTuple

import mpmath
import numpy as np
import pytest
import torch
from mpmath import mpf

from ntk_engine.activations.base import Activation, After, ClosedForm, Dual
from ntk_engine.compiled.recording import record

EPS = 2.0**-52
ROUNDINGS = 8.0
"""Bound, in units of eps, on what a formula adds: rows are right to 2 eps each, and about eight factors to ½ eps."""
NO_SLOPE = 1e-75
"""Slopes of even functions are of the order of q q' near 0, where ρ_σ is 1: below this, any such number will do."""
ANGLES = (0.0, 1e-9, 1e-7, 1e-5, 1e-3, 0.03, 0.5, 1.2, pi / 2)
"""Angles arccos |ρ|; π/2 stands for ρ = 0."""
FACTORS = (1.0, 1.0 + 1e-9, 1.0 + 1e-6, 1.0 + 1e-3, 1.3)
POINTS = (-4.0, -0.5, -1e-3, 0.0, 1e-6, 0.7, 3.0)

PrintedDual = Callable[[mpf, mpf, mpf], mpf]


class Pair(NamedTuple):
    """Two roots, and ρ = sign (1 − gap) to the last digit of `gap`."""

    root_a: float
    root_b: float
    sign: float
    gap: float

    @property
    def rho(self) -> float:
        return self.sign * (1.0 - self.gap)


class Numbers(NamedTuple):
    """ρ_σ, 1 − |ρ_σ| and dρ_σ/dρ."""

    rho: Any
    gap: Any
    slope: Any


def pairs(roots: Sequence[float], angles: Iterable[float] = ANGLES) -> list[Pair]:
    """Rows of equal, nearly equal and very different roots, at all angles from 0 and from π."""
    return [
        Pair(a, b, sign, 1.0 if angle == pi / 2 else 2.0 * sin(angle / 2) ** 2)
        for a, b in dict.fromkeys(_roots(roots))
        for angle in angles
        for sign in ((1.0,) if angle == pi / 2 else (1.0, -1.0))
    ]


def _roots(roots: Sequence[float]) -> Iterator[tuple[float, float]]:
    for i, root in enumerate(roots):
        yield from ((root, root * factor) for factor in FACTORS)
        yield from ((other, root) for other in roots[i + 1 :: 3])


def exact(dual: PrintedDual, pair: Pair) -> Numbers:
    """From the printed dual, with digits for cancellation in every power of the roots up to the eighth."""
    extreme = max(abs(log10(pair.root_a)), abs(log10(pair.root_b)))
    with mpmath.workdps(90 + 8 * int(extreme)):
        after = _exact(dual, mpf(pair.root_a), mpf(pair.root_b), pair.sign * (1 - mpf(pair.gap)))
        # What is left of an exact 0 is below every gap that a double can lead to.
        return after._replace(gap=after.gap if after.gap > mpf(10) ** -80 else mpf(0))


def _exact(dual: PrintedDual, a: mpf, b: mpf, rho: mpf) -> Numbers:
    scale = mpmath.sqrt(dual(a * a, a * a, a * a) * dual(b * b, b * b, b * b))
    after = dual(a * a, b * b, rho * a * b) / scale
    return Numbers(after, 1 - abs(after), mpmath.diff(lambda r: dual(a * a, b * b, r * a * b), rho) / scale)


def computed(dual: Dual, some: Sequence[Pair]) -> Numbers:
    """What the engine computes for all these pairs: three tensors."""
    a, b, rho, gap = (
        torch.tensor([column(pair) for pair in some], dtype=torch.float64)
        for column in (lambda c: c.root_a, lambda c: c.root_b, lambda c: c.rho, lambda c: c.gap)
    )
    return Numbers(*dual.correlate(dual.rows(a), dual.rows(b), rho, gap))


def assert_pairs(dual: Dual, printed: PrintedDual, some: Sequence[Pair], roundings: float = ROUNDINGS) -> None:
    """ρ_σ is right as it is, and its gap as it moves the angle √(2 gap).

    The slope is right relative to itself or, where that is smaller, to √(slope slope') of both rows with themselves,
    which bounds it by Cauchy and Schwarz: terms of different sign may cancel, and exponentials magnify the digits of
    their arguments.
    """
    own = cache(lambda root: exact(printed, Pair(root, root, 1.0, 0.0)).slope)
    for pair, values in zip(some, zip(*computed(dual, some), strict=True), strict=True):
        rho, gap, slope = (mpf(float(value)) for value in values)
        right = exact(printed, pair)
        assert gap >= 0, pair
        scale = max(abs(right.slope), mpmath.sqrt(own(pair.root_a) * own(pair.root_b)), NO_SLOPE / EPS)
        errors = (
            abs(rho - right.rho),
            abs(mpmath.sqrt(2 * gap) - mpmath.sqrt(2 * right.gap)),
            abs(slope - right.slope) / scale,
        )
        assert max(errors) <= roundings * EPS, (pair, [float(error / EPS) for error in errors])


def assert_relative_gaps(dual: Dual, printed: PrintedDual, roots: Sequence[float]) -> None:
    """For rows of one norm, the gap is right relative to itself."""
    some = [pair for pair in pairs(roots) if pair.root_a == pair.root_b]
    for pair, gap in zip(some, computed(dual, some).gap.tolist(), strict=True):
        right = exact(printed, pair).gap
        assert abs(gap - right) <= ROUNDINGS * EPS * right, (pair, gap, float(right))


def expectation(
    f: Callable[[torch.Tensor], torch.Tensor], root_a: float, root_b: float, rho: float, kinks: Sequence[float] = (0.0,)
) -> float:
    """E f(z) f(z') by Gauss-Legendre rules of 200 points on pieces that end at the kinks of a factor; |ρ| < 1."""
    rest = sqrt(1 - rho * rho)
    ends = sorted({-11.0, 11.0, *(min(max(k / root_a, -11.0), 11.0) for k in kinks)})
    z, at_z = (part.flatten() for part in _rule(torch.tensor([*pairwise(ends)], dtype=torch.float64)))
    inner = torch.stack([(k / root_b - rho * z) / rest for k in sorted(kinks)], dim=1).clamp(-11.0, 11.0)
    edge = torch.full_like(z, 11.0)[:, None]
    bounds = torch.cat([-edge, inner, edge], dim=1)
    total = torch.zeros_like(z)
    for k in range(bounds.shape[1] - 1):
        w, at_w = _rule(bounds[:, k : k + 2])
        total += (f(root_b * (rho * z[:, None] + rest * w)) * at_w).sum(dim=1)
    return float((f(root_a * z) * at_z * total).sum())


@cache
def _legendre() -> tuple[np.ndarray, np.ndarray]:
    return np.polynomial.legendre.leggauss(200)


def _rule(pieces: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Nodes, and weights times the normal density, on every interval (n×2) of `pieces`: two n×200."""
    nodes, weights = (torch.from_numpy(part) for part in _legendre())
    middle, half = pieces.mean(dim=1, keepdim=True), pieces.diff(dim=1) / 2
    x = middle + half * nodes
    return x, half * weights * (-x * x / 2).exp() / sqrt(2 * pi)


def assert_printed(activation: Activation, printed: PrintedDual, kinks: Sequence[float] = (0.0,)) -> None:
    """The printed dual is E[σσ'] of the activation's function, and its derivative is E[σ'σ'], by quadrature."""
    for root_a, root_b, rho in [(1.0, 1.0, 0.3), (0.5, 1.7, -0.8), (1.3, 0.1, 0.0), (0.9, 0.8, 0.95)]:
        a, b, s = mpf(root_a), mpf(root_b), mpf(root_a) * root_b * rho
        # 400 positive terms of the scale of √(E[σ²] E[σ'²]), each rounded.
        scale = float(mpmath.sqrt(printed(a * a, a * a, a * a) * printed(b * b, b * b, b * b)))
        value = expectation(activation.value, root_a, root_b, rho, kinks)
        assert value == pytest.approx(float(printed(a * a, b * b, s)), rel=1e-12, abs=1e-13 * scale)
        slope = expectation(activation.derivative, root_a, root_b, rho, kinks)
        with mpmath.workdps(40):
            right = float(mpmath.diff(partial(printed, a * a, b * b), s))
        assert slope == pytest.approx(right, rel=1e-12, abs=1e-13 * scale / (root_a * root_b))


def assert_function(
    activation: Activation, value: Callable[[mpf], mpf], digits: float = ROUNDINGS, absolute: float = 0.0
) -> None:
    """σ and σ' at some points, to so many last digits of themselves, or of `absolute`."""
    z = torch.tensor(POINTS, dtype=torch.float64)
    for computed_values, function in (
        (activation.value(z), value),
        (activation.derivative(z), lambda x: mpmath.diff(value, x)),
    ):
        with mpmath.workdps(40):
            right = [float(function(mpf(point))) for point in POINTS]
        assert computed_values.tolist() == pytest.approx(right, rel=digits * EPS, abs=digits * EPS * absolute)


def moment(dual: Dual, root: float) -> float:
    """√E[σ²] as computed."""
    return float(dual.rows(torch.tensor(root, dtype=torch.float64))[0])


def assert_moments(dual: Dual, printed: PrintedDual, roots: Sequence[float], digits: float = ROUNDINGS) -> None:
    """√E[σ²], to so many last digits of itself."""
    values = dual.rows(torch.tensor(roots, dtype=torch.float64))[0]
    for root, value in zip(roots, values.tolist(), strict=True):
        with mpmath.workdps(90 + 8 * int(abs(log10(root)))):
            right = mpmath.sqrt(printed(*(mpf(root) ** 2,) * 3))
            assert abs(value - right) <= digits * EPS * right, (root, value, float(right))


def assert_zero_rows(dual: Dual) -> None:
    """A zero row, whose correlations are 0 by convention, leaves nothing infinite, in value or derivative."""
    for root_a, root_b in ((0.0, 0.0), (0.0, 1.0), (0.0, 1e-300)):
        a, b = (torch.tensor(root, dtype=torch.float64, requires_grad=True) for root in (root_a, root_b))
        zero = a.detach() * 0.0
        rows_a, rows_b = dual.rows(a), dual.rows(b)
        after = dual.correlate(rows_a, rows_b, zero, zero + 1.0)
        derivatives = torch.autograd.grad(sum(after, start=rows_a[0] + rows_b[0]), (a, b))
        assert all(bool(number.isfinite()) for number in (*rows_a, *after, *derivatives))
        assert after.gap >= 0.0


def assert_differentiable(dual: Dual, printed: PrintedDual, roots: Sequence[float]) -> None:
    """Derivatives are finite for duplicates and antipodes too; those of ρ_σ and its gap by ρ are ± the slope."""
    some = [pair for pair in pairs(roots, (0.0, 1e-9, 1e-3, 1.0)) if pair.root_b < 2 * pair.root_a]
    after, (a, b, gap) = _graph(dual, some)
    for result in after:
        for derivative in torch.autograd.grad(result.sum(), (a, b, gap), retain_graph=True):
            assert derivative.isfinite().all()
    sign = torch.tensor([pair.sign for pair in some], dtype=torch.float64)
    by_rho, by_gap = (torch.autograd.grad(x.sum(), gap, retain_graph=True)[0] for x in (after.rho, after.gap))
    # A derivative of a steep function is a sum of steep terms, each rounded.
    assert torch.allclose(by_rho, -sign * after.slope, rtol=1e-9, atol=1e-9)
    assert torch.allclose(by_gap, sign * after.rho.sign() * after.slope, rtol=1e-9, atol=1e-9)
    _assert_derivatives_by_root(dual, printed)


def _assert_derivatives_by_root(dual: Dual, printed: PrintedDual) -> None:
    """d/d log √q of all three, against mpmath's, for roots in the middle of the range."""
    some = pairs((1e-3, 0.3, 1.0, 3.0), (0.0, 1e-7, 1e-3, 0.5))[::3]
    after, (a, _, _) = _graph(dual, some)
    for which, result in zip(Numbers._fields, after, strict=True):
        (by_root,) = torch.autograd.grad(result.sum(), a, retain_graph=True)
        for pair, derivative in zip(some, (by_root * a).tolist(), strict=True):
            with mpmath.workdps(80):
                right = mpmath.diff(partial(_moved, printed, pair, which), 0)
            assert derivative == pytest.approx(float(right), rel=1e-12, abs=1e-12), (which, pair)


def _moved(printed: PrintedDual, pair: Pair, which: str, by: mpf) -> mpf:
    a, b = mpf(pair.root_a) * mpmath.exp(by), mpf(pair.root_b)
    return getattr(_exact(printed, a, b, pair.sign * (1 - mpf(pair.gap))), which)


def _graph(dual: Dual, some: Sequence[Pair]) -> tuple[After, list[torch.Tensor]]:
    inputs = [torch.tensor([pair[k] for pair in some], dtype=torch.float64, requires_grad=True) for k in (0, 1, 3)]
    a, b, gap = inputs
    rho = torch.tensor([pair.sign for pair in some], dtype=torch.float64) * (1.0 - gap)
    return dual.correlate(dual.rows(a), dual.rows(b), rho, gap), inputs


def assert_recorded(activation: ClosedForm, roots: Sequence[float]) -> None:
    """The recorded formula, line by line in Python, gives what it gives on tensors."""
    some = pairs(roots, (0.0, 1e-7, 0.5, pi / 2))
    for name in ("pair", "pair_nonnegative"):
        chosen = [pair for pair in some if name == "pair" or pair.sign > 0]
        a, b = (activation.rows(torch.tensor([p[k] for p in chosen], dtype=torch.float64)) for k in (0, 1))
        rho, gap = (torch.tensor([getattr(p, k) for p in chosen], dtype=torch.float64) for k in ("rho", "gap"))
        results = getattr(activation, name)(activation.parameters, a, b, rho, gap)
        names = [
            [f"{side}{i}" for i in range(len(given))]
            for side, given in (("p", activation.parameters), ("a", a), ("b", b))
        ]
        lines = record(getattr(activation, name), *names, "rho", "gap", results=["r", "g", "k"])
        program = _program(lines)
        for i in range(len(chosen)):
            known = dict(zip(names[0], activation.parameters, strict=True))
            for side, given in zip(names[1:], (a, b), strict=True):
                known |= {key: float(column[i]) for key, column in zip(side, given, strict=True)}
            known |= _FUNCTIONS | {"rho": float(rho[i]), "gap": float(gap[i])}
            exec(program, known)
            replayed = [known[key] for key in ("r", "g", "k")]
            # Two libraries' elementary functions differ by an ulp, which formulas magnify where pairs are far apart.
            assert replayed == pytest.approx([float(result[i]) for result in results], rel=1e-12, abs=1e-15), chosen[i]


_FUNCTIONS: dict[str, Any] = {
    "root": sqrt,
    "magnitude": abs,
    "exponential": lambda x: exp(max(x, -745.2)),
    "exponential_less_one": lambda x: expm1(max(x, -745.2)),
    "angle": atan2,
    "arc_rest": lambda gap: float(_arc_rest(mpf(gap))),
}


def _arc_rest(gap: mpf) -> mpf:
    """(φ/sin φ − 1)/gap for cos φ = 1 − gap."""
    if gap == 0:
        return mpf(1) / 3
    with mpmath.workdps(80 - int(log10(gap))):
        return (mpmath.acos(1 - gap) / mpmath.sqrt(gap * (2 - gap)) - 1) / gap


def _program(lines: Iterable[str]) -> CodeType:
    """Recorded lines as Python: `const double t = …;`, with hexadecimal numbers and `c ? x : y`."""
    text = "\n".join(re.sub(r"^(const \w+ )?(.*);$", r"\2", line) for line in lines)
    text = re.sub(r"-?0x[\d.a-f]+p[+-]\d+", lambda number: repr(float.fromhex(number[0])), text)
    return compile(re.sub(r"(\S+) \? (\S+) : (\S+)", r"\2 if \1 else \3", text), "recorded", "exec")
