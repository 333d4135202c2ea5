"""Patches as the compiled stage reads them: the coefficients that count, in the order of its loops."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch

from ntk_engine.activations.patch import NEGLIGIBLE

if TYPE_CHECKING:
    from torch import Tensor

    from ntk_engine.activations.patch import Patch


# M is a multiple of this: whole vectors.
BLOCK = 32


class Unfolded(NamedTuple):
    """R and G of a patch by the signs S of ρ and panels L in ψ, for rows with τ in its first interval."""

    breaks: Tensor
    """Where panels meet: L − 1."""
    low: Tensor
    """Where they begin: L."""
    scale: Tensor
    """2 by their widths: L."""
    terms: Tensor
    """How many T_q(τ') go with T_k(ψ): S×L×K, int64."""
    coefficients: Tensor
    """Of T_p(τ) and, for k after k, T_k(ψ) T_q(τ') in R and G: S×L×P×M, zero behind the last."""


class Pieces(NamedTuple):
    """All that is looked up for the pairs of some rows a with some rows b."""

    place_a: Tensor
    """Where in [−1, 1] the τ of a row lies in its interval: n."""
    cell_a: Tensor
    """Which interval that is: n, int64."""
    place_b: Tensor
    cell_b: Tensor
    coordinates: tuple[int, int]
    """How many rows have of X_e and of X_o."""
    cells: int
    """How many intervals there are."""
    of: dict[tuple[int, int], Unfolded]
    """By the intervals of a and b."""


def unfold(patch: Patch, *, swapped: bool) -> Unfolded:
    """A patch for the stage; swapped: for rows a with τ in its second interval."""
    c = patch.full()
    c = (c.mT if swapped else c).permute(0, 1, 2, 4, 5, 3)
    size = c.abs().amax((0, 2, 3, 4, 5))[:, None, None, None, None]
    counts = c.abs() > NEGLIGIBLE * size
    height = _last(counts.any(-1).any(-1).any(2)).max()
    terms = _last(counts.any(-1).any(3))
    terms = terms[..., : _last((terms > 0).any(0).any(0))]
    width = -(-int(terms.sum(-1).max()) * 2 // BLOCK) * BLOCK
    coefficients = c.new_zeros(*c.shape[:2], int(height), width)
    for s, of_sign in enumerate(terms.tolist()):
        for panel, of_panel in enumerate(of_sign):
            parts = [c[s, panel, k, : int(height), :n].flatten(1) for k, n in enumerate(of_panel)]
            row = torch.cat(parts, 1)
            coefficients[s, panel, :, : row.shape[1]] = row
    low, width_of = (
        torch.tensor([getattr(panel, name) for panel in patch.panels], dtype=torch.float64) for name in ("low", "width")
    )
    return Unfolded(low[1:].clone(), low, 2.0 / width_of, terms.contiguous(), coefficients)


def _last(counts: Tensor) -> Tensor:
    """How far the last dimension reaches to where something counts."""
    return (counts * torch.arange(1, counts.shape[-1] + 1)).amax(-1)
