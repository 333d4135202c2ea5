"""How far an activation's expectations move when its pairs of inputs are moved a little: what errors grow by.

With f(z) = σ'(√q z), D = √E[f²] and s = √E[σ(√q z)²], and for each unit of log √q, of which
    μ = E[√q z σ f]/s² is the derivative of log s,
a row's unit vector X = σ(√q z)/s turns by no more than
    κ = √q D/s                            for each unit of the angle arccos ρ (κ² is dρ_σ/dρ at ρ = 1),
    ν = √E[(√q z f − μσ)²]/s              for each unit of log √q: dX less what of it is along X,
and E[σ'σ']/(D D') moves, where y' = z sin φ − y cos φ is independent of z' = z cos φ + y sin φ, E|y'| = √(2/π),
    for each unit of the angle by |E[(f(z) − c) df'(z')/dz' y']| ≤ √(2/π) ½(sup f − inf f) ∫ φ(z)|df'| with
        c = ½(sup f + inf f), or with f and f' exchanged, the less of which is no more than the larger of the rows' own
        λ = √(2/π) ½(sup f − inf f) ∫ φ(z)|df|/D²,
    for each unit of log √q of either row by |E[z df(z)/dz f'(z')]| ≤ sup|f'| ∫ |z|φ(z)|df|, by no more than
        ω = max(sup|f|/D) max(∫ |z|φ(z)|df|/D).
Nothing here is differentiated twice, so σ may have kinks; where it jumps, κ, λ and ω are infinite.
"""

from __future__ import annotations

from functools import lru_cache
from math import inf, log, pi, sqrt
from typing import TYPE_CHECKING, NamedTuple

import torch

from ntk_engine.activations.quadrature import density

if TYPE_CHECKING:
    from torch import Tensor

    from ntk_engine.activations.base import Activation

# Roots beyond these are like these: σ is a power or linear there, or too steep for the engine.
LEAST, MOST = 1e-6, 1e15
# Ends and ratio of the points ±z: whatever varies on the scale of its distance to 0 is seen to 1 %.
_FINEST, _FARTHEST, _RATIO = 1e-16, 13.0, 1.01


class Sensitivity(NamedTuple):
    """Of rows with some roots √q: their s, and the largest of the rest among them."""

    scale: tuple[float, ...]
    angle: float
    """κ."""
    length: float
    """|μ|."""
    share: float
    """|1 − μ|, what log(√q/s) moves by."""
    root: float
    """ν."""
    turned: float
    """λ, or inf."""
    drawn: float
    """ω, or inf."""
    steep: float
    """κ²/√(1 − E[σ]²/E[σ²]): how far an error of E[σ'σ'], relative to D D', turns X."""


@lru_cache(4096)
def sensitivity(activation: Activation, roots: tuple[float, ...]) -> Sensitivity:
    """Of rows with these roots √q > 0, by sums from above and below that are right where σ is monotone within 1 %."""
    z, mass, far, near = _grid()
    root = torch.tensor(roots, dtype=torch.float64).clamp(LEAST, MOST)[:, None]
    value, slope = activation.value(root * z), activation.derivative(root * z)
    largest = value.abs().amax(-1, keepdim=True)
    value = value / largest.masked_fill(largest == 0.0, 1.0)
    slope = slope / largest.masked_fill(largest == 0.0, 1.0)
    mean = (_ends(value).mean(0) * mass).sum(-1, keepdim=True)
    below, above = ((extreme * mass).sum(-1) for extreme in _extremes(value))
    varied, _ = ((extreme * mass).sum(-1) for extreme in _extremes(value - mean))
    scale = tuple((((below + above) * 0.5).sqrt() * largest[:, 0]).tolist())
    # Any μ gives a bound on ν, the right one the least.
    drawn = _ends(root * z * slope * value)
    growth = (drawn.mean(0) * mass).sum(-1) / ((below + above) * 0.5)
    ends = torch.stack(
        [(end * mass).sum(-1) / size for end in (drawn.amin(0), drawn.amax(0)) for size in (below, above)]
    )
    _, moved = ((extreme * mass).sum(-1) for extreme in _extremes(root * z * slope - growth[:, None] * value))
    of_rows = _most(ends.abs()), _most((1.0 - ends).abs()), _most((moved / below).sqrt())
    if activation.facts.smoothness == "C^-1":
        return Sensitivity(scale, inf, *of_rows, inf, inf, inf)
    least_slope, most_slope = ((extreme * mass).sum(-1) for extreme in _extremes(slope))
    angle, spread = root[:, 0] * (most_slope / below).sqrt(), (varied / below).sqrt()
    change, range_of = slope.diff().abs(), slope.amax(-1) - slope.amin(-1)
    turned = (change * near).sum(-1) * range_of / least_slope * sqrt(0.5 / pi)
    highest, pulled = (item / least_slope.sqrt() for item in (slope.abs().amax(-1), (change * far).sum(-1)))
    return Sensitivity(
        scale, _most(angle), *of_rows, _most(turned), _most(highest) * _most(pulled), _most(angle.square() / spread)
    )


def _most(values: Tensor) -> float:
    """The largest; inf where one is no number."""
    return float(values.nan_to_num(nan=inf, posinf=inf).amax())


def _extremes(values: Tensor) -> tuple[Tensor, Tensor]:
    """The least and the largest square at the ends of every cell."""
    squares = _ends(values).square()
    return squares.amin(0), squares.amax(0)


def _ends(values: Tensor) -> Tensor:
    return torch.stack([values[..., :-1], values[..., 1:]])


@lru_cache(1)
def _grid() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Points z, and of the cells between them the probability and the largest |z| φ(z) and φ(z)."""
    count = round(log(_FARTHEST / _FINEST) / log(_RATIO))
    right = torch.logspace(log(_FINEST), log(_FARTHEST), count, base=torch.e, dtype=torch.float64)
    z = torch.cat([-right.flip(0), right])
    tail = torch.special.erfc(right * sqrt(0.5)) * 0.5
    mass = torch.cat([tail.diff().neg().flip(0), (1.0 - 2.0 * tail[:1]), tail.diff().neg()])
    return z, mass, _ends(z.abs() * density(z)).amax(0), _ends(density(z)).amax(0)
