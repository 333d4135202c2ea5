"""Kernels of features from which their mean over the data is taken."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor


@dataclass(frozen=True, slots=True)
class Centring:
    """K̄(x, x') = ⟨φ(x) − m, φ(x') − m⟩ with m = (1/N) Σ_j φ(x_j), where K(x, x') = ⟨φ(x), φ(x')⟩.

    On the data K̄ = HKH, H = I − 11ᵀ/N (Schölkopf, Smola, Müller, *Nonlinear component analysis as a kernel eigenvalue
    problem*, 1998, appendix A).
    """

    means: Tensor
    """(1/N) Σ_j K(x_i, x_j) (N)."""
    mean: Tensor
    """Their mean: ‖m‖²."""

    @classmethod
    def of(cls, k: Tensor) -> Centring:
        """Of the data's Gram matrix k (N×N). Raises ValueError if it is not square."""
        if k.ndim != 2 or k.shape[0] != k.shape[1]:
            raise ValueError(f"centring takes the mean over a square Gram matrix, not one of shape {tuple(k.shape)}")
        means = k.mean(dim=1)
        return cls(means, means.mean())

    def gram(self, k: Tensor) -> Tensor:
        """HKH (N×N), symmetric to the last bit where k is."""
        return k - (self.means[:, None] + self.means) + self.mean

    def cross(self, k: Tensor) -> Tensor:
        """K̄(x, x_j) from the block K(x, x_j) of any n points with the data (n×N)."""
        return k - (k.mean(dim=1, keepdim=True) + self.means) + self.mean

    def diagonal(self, diagonal: Tensor, k: Tensor) -> Tensor:
        """K̄(x, x) (n) from K(x, x) (n) and the block K(x, x_j) (n×N)."""
        return diagonal - 2 * k.mean(dim=1) + self.mean


def centred(matmul: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """The product with HKH, from that with K: for `top`, which needs no matrix."""

    def product(v: Tensor) -> Tensor:
        image = matmul(v - v.mean(dim=0))
        return image - image.mean(dim=0)

    return product
