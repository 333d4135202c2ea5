"""Passes of a network's Taylor expansion while it is trained: what the kernel regime keeps, or one order more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from ntk_engine.finite.chain import Derivative
from ntk_engine.finite.forward import apply
from ntk_engine.finite.parameters import parameters
from ntk_engine.finite.taylor import linearized, quadratic

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch import Tensor

    from ntk_engine.architecture import Architecture
    from ntk_engine.finite.masks import Masks

__all__ = ["Around", "Expanded"]


class Around(NamedTuple):
    """The expansion of networks around parameters."""

    order: int
    """1: f_0 + J(θ − θ_0); 2: and ½ (θ − θ_0)ᵀ H (θ − θ_0)."""
    start: list[Tensor]
    """θ_0 as V of every dense layer, S×n_{ℓ+1}×(n_ℓ + 1)."""

    def of(self, some: Any) -> Around:
        """The same of some of the networks (indices)."""
        return Around(self.order, [item[some] for item in self.start])

    def value(self, arch: Architecture, joined: Sequence[Tensor], x: Tensor, masks: Masks | None = None) -> Tensor:
        """The expansion at θ given as V, at inputs x (S×N×n_0, or N×n_0 for all): S×N×k; differentiable in V."""

        def network(theta: Sequence[Tensor], inputs: Tensor) -> Tensor:
            return apply(arch, parameters(theta), inputs, masks)

        return {1: linearized, 2: quadratic}[self.order](network, self.start)(list(joined), x)


class Expanded:
    """What `Graph` does, for the expansion of networks."""

    def __init__(self, arch: Architecture, weights: Sequence[Tensor], around: Around) -> None:
        """weights: V of every dense layer, S×n_{ℓ+1}×(n_ℓ + 1); read whenever a pass is made."""
        self._arch, self._weights, self._around = arch, weights, around
        self._at: list[Tensor] = []
        self._f = torch.empty(0)

    def keep(self, some: Tensor) -> None:
        """Go on with these networks alone (indices)."""
        self._around = self._around.of(some)

    def forward(self, x: Tensor, masks: Masks | None = None) -> Tensor:
        """The expansion at inputs x (S×N×n_0, or N×n_0 for all): S×N×k; masks: of dropout."""
        self._at = [item.detach().requires_grad_() for item in self._weights]
        with torch.enable_grad():
            self._f = self._around.value(self._arch, self._at, x, masks)
        return self._f.detach()

    def backward(self, outer: Tensor) -> Iterator[Derivative]:
        """From ∂C/∂f (S×N×k) of the last inputs, the derivative by each dense layer's V."""
        with torch.enable_grad():
            # Of a number: with `outer` as grad_outputs, torch loads what it handles unknown shapes with, for seconds.
            total = (self._f * outer).sum()
        found = torch.autograd.grad(total, self._at, materialize_grads=True)
        yield from (Derivative(number, value) for number, value in enumerate(found))
