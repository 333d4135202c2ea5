"""An activation of the tests' own, as simple as one can be: its methods may hand back what they were given."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import pytest
import torch
from torch import Tensor

from ntk_engine import infinite
from ntk_engine.activations.base import ClosedForm, Facts
from ntk_engine.architecture import Mlp


@dataclass(frozen=True)
class Identity(ClosedForm):
    """σ(z) = z: every layer is linear."""

    type: Literal["identity"] = "identity"
    facts: ClassVar[Facts] = Facts("z", "linear", polynomial=True, homogeneous=True, smoothness="C^inf")

    def value(self, z: Tensor) -> Tensor:
        return z

    def derivative(self, z: Tensor) -> Tensor:
        return torch.ones_like(z)

    def rows(self, root: Tensor) -> tuple[Tensor]:
        return (root,)

    @staticmethod
    def pair(p: object, a: object, b: object, rho: Tensor, gap: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return rho, gap, rho * 0.0 + 1.0


@pytest.mark.parametrize("depth", [1, 2, 3, 20])
@pytest.mark.parametrize("sigma_w", [0.5, 1.0, 1.5])
def test_linear_networks(depth: int, sigma_w: float) -> None:
    """Σ^L = σ_w^{2L} x·x'/n_0 and Θ^L = L Σ^L without a bias (Section 4.1 with σ(z) = z)."""
    arch = Mlp(depth=depth, beta=0.0, sigma_w=sigma_w)
    object.__setattr__(arch, "activation", Identity())
    x = torch.randn(7, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    sigma = sigma_w ** (2 * depth) * (x @ x.T) / 3
    found = infinite.kernel(arch, x)
    # A rounding or two for each factor of each layer, relative to √(Σ(x,x)Σ(x',x')).
    scale = sigma.diagonal().sqrt()[:, None] * sigma.diagonal().sqrt()
    bound = 4 * (depth + 4) * torch.finfo(torch.float64).eps * scale
    assert ((found.nngp - sigma).abs() <= bound).all()
    assert ((found.ntk - depth * sigma).abs() <= depth * bound).all()
