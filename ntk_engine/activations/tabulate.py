"""Making a `Patch`: sampling, halving panels, integrating over the angle, and checking the result."""

from __future__ import annotations

from itertools import pairwise
from math import ceil, floor, log, log2, pi, sqrt
from typing import TYPE_CHECKING

import torch

from ntk_engine.activations.chebyshev import Interval, basis, transform
from ntk_engine.activations.patch import Patch, root_of
from ntk_engine.activations.quadrature import unit_rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from ntk_engine.activations.line import Line

TOLERANCE = 1e-13
# Points of a panel in ψ. The last coefficients must have fallen to rounding, of the panel's largest value.
_POINTS = 24
_FALLEN = 1e-15
_MOST_PANELS = 150
# R is analytic where |Im τ| is below π/2, as far as a pole of σ on the imaginary axis may turn; or more points help.
_STRIP = 1.5
_TRIES = (1.0, 1.5, 2.2)
_ANGLES = 24


def degree(width: float) -> int:
    """The points that an interval of τ of this width needs: errors fall by the size of the ellipse in the strip."""
    if width < 1e-15:
        return 1
    ratio = 2.0 * _STRIP / width
    return ceil(34.0 / log(ratio + sqrt(1.0 + ratio * ratio))) + 1


def cost(most: float, a: Interval, b: Interval) -> int:
    """About how many pairs could be integrated one by one while this patch is made."""
    return ceil(_POINTS * (2.0 + log2(1.0 + most)) * (degree(a.width) + degree(b.width)) / 6.0)


def tabulate(line: Line, a: Interval, b: Interval) -> Patch | None:
    """The patch of two intervals of τ, or None where it would take too many points.

    Raises ArithmeticError where its checks fail.
    """
    for more in _TRIES:
        sizes = ceil(more * degree(a.width)), ceil(more * degree(b.width))
        ends = [root_of(side.points(n)) for side, n in zip((a, b), sizes, strict=True)]
        sampler = _Sampler(line, ends[0], None if a is b else ends[1])
        panels, values = _panels(sampler)
        # One after the other: all at once, sums are longer and their roundings larger.
        coefficients = torch.einsum("kj,sljcab->slkcab", transform(_POINTS), torch.stack(values, 1))
        coefficients = transform(sizes[0]) @ coefficients @ transform(sizes[1]).mT
        if _fallen(coefficients, sizes):
            return Patch(a, b, panels, coefficients, sampler.error(panels, values))
    return None


