"""The choice of a dual for an activation that is known by its values: a series where it converges, else tables."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import torch

from ntk_engine.activations import hermite
from ntk_engine.activations.correlation import Correlated, Quadrature
from ntk_engine.activations.kinked import Kinked
from ntk_engine.activations.line import Line, reach
from ntk_engine.activations.piecewise_linear import PiecewiseLinear, jumps
from ntk_engine.activations.quadrature import Rule
from ntk_engine.activations.table import Table
from ntk_engine.activations.tabulate import TOLERANCE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from ntk_engine.activations.base import Dual
    from ntk_engine.activations.numeric import Numeric

# An angle that an activation magnifies more than this times has lost the digits that float64 gave it.
_STEEPEST = 1e6
# Beyond this root, whatever does not magnify angles has become homogeneous.
_FARTHEST = 1e15
# Angles at which a rule is compared with a finer one.
_ANGLES = (1e-6, 1e-2, 0.3, 1.2)


@lru_cache(128)
def expectations(activation: Numeric, least: float, most: float) -> Dual:
    """`Numeric.dual`."""
    return hermite.series(activation, least, most) or table(activation, least, most)


def table(activation: Numeric, least: float, most: float) -> Table:
    """The dual by quadrature. Raises ArithmeticError as `Numeric.dual` does."""
    roots = torch.tensor([max(least, 1e-150), max(most, 1e-150)], dtype=torch.float64)
    _check_jumps(activation)
    line = Line(activation, _correlated(activation), float(roots[1]), Rule(reach(activation, roots)))
    _check_steepness(line, roots)
    row = line.rows(roots)
    nonnegative = all(bool((side >= 0.0).all()) for side in (row.even + row.odd, row.even - row.odd))
    if isinstance(line.correlated, PiecewiseLinear):
        return Kinked(line, line.correlated, least, most, _error(line, roots), nonnegative=nonnegative)
    return Table(line, least, most, _error(line, roots), nonnegative=nonnegative)


def _correlated(activation: Numeric) -> Correlated:
    linear = None if set(activation.kinks) <= {0.0} else jumps(activation)
    return Quadrature(activation) if linear is None else PiecewiseLinear(activation, linear)


def _check_jumps(activation: Numeric) -> None:
    for kink in activation.kinks:
        beside = torch.tensor([kink - 1e-9 * (1.0 + abs(kink)), kink + 1e-9 * (1.0 + abs(kink))], dtype=torch.float64)
        left, right = activation.value(beside).tolist()
        if not abs(right - left) <= 1e-6 * (1.0 + abs(left)):
            raise ArithmeticError(f"σ jumps at z = {kink:g}, where its tangent kernel is infinite")


def _check_steepness(line: Line, roots: Tensor) -> None:
    roots = roots.clamp_max(_FARTHEST)
    row = line.rows(roots)
    if not bool((roots * row.slope <= row.scale * _STEEPEST).all()):
        raise ArithmeticError(
            f"σ magnifies angles more than 1e6 times at √q = {float(roots.max()):.3g}, which float64 cannot follow"
        )


def _error(line: Line, roots: Tensor) -> float:
    """`Dual.error`: the largest difference that a finer rule makes for the least and the largest root, at some angles.

    Raises ArithmeticError where ρ_σ or a slope differs by more than TOLERANCE.
    """
    ends = torch.unique(roots)
    pairs = torch.combinations(ends, with_replacement=True)
    psi = torch.tensor(_ANGLES, dtype=torch.float64).repeat(len(pairs))
    pairs = pairs.repeat_interleave(len(_ANGLES), 0)
    row = line.rows(pairs.flatten())
    scale, slope = (item.masked_fill(item == 0.0, 1.0).view_as(pairs) for item in (row.scale, row.slope))
    found = []
    for rule in (line.rule, line.rule.finer()):
        for limit in (0.0, 2.0):
            below, above, product = line.correlated.pairs(pairs, scale, psi, psi < limit, rule)
            found.append(torch.stack([below, above, product / slope.prod(-1)]))
    error = max(float((found[side] - found[side + 2]).abs().max()) for side in (0, 1))
    if not error <= TOLERANCE:
        raise ArithmeticError(
            f"the expectations of σ are certain to {error:.1g} only: it must be smooth but at its named kinks, and vary"
            f" on the scale of 1, for roots up to √q = {float(roots.max()):.3g}"
        )
    return max(error, *(float(item.abs().max()) for item in (*_turned(found), *_of_rows(line, roots))))


def _turned(found: list[Tensor]) -> Iterator[Tensor]:
    """How far apart arccos |ρ_σ| is by two rules, at ±cos ψ: |δ gap|/sin φ ≤ |δ gap|/√gap."""
    for rough, fine in ((found[0], found[2]), (found[1], found[3])):
        before, after = (torch.minimum(item[0], item[1]) for item in (rough, fine))
        largest = torch.maximum(before, after)
        yield (before - after) / largest.masked_fill(largest <= 0.0, 1.0).sqrt()


def _of_rows(line: Line, roots: Tensor) -> Iterator[Tensor]:
    """√E[σ²] and √E[σ'²] of rows, relative to themselves."""
    rough, fine = (
        Line(line.activation, line.correlated, float(roots[1]), rule).rows(roots)[:2]
        for rule in (line.rule, line.rule.finer())
    )
    for one, other in zip(rough, fine, strict=True):
        yield (one - other) / other.masked_fill(other == 0.0, 1.0)
