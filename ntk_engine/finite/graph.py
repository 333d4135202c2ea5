"""Passes of any network, differentiated by its graph of neurons; weights are no part of the graph."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from ntk_engine.finite.chain import Passing
from ntk_engine.finite.forward import Way, forward
from ntk_engine.finite.parameters import parameters

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch import Tensor

    from ntk_engine.architecture import Architecture
    from ntk_engine.finite.masks import Masks

__all__ = ["Graph"]


class Graph:
    """What `Chain` does, for layers of every kind."""

    def __init__(self, arch: Architecture, weights: Sequence[Tensor]) -> None:
        """weights: V of every dense layer, S×n_{ℓ+1}×(n_ℓ + 1); read whenever a pass is made."""
        self._arch, self._weights = arch, weights
        self._way, self._outputs = Way(()), torch.empty(0)

    def forward(self, x: Tensor, masks: Masks | None = None) -> Tensor:
        """f_θ(x) of inputs x (S×N×n_0, or N×n_0 for all): S×N×k; masks: of dropout."""
        self._way = Way(parameters(self._weights), masks, differentiable=True)
        with torch.enable_grad():
            self._outputs = forward(self._arch, self._way, x.expand(len(self._weights[0]), *x.shape[-2:]))
        return self._outputs.detach()

    def backward(self, outer: Tensor) -> Iterator[Passing]:
        """From ∂C/∂f (S×N×k) of the last inputs, what each dense layer is changed by, the last one first."""
        passed = self._way.dense
        deltas = torch.autograd.grad(self._outputs, [layer.after for layer in passed], outer)
        for number in reversed(range(len(passed))):
            before = passed[number].before.detach()
            bias = torch.full_like(before[..., :1], passed[number].bias)
            yield Passing(number, deltas[number], torch.cat([before * passed[number].gain, bias], dim=-1))