class _Sampler:
    """R on a grid of roots."""

    def __init__(self, line: Line, a: Tensor, b: Tensor | None) -> None:
        self.line = line
        self._roots = a if b is None else torch.cat([a, b])
        self.most = float(self._roots.max())
        self._rows = line.rows(self._roots)
        self._a = slice(len(a))
        self._b = self._a if b is None else slice(len(a), None)

    @property
    def is_single(self) -> bool:
        """Whether there is one root."""
        return len(self._roots) == 1

    def single(self) -> _Sampler:
        """R of the largest root with itself."""
        return _Sampler(self.line, self._roots.amax()[None], None)

    def __call__(self, psi: Tensor, *, finer: bool = False) -> Tensor:
        """R at P angles, for both signs of the correlation unless σ is odd: S×P×A×B."""
        rule = self.line.rule.finer() if finer else self.line.rule
        both = self.line.correlated.derivatives(self._roots, psi, rule)
        return self._relative(torch.stack(both[:1] if self.line.activation.odd else both))

    def _relative(self, products: Tensor) -> Tensor:
        slope = self._rows.slope.masked_fill(self._rows.slope == 0.0, 1.0)
        return (products / (slope[:, None] * slope))[..., self._a, self._b]

    def error(self, panels: list[Interval], values: list[Tensor]) -> float:
        """The largest deviation of R from a finer rule and, at ψ = 0 and π/2, from what rows say about ρ_σ(±1), ρ_σ(0).

        Raises ArithmeticError where it is above TOLERANCE.
        """
        middle = torch.stack([panel.points(_POINTS)[_POINTS // 2] for panel in panels])
        found = torch.stack([value[:, _POINTS // 2, 0] for value in values], 1)
        size = found.abs().amax((0, 2, 3), keepdim=True)
        checks = [(self(middle, finer=True) - found) / size, *self._ends(panels, values)]
        error = max(float(check.abs().max()) for check in checks)
        if not error <= TOLERANCE:
            raise ArithmeticError(
                f"the expectations of σ are certain to {error:.1g} only: it must be continuous, smooth but at its named"
                f" kinks, and vary on the scale of 1, for roots up to √q = {self.most:.3g}"
            )
        return error

    def _ends(self, panels: list[Interval], values: list[Tensor]) -> list[Tensor]:
        rows = self._rows
        kappa = self._roots * rows.slope / rows.scale
        last = _at(panels[-1], values[-1], pi / 2)[:, 1] * (kappa[:, None] * kappa)[self._a, self._b]
        even, odd = (item[self._a] @ item[self._b].mT for item in (rows.even, rows.odd))
        independent = rows.mean[self._a, None] * rows.mean[self._b]
        first = _at(panels[0], values[0], 0.0)[:, 0]
        same, opposite = (self._relative(item) for item in self.line.slopes(self._roots))
        checks = [even + odd - last[0] - independent, first[0] - same]
        if len(last) > 1:
            checks += [even - odd + last[1] - independent, first[1] - opposite]
        return checks


def _panels(sampler: _Sampler) -> tuple[list[Interval], list[Tensor]]:
    """Panels of ψ on which R is resolved, and R and G at their points: S×K×2×A×B each."""
    if sampler.is_single:
        # R varies down to angles of 1/√q, as a rule.
        halvings = max(0, floor(log2(sampler.most)))
        edges = [0.0, *(pi / 2 * 0.5**k for k in range(halvings, -1, -1))]
        first = [Interval(low, high) for low, high in pairwise(edges)]
    else:
        # One root finds out about the panels; all roots are sampled there.
        first = [panel for panel, _ in _resolved(sampler.single(), [Interval(0.0, pi / 2)])]
    panels, values, total = [], [], None
    for panel, r in _resolved(sampler, first):
        g, total = _means(panel, r, total)
        panels.append(panel)
        values.append(torch.stack([r, g], 2))
    return panels, values


def _resolved(sampler: _Sampler, panels: list[Interval]) -> Iterator[tuple[Interval, Tensor]]:
    """These panels in rising order, halved until R is resolved, and R: S×K×A×B each."""
    waiting, count = panels[::-1], 0
    while waiting:
        panel = waiting.pop()
        r = sampler(panel.points(_POINTS))
        tail = torch.einsum("kj,sjab->skab", transform(_POINTS)[-3:], r)
        if float(tail.abs().max()) > _FALLEN * float(r.abs().max()):
            waiting += panel.halves()[::-1]
        else:
            count += 1
            yield panel, r
        if count + len(waiting) > _MOST_PANELS:
            raise ArithmeticError(f"the expectations of σ are not smooth at √q = {sampler.most:.3g}")


def _means(panel: Interval, r: Tensor, total: Tensor | None) -> tuple[Tensor, Tensor]:
    """G at the points of a panel, and ∫ R sin t dt up to its end; total: that integral up to its start."""
    nodes, weights = unit_rule(_ANGLES)
    psi = torch.cat([panel.points(_POINTS), torch.tensor([panel.high], dtype=torch.float64)])[:, None]
    half = (psi * 0.5).sin()
    gap = 2.0 * half * half
    if total is None:
        # As a mean over x = sin(t/2)/sin(ψ/2), so that it is accurate relative to itself.
        at, weight = 2.0 * (nodes * half).asin(), 2.0 * nodes * weights * gap
    else:
        at = panel.low + nodes * (psi - panel.low)
        weight = at.sin() * weights * (psi - panel.low)
    matrix = torch.einsum("kig,ig->ik", basis(panel.to_unit(at), _POINTS), weight) @ transform(_POINTS)
    integral = torch.einsum("ij,sjab->siab", matrix, r)
    if total is not None:
        integral = integral + total[:, None]
    return (integral / gap[:, :, None])[:, :-1], integral[:, -1]


def _at(panel: Interval, values: Tensor, psi: float) -> Tensor:
    """R and G at an angle of a panel: S×2×A×B."""
    at = basis(panel.to_unit(torch.tensor([psi], dtype=torch.float64)), _POINTS).mT @ transform(_POINTS)
    return torch.einsum("ij,sjcab->scab", at, values)


def _fallen(coefficients: Tensor, sizes: tuple[int, int]) -> bool:
    """Whether the last coefficients in the roots are rounding, of the largest of their panel."""
    size = coefficients.abs().amax((0, 2, 3))
    ends = [size[:, -1, :], size[:, :, -1]]
    largest = size.amax((1, 2))[:, None]
    return all(bool((end <= 4.0 * _FALLEN * largest).all()) for end, n in zip(ends, sizes, strict=True) if n > 1)
