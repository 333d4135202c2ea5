"""Where every pair has the same norms, a kernel is a function of the pair's correlation alone: tabulated once.

Inputs of equal norm, or any inputs where the network is homogeneous and has no bias, meet the same roots at every
layer, so that (ρ, τ) at the end is a function of ρ at the start, and a tile costs the same at any depth. It is a smooth
function of the angle, hence of r = √(1 − |ρ|) on either side of ρ = 0, whose details grow finer towards r = 0 with the
depth. Cells are quarters of octaves of r, down to 2^-40, and one below; in each the functions are interpolated at
Chebyshev points, and the table is used only if it meets the recursion between them.
"""

from __future__ import annotations

from functools import cache
from math import cos, pi
from typing import TYPE_CHECKING

import torch

from ntk_engine import compiled
from ntk_engine.infinite.recursion import Pairs
from ntk_engine.infinite.tiles import Tile

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

# With DEGREE + 1 = 16 coefficients, which compiled code takes by fours.
OCTAVES, DEGREE = 40, 15
# What a table may miss, in units of the last digit of √(K(x,x) K(x',x')), beside two for every layer.
_ROUNDINGS = 16


class Profile:
    """(ρ, τ) after a network as functions of ρ before it."""

    def __init__(self, table: Tensor) -> None:
        self.table = table
        """Coefficients (2 × cells × degree+1 × 2): ρ ≥ 0 then ρ < 0; powers of the position in [−1, 1]; ρ then τ."""
        self._by_fours = table.view(*table.shape[:2], -1, 4, 2).transpose(3, 4).contiguous()

    def carry(self, tile: Tile) -> None:
        """Take a tile through the network."""
        stage = compiled.profile(self._by_fours, OCTAVES) if tile.compilable else None
        if stage is None:
            tile.pairs = self(tile.pairs)
        else:
            tile.then(stage)

    def after(self, pairs: Pairs) -> Pairs:
        """Pairs (m×n) after the network."""
        tile = Tile(pairs)
        self.carry(tile)
        return tile.pairs

    def __call__(self, pairs: Pairs) -> Pairs:
        """The functions at these pairs; the gap is that of before."""
        cell, position = _cells(pairs.gap)
        coefficients = self.table[(pairs.rho < 0.0).long(), cell]
        value = coefficients[..., DEGREE, :]
        for k in range(DEGREE - 1, -1, -1):
            value = value * position[..., None] + coefficients[..., k, :]
        return Pairs(value[..., 0], pairs.gap, value[..., 1])


def tolerance(layers: int) -> float:
    """What the table of so many layers may miss, in units of √(K(x,x) K(x',x'))."""
    return (_ROUNDINGS + 2 * layers) * torch.finfo(torch.float64).eps


def tabulate(network: Callable[[Pairs], Pairs], layers: int, like: Tensor) -> Profile | None:
    """The table of a network that maps pairs (m×n) to pairs, or None where it would not be exact.

    layers: its depth; like: a tensor on the device to compute on.
    """
    nodes, between, to_chebyshev, to_powers = (item.to(like.device) for item in _rules())
    # In two steps: as one matrix their product would have rounded what cancels in it.
    table = torch.einsum("pk,sckf->scpf", to_powers, torch.einsum("kj,scjf->sckf", to_chebyshev, _at(network, nodes)))
    profile = Profile(table.contiguous())
    exact, found = _at(network, between), _at(profile.after, between)
    scale = exact.abs().amax(dim=(0, 1, 2))
    return profile if bool(((found - exact).abs() <= tolerance(layers) * scale).all()) else None


def _at(function: Callable[[Pairs], Pairs], positions: Tensor) -> Tensor:
    """ρ and τ (2 × cells × k × 2) of a function of pairs, at the same positions (k) of every cell."""
    left, width = _grid(positions)
    gap = (left + width * (0.5 * (positions + 1.0))).square().mT
    rho = torch.cat([1.0 - gap, gap - 1.0])
    after = function(Pairs(rho, torch.cat([gap, gap]), torch.zeros_like(rho)))
    return torch.stack([after.rho, after.tau], dim=-1).view(2, *gap.shape, 2).transpose(1, 2)


def _grid(like: Tensor) -> tuple[Tensor, Tensor]:
    """The left ends of the cells in r and their widths (cells×1)."""
    octave = torch.arange(-OCTAVES, 0, dtype=torch.float64, device=like.device).exp2()[:, None]
    quarters = 1.0 + torch.arange(4, dtype=torch.float64, device=like.device) / 4.0
    below = octave[:1]
    left = torch.cat([(octave * quarters).reshape(-1, 1), torch.zeros_like(below)])
    return left, torch.cat([(octave / 4.0).expand(-1, 4).reshape(-1, 1), below])


def _cells(gap: Tensor) -> tuple[Tensor, Tensor]:
    """The cell of each pair and its position there."""
    left, width = (item[:, 0] for item in _grid(gap))
    r = gap.sqrt().clamp_max(1.0 - torch.finfo(torch.float64).eps)
    octave = r.frexp().exponent - 1 + OCTAVES
    quarter = ((r.frexp().mantissa * 2.0 - 1.0) * 4.0).long()
    cell = torch.where(r < 2.0**-OCTAVES, 4 * OCTAVES, octave * 4 + quarter)
    return cell, (r - left[cell]) / width[cell] * 2.0 - 1.0


@cache
def _rules() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Chebyshev points of [−1, 1], the points where the interpolant is tested, the matrix
    from values to Chebyshev coefficients, and from these to powers."""
    count = DEGREE + 1
    angles = (torch.arange(count, dtype=torch.float64) + 0.5) * (pi / count)
    degrees = torch.arange(count, dtype=torch.float64)[:, None]
    values_to_chebyshev = (degrees * angles).cos() * (2.0 / count)
    values_to_chebyshev[0] /= 2.0
    chebyshev = torch.zeros(count, count, dtype=torch.float64)
    chebyshev[0, 0] = chebyshev[1, 1] = 1.0
    for k in range(2, count):
        chebyshev[k, 1:] = 2.0 * chebyshev[k - 1, :-1]
        chebyshev[k] -= chebyshev[k - 2]
    between = torch.tensor([cos(pi * k / count) for k in range(count + 1)], dtype=torch.float64)
    return angles.cos(), between, values_to_chebyshev, chebyshev.mT.contiguous()
