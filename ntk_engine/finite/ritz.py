"""λ_1 of a network's kernel on inputs that are too many for its matrix: a lower bound by products alone.

With Q from q, Θq, Θ²q, … orthonormal, the largest eigenvalue of QᵀΘQ is the largest vᵀΘv/vᵀv of all v that Q spans,
and so at most λ_1, which it nears fast (Lanczos, 1950).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from ntk_engine.finite.forward import apply
from ntk_engine.finite.graph import Graph
from ntk_engine.finite.parameters import parameters

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from ntk_engine.architecture import Architecture

__all__ = ["largest"]

# A residual relative to the value, which is as near to an eigenvalue then, and its error typically the square.
_CLOSE = 1e-3


@torch.no_grad()
def largest(arch: Architecture, weights: Sequence[Tensor], x: Tensor, products: int) -> float:
    """At most λ_1 of trace Θ(θ)(x, x')/k between the rows of x (N×n_0), but for rounding; NaN where Θ is no number.

    weights: V of every dense layer of one network (1×n_{ℓ+1}×(n_ℓ + 1)). products: Θv that are made at most, each of k
    passes there and back over all inputs, which are held; fewer where the value is within 1e-3 of an eigenvalue.
    """
    start = torch.randn(len(x), dtype=torch.float64, generator=torch.Generator().manual_seed(0)).to(x.device)
    basis, images, value = [start / start.norm()], [], 0.0
    for _ in range(products):
        images.append(_product(arch, weights, x, basis[-1].to(x)).double())
        q, image = torch.stack(basis, dim=1), torch.stack(images, dim=1)
        inside = q.mT @ image
        if not bool(inside.isfinite().all()):
            return torch.nan
        values, vectors = torch.linalg.eigh((inside + inside.mT) / 2)
        value, vector = values[-1].item(), vectors[:, -1]
        if (image @ vector - value * (q @ vector)).norm().item() <= _CLOSE * value:
            break
        rest = image[:, -1] - q @ inside[:, -1]
        # Once more, for what rounding has left (Kahan).
        rest = rest - q @ (q.mT @ rest)
        basis.append(rest / rest.norm())
    return value


def _product(arch: Architecture, weights: Sequence[Tensor], x: Tensor, v: Tensor) -> Tensor:
    """Σ_x' trace Θ(x, x')/k v(x') (N): Σ_ℓ δ (Σ_x' v δ'ᵀA') Aᵀ of every output in turn."""
    passes, found = Graph(arch, weights), torch.zeros_like(v)
    k = apply(arch, parameters(weights), x[:1]).shape[-1]
    for output in range(k):
        outer = torch.zeros_like(passes.forward(x))
        outer[..., output] = 1.0
        for passing in passes.backward(outer):
            delta, entering = passing.delta[0], passing.entering[0]
            change = (delta * v[:, None]).mT @ entering
            found += ((delta @ change) * entering).sum(dim=1)
    return found / k
