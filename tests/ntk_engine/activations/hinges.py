"""Piecewise linear activations, and their duals by integrals over one variable at thirty digits."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import mpmath
import numpy as np
import torch
from mpmath import mpf

from ntk_engine.activations import parse
from ntk_engine.activations.numeric import Numeric
from ntk_engine.activations.sigmoids import HardTanh
from tests.ntk_engine.activations.exact import Pair


@dataclass(frozen=True)
class Hinges(Numeric):
    """σ(z) = 0.2z + Σ J_j max(z − c_j, 0)."""

    hinges: tuple[tuple[float, float], ...]

    @property
    def kinks(self) -> tuple[float, ...]:  # type: ignore[override]
        return tuple(c for c, _ in self.hinges)

    def value(self, z: torch.Tensor) -> torch.Tensor:
        return sum((jump * (z - c).clamp_min(0.0) for c, jump in self.hinges), start=0.2 * z)

    def derivative(self, z: torch.Tensor) -> torch.Tensor:
        return sum((jump * (z > c).to(z.dtype) for c, jump in self.hinges), start=0.2 + 0.0 * z)


CLIP, UNEVEN = HardTanh(), Hinges(((-1.0, 1.0), (0.0, -0.3), (2.5, -1.5)))
HAT = parse({"type": "expression", "expression": "relu(1 - abs(z))"})
PIECES = {CLIP: [(-1.0, 1.0), (1.0, -1.0)], UNEVEN: list(UNEVEN.hinges), HAT: [(-1.0, 1.0), (0.0, -2.0), (1.0, 1.0)]}
START = {CLIP: (0.0, -1.0), UNEVEN: (0.2, 0.0), HAT: (0.0, 0.0)}
"""Slope and value at −∞, less the slope times z."""


Piece = tuple[mpf, mpf, mpf, mpf]


def _pieces(sigma: Numeric, order: int) -> list[Piece]:
    """Low and high end, level and slope of σ (order 0) or σ' (order 1) on each piece."""
    slope, level = (mpf(number) for number in START[sigma])
    pieces = []
    for low, high in pairwise([(-mpmath.inf, 0.0), *PIECES[sigma], (mpmath.inf, 0.0)]):
        if mpmath.isfinite(low[0]):
            slope, level = slope + mpf(low[1]), level - mpf(low[1]) * mpf(low[0])
        pieces.append((mpf(low[0]), mpf(high[0]), slope if order else level, mpf(0) if order else slope))
    return pieces


def right(sigma: Numeric, pair: Pair) -> tuple[mpf, mpf, mpf]:
    """ρ_σ, 1 − |ρ_σ| and the slope, from integrals over z of what is expected given z, at thirty digits."""
    with mpmath.workdps(30):
        a, b, rho = mpf(pair.root_a), mpf(pair.root_b), pair.sign * (1 - mpf(pair.gap))
        rest = mpmath.sqrt(1 - rho * rho)
        value, slope = [_product(_pieces(sigma, order), a, b, rho, rest) for order in (0, 1)]
        scale = mpmath.sqrt(_square(sigma, a) * _square(sigma, b))
        return value / scale, 1 - abs(value / scale), slope * a * b / scale


def _square(sigma: Numeric, root: mpf) -> mpf:
    """E[σ²]."""
    return mpmath.fsum(
        _integral(lambda z, c=level, s=slope: (c + s * root * z) ** 2, low / root, high / root, ())
        for low, high, level, slope in _pieces(sigma, 0)
    )


def _product(pieces: list[Piece], a: mpf, b: mpf, rho: mpf, rest: mpf) -> mpf:
    """E f(√q z) f(√q' z')."""
    layers = [(low / b + k * rest) / rho for low, _, _, _ in pieces[1:] for k in (-9, -3, 0, 3, 9)]
    return mpmath.fsum(
        _integral(
            lambda z, c=level, s=slope: (c + s * a * z) * _given(pieces, rho * z, rest, b), low / a, high / a, layers
        )
        for low, high, level, slope in pieces
        if level or slope
    )


def _integral(g: Callable[[mpf], mpf], low: mpf, high: mpf, also: Sequence[mpf]) -> mpf:
    """E[g(z); low < z < high], by rules of 24 points between edges; beyond 11 there is nothing."""
    low, high = max(low, mpf(-11)), min(high, mpf(11))
    edges = sorted({low, high, *(mpf(x) for x in (*range(-11, 12), *also) if low < x < high)})
    nodes = _rule()
    return mpmath.fsum(
        w * (y - x) * g(x + (y - x) * t) * mpmath.npdf(x + (y - x) * t) for x, y in pairwise(edges) for t, w in nodes
    )


@cache
def _rule() -> list[tuple[mpf, mpf]]:
    """The Gauss-Legendre rule of 24 points on [0, 1], at thirty digits."""
    with mpmath.workdps(30):
        roots = [mpmath.findroot(lambda t: mpmath.legendre(24, t), x) for x in np.polynomial.legendre.leggauss(24)[0]]
        return [((x + 1) / 2, 1 / ((1 - x * x) * mpmath.diff(lambda t: mpmath.legendre(24, t), x) ** 2)) for x in roots]


def _given(pieces: list[Piece], mean: mpf, rest: mpf, root: mpf) -> mpf:
    """E f(√q' (mean + rest v)), by the moments of v on each piece."""
    total = mpf(0)
    for low, high, level, slope in pieces:
        start, stop = ((end / root - mean) / rest for end in (low, high))
        share = mpmath.ncdf(stop) - mpmath.ncdf(start)
        total += (level + slope * root * mean) * share
        total += slope * root * rest * (mpmath.npdf(start) - mpmath.npdf(stop)) if slope else 0
    return total
