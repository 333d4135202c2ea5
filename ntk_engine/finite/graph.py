"""Passes of any network while it is trained: what `Chain` does, for layers of every kind."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from ntk_engine.finite.chain import Passing
from ntk_engine.finite.parameters import parameters
from ntk_engine.finite.reverse import there

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch import Tensor

    from ntk_engine.architecture import Architecture
    from ntk_engine.finite.masks import Masks
    from ntk_engine.finite.reverse import There

__all__ = ["Graph"]


class Graph:
    """Passes of S networks, by the ways back of their layers."""

    def __init__(self, arch: Architecture, weights: Sequence[Tensor]) -> None:
        """weights: V of every dense layer, S×n_{ℓ+1}×(n_ℓ + 1); read whenever a pass is made."""
        self._arch, self._weights = arch, weights
        self._there: There | None = None

    def forward(self, x: Tensor, masks: Masks | None = None) -> Tensor:
        """f_θ(x) of inputs x (S×N×n_0, or N×n_0 for all): S×N×k; masks: of dropout."""
        self._there = there(self._arch, parameters(self._weights), x, masks)
        return self._there.outputs

    def backward(self, outer: Tensor) -> Iterator[Passing]:
        """From ∂C/∂f (S×N×k) of the last inputs, what each dense layer is changed by, the last one first."""
        assert self._there is not None
        self._there.pull(outer.unsqueeze(-3))
        for number, term in reversed(list(enumerate(self._there.terms))):
            alpha = term.alpha.expand(*outer.shape[:-1], -1)
            bias = torch.full_like(alpha[..., :1], term.bias)
            yield Passing(number, term.delta.squeeze(-3), torch.cat([alpha * term.gain, bias], dim=-1))
