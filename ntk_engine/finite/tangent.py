"""The tangent kernel of a finite network (Section 4), without a Jacobian over its parameters.

The derivatives by the weights of a dense layer are products of what enters it and of δ^ℓ = ∂f/∂α̃^ℓ, so
    Θ(θ)(x, x') = Σ_ℓ [δ^ℓ(x)·δ^ℓ(x')] · [σ_w² α^{ℓ-1}(x)·α^{ℓ-1}(x')/n_{ℓ-1} + β²]
and, in standard parametrization, α·α' + 1 in the second bracket.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from ntk_engine.finite.forward import Passed, Way, forward
from ntk_engine.infinite import KERNELS, Kernel

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from torch import Tensor

    from ntk_engine.architecture import Architecture
    from ntk_engine.finite.masks import Masks
    from ntk_engine.finite.parameters import Parameters

__all__ = ["Pass", "kernel", "passed", "tangent"]


@dataclass(frozen=True)
class Pass:
    """Inputs that went through a network."""

    outputs: Tensor
    """f, …×N×k."""
    dense: Sequence[Passed]

    def deltas(self, readout: Tensor) -> tuple[Tensor, ...]:
        """∂(v·f)/∂α̃^ℓ (…×N×n_ℓ) of every dense layer, for v = readout (…×k).

        One reverse pass does for all inputs, because none changes what becomes of another.
        """
        after = [layer.after for layer in self.dense]
        outer = readout.unsqueeze(-2).expand_as(self.outputs)
        return torch.autograd.grad(self.outputs, after, outer, retain_graph=True)


def passed(arch: Architecture, params: Parameters, x: Tensor, masks: Masks | None, *, differentiable: bool) -> Pass:
    """Send inputs x (N×n_0) through a network."""
    way = Way(params, masks, differentiable)
    with torch.set_grad_enabled(differentiable):
        outputs = forward(arch, way, x)
    return Pass(outputs, way.dense)


def kernel(
    arch: Architecture,
    params: Parameters,
    x1: Tensor,
    x2: Tensor | None = None,
    *,
    masks: tuple[Masks, Masks] | None = None,
    kernels: Collection[str] = KERNELS,
) -> Kernel:
    """Of f_θ with k outputs, trace(Θ(θ)(x, x'))/k and f_θ(x)·f_θ(x')/k, between the rows of x1 and x2 or of x1 (N1×N2).

    masks: of dropout, for x1 and x2; without, nothing is dropped. Symmetric to the last bit without x2.
    """
    detached = tuple(type(some)(*(part.detach() for part in some)) for some in params)
    first, second = masks or (None, None)
    a = passed(arch, detached, x1, first, differentiable="ntk" in kernels)
    b = a if x2 is None else passed(arch, detached, x2, second, differentiable="ntk" in kernels)
    k = a.outputs.shape[-1]
    found: dict[str, Tensor] = {}
    if "nngp" in kernels:
        found["nngp"] = nngp(a, b)
    if "ntk" in kernels:
        unit = torch.eye(k, dtype=x1.dtype, device=x1.device)
        found["ntk"] = sum(tangent(a, b, unit[i]) for i in range(k)) / k  # type: ignore[assignment]
    return Kernel({name: mirrored(matrix) if x2 is None else matrix for name, matrix in found.items()})


def nngp(a: Pass, b: Pass) -> Tensor:
    """f_θ(x)·f_θ(x')/k, …×N1×N2."""
    return (a.outputs.detach() @ b.outputs.detach().mT) / a.outputs.shape[-1]


def tangent(a: Pass, b: Pass, readout: Tensor) -> Tensor:
    """The tangent kernel of v·f_θ, …×N1×N2, for v = readout (…×k)."""
    left = a.deltas(readout)
    right = left if b is a else b.deltas(readout)
    total = torch.zeros((), dtype=readout.dtype, device=readout.device)
    for one, other, x, y in zip(a.dense, b.dense, left, right, strict=True):
        weights = one.before.detach() @ other.before.detach().mT
        total = total + (x @ y.mT) * (one.gain**2 * weights + one.bias**2)
    return total


def mirrored(square: Tensor) -> Tensor:
    """A matrix with its upper triangle below its diagonal too."""
    return square.triu() + square.triu(1).mT
