"""Where branches meet: sums, averages and products of kernels, in units of the rows' own deviations.

With √q_i the roots at the ends of the branches and α_i = √q_i/√(Σ q), unit vectors of the rows,
    sum:      ρ = Σ α_iα_i'ρ_i,  τ = Σ α_iα_i'τ_i,  1 ∓ ρ = Σ α_iα_i'(1 ∓ ρ_i) + ½|α − α'|²
    product:  ρ = Π ρ_i,  τ = Σ_i τ_i Π_{j≠i} ρ_j,  1 − |ρ| = g_1 + |ρ_1|(g_2 + |ρ_2|(g_3 + …)),  g_i = 1 − |ρ_i|
whose terms do not cancel. Concatenated branches are summed with their shares of the neurons.
"""

from __future__ import annotations

from fractions import Fraction
from functools import reduce
from operator import add
from typing import TYPE_CHECKING

import numpy as np
import torch

from ntk_engine.activations.double_functions import ldexp
from ntk_engine.activations.double_word import root_of, settled, words
from ntk_engine.infinite.recursion import Pairs
from ntk_engine.infinite.roots import OF_ANY_SIZE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor


@OF_ANY_SIZE
def sum_rows(roots: Tensor, shares: Sequence[float]) -> tuple[Tensor, Tensor]:
    """√(Σ s_i q_i) of rows with roots √q_i (branches×2×n), and their α_i (branches×2×n), all in two words."""
    length, parts = _sum_rows(roots[:, 0], shares)
    exact = [words(*root) * root_of(Fraction(share)) for root, share in zip(roots, shares, strict=True)]
    _, power = np.frexp(np.maximum.reduce([root.high for root in exact]))
    exact = [ldexp(root, -power) for root in exact]
    total = reduce(add, (root * root for root in exact)).root()
    settled_parts = [torch.stack(settled(*both)) for both in zip(parts, (root / total for root in exact), strict=True)]
    return torch.stack(settled(length, ldexp(total, power))), torch.stack(settled_parts)


def _sum_rows(roots: Tensor, shares: Sequence[float]) -> tuple[Tensor, Tensor]:
    scaled = roots * torch.tensor(shares, dtype=roots.dtype, device=roots.device).sqrt()[:, None]
    # The largest branch is taken out first: squares of extreme norms are not numbers.
    largest = scaled.amax(dim=0)
    relative = scaled / torch.where(largest > 0, largest, torch.ones_like(largest))
    length = torch.linalg.vector_norm(relative, dim=0)
    return length * largest, relative / torch.where(length > 0, length, torch.ones_like(length))


def sum_pairs(branches: Sequence[Pairs], a: Sequence[Sequence[Tensor]], b: Sequence[Sequence[Tensor]]) -> Pairs:
    """The pairs of a sum, given the words of the α_i of both sides, two tensors a branch."""
    rho = tau = below = above = torch.zeros_like(branches[0].rho)
    for branch, x, y in zip(branches, a, b, strict=True):
        share, spread = x[0] * y[0], 0.5 * ((x[0] - y[0]) + (x[1] - y[1])).square()
        negative = branch.rho < 0.0
        below = below + share * torch.where(negative, 1.0 - branch.rho, branch.gap) + spread
        above = above + share * torch.where(negative, branch.gap, 1.0 + branch.rho) + spread
        rho, tau = rho + share * branch.rho, tau + share * branch.tau
    return Pairs(rho, torch.where(rho < 0.0, above, below), tau)


def product_pairs(branches: Sequence[Pairs]) -> Pairs:
    """The pairs of a product; its roots are the products of the branches'."""
    rho, gap, tau = branches[0]
    for branch in branches[1:]:
        gap = gap + rho.abs() * branch.gap
        tau = tau * branch.rho + rho * branch.tau
        rho = rho * branch.rho
    return Pairs(rho, gap, tau)
