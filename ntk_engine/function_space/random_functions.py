"""Random functions f^{(p)} with a covariance K, iid over p (Section 3.1), on N points trained on and then on n others.

A model f_θ = (1/√P) Σ_p θ_p f^{(p)} is linear in θ, and its tangent kernel is K_P = (1/P) Σ_p f^{(p)} ⊗ f^{(p)}, whose
mean is K. Functions here are scalar: every output has the same ones and parameters of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING

import numpy as np
import torch

from ntk_engine.finite.forward import apply
from ntk_engine.finite.masks import Masks, keys
from ntk_engine.finite.parameters import Weights, draw, generators
from ntk_engine.function_space.blocks import Blocks, checked
from ntk_engine.widths import fans

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from ntk_engine.architecture import Architecture

__all__ = ["GaussianFunctions", "NetworkFunctions", "root"]

# Functions that are drawn at once, always whole: so those of a seed do not depend on how many are asked for.
_GAUSSIAN = 256
# Numbers of parameters that are drawn at once, and of neurons that are held at once.
_DRAWN, _HELD = 2**18, 2**22


@dataclass(frozen=True)
class GaussianFunctions:
    """Draws of GP(0, K); iterated over, from the first one on, without an end, some rows (functions) at a time.

    The p-th is K^{1/2} g_p, and g_p follows from the seed and p alone (Philox; Salmon, Moraes, Dror, Shaw 2011), on
    any device. So does K^{1/2}, to rounding, from K: other factors, such as V√λ, have signs, and whole spaces where
    eigenvalues are equal, that are the solver's.
    """

    half: Tensor
    """K^{1/2} of all points, M×M."""
    seed: int = 0

    @classmethod
    def of(cls, kernel: Blocks, seed: int = 0) -> GaussianFunctions:
        """From K of the points, with `test` (n×n) where there are others. O((N + n)³); K may be singular.

        Raises ValueError where shapes do not fit, or K has negative eigenvalues that are no rounding.
        """
        train, cross, test = checked(kernel, "kernel", covariance="full")
        if cross is None or test is None:
            return cls(root(train), seed)
        return cls(root(torch.cat([torch.cat([train, cross.mT], dim=1), torch.cat([cross, test], dim=1)])), seed)

    def __iter__(self) -> Iterator[Tensor]:
        """256×M, on and on. O(M²) a function."""
        for chunk in count():
            bits = np.random.Philox(key=self.seed, counter=[0, 0, chunk, 0])
            drawn = np.random.Generator(bits).standard_normal((_GAUSSIAN, len(self.half)))
            yield torch.from_numpy(drawn).to(self.half) @ self.half


def root(k: Tensor) -> Tensor:
    """K^{1/2}, symmetric, of a positive semidefinite K (M×M): without the eigenvalues that are rounding."""
    values, vectors = torch.linalg.eigh(k)
    eps, largest = torch.finfo(k.dtype).eps, values.abs().max()
    if float(values[0]) < -(eps**0.5) * float(largest):
        raise ValueError("a covariance has no negative eigenvalues")
    values = torch.where(values > len(k) * eps * largest, values, 0.0)
    half = vectors * values.sqrt().sqrt()
    found: Tensor = half @ half.mT
    return found


@dataclass(frozen=True)
class NetworkFunctions:
    """The first outputs of networks that are drawn independently of one another; iterated over like Gaussian ones.

    Their covariance is the mean of f_θ(x) f_θ(x') over networks of the given widths. That is Σ^L where there is one
    hidden layer, and Σ^L but for terms of order 1/width where there are more; for rectifiers it is Σ^L(x, x) at x = x'
    at every width. Not Gaussian either, unless they are wide: K_P varies more.
    """

    arch: Architecture
    x: Tensor
    """The inputs of all points, M×n_0."""
    width: int | None = None
    """Of dense layers that name none."""
    seed: int = 0

    def __iter__(self) -> Iterator[Tensor]:
        """…×M, on and on: which, the seed and the kind of device say. Raises ArchitectureError as `fans`."""
        x = self.x.double()
        sizes = fans(self.arch, x.shape[1], None, self.width)
        *streams, last = generators(self.seed, len(sizes) + 1, x.device)
        at_once = max(1, _DRAWN // sum(fan.parameters for fan in sizes))
        held = max(1, _HELD // (len(x) * max(fan.outputs for fan in sizes) or 1))
        places = torch.arange(len(x), device=x.device)
        while True:
            params, drawn = draw(sizes, streams, at_once), keys(last, at_once)
            for first in range(0, at_once, held):
                part = slice(first, first + held)
                some = tuple(Weights(layer.weight[part], layer.bias[part]) for layer in params)
                yield apply(self.arch, some, x, Masks(drawn[part], places))[..., 0]
