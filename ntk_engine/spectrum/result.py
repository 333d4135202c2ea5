"""What a decomposition gives, and how one says that it gave up."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch

from ntk_engine.spectrum.clusters import clusters, rounding_of, settle

if TYPE_CHECKING:
    from torch import Tensor

    from ntk_engine.spectrum.beneath import Beneath

# Columns whose products are held at a time.
_PANEL = 512


@dataclass(frozen=True, slots=True)
class Negative:
    """The eigenvalues below 0 of a matrix that may have none but for rounding."""

    count: int
    least: float
    """The most negative one; 0 where there is none."""
    rounding: float
    """What rounding explains, `Spectrum.rounding`: a `least` below −rounding it does not."""


@dataclass(frozen=True, slots=True)
class Pairs:
    """All eigenpairs that a solver found, those after the ones that are asked for too."""

    values: Tensor
    """λ (m), falling."""
    residuals: Tensor | None
    """Theirs (m). None without eigenvectors."""
    clusters: tuple[slice, ...]
    orthogonality: float | None
    """‖VᵀV − I‖ (Frobenius) of all of them. None without eigenvectors."""


@dataclass(frozen=True, slots=True)
class Spectrum:
    """The m leading eigenpairs of K/N, for a symmetric K (N×N)."""

    eigenvalues: Tensor
    """λ (m), falling."""
    eigenvectors: Tensor | None
    """Orthonormal columns (N×m), of each cluster the basis that its space determines (`settle`); None if not asked."""
    residuals: Tensor | None
    """‖(K/N) v − λ v‖₂ (m): no eigenvalue is further from a true one than this. None without eigenvectors."""
    clusters: tuple[slice, ...]
    """Which eigenvalues belong together: those that residuals, and rounding as it is likely, do not tell apart."""
    rounding: float
    """N eps max|λ|: what rounding may move at worst, and √N times what is likely."""
    orthogonality: float | None
    """‖VᵀV − I‖ (Frobenius). None without eigenvectors."""
    whole: Pairs | None = None
    """All pairs that were found, of which these are the leading ones."""
    beneath: Beneath | None = None
    """What is known of the matrix beside all these pairs; None where they are all there are."""

    def leading(self, count: int) -> Spectrum:
        """The `count` largest eigenvalues alone, and what belongs to them."""
        if count == len(self.eigenvalues):
            return self
        vectors = None if self.eigenvectors is None else self.eigenvectors[:, :count]
        return replace(
            self,
            eigenvalues=self.eigenvalues[:count],
            eigenvectors=vectors,
            orthogonality=None if vectors is None else orthogonality(vectors),
            residuals=None if self.residuals is None else self.residuals[:count],
            clusters=_cut(self.clusters, count),
        )

    @property
    def negative(self) -> Negative:
        """How many of the eigenvalues are negative, and how much so."""
        least = min(0.0, float(self.eigenvalues.min()))
        return Negative(int((self.eigenvalues < 0).sum()), least, self.rounding)


class NotConvergedError(ArithmeticError):
    """The iteration spent its passes over K before the residuals fell to the tolerance; `residuals` holds the last."""

    def __init__(self, passes: int, tolerance: float, residuals: Tensor) -> None:
        super().__init__(
            f"after {passes} passes over the matrix the largest residual is {float(residuals.max()):.2e}, above "
            f"{tolerance:.2e} of the largest eigenvalue's magnitude; allow more passes or a larger tolerance"
        )
        self.passes = passes
        self.residuals = residuals


def of_values(values: Tensor, n: int) -> Spectrum:
    """The spectrum of which only all eigenvalues (n), falling, are known."""
    rounding = rounding_of(values, n)
    groups = clusters(values, rounding / math.sqrt(n))
    return Spectrum(values, None, None, groups, rounding, None, Pairs(values, None, groups, None))


def of_pairs(values: Tensor, vectors: Tensor, images: Tensor, k: int | None = None) -> Spectrum:
    """The k leading of some eigenpairs, falling, with their images (K/N) V (N×m); vectors and images are overwritten.

    Pairs after the k-th complete its cluster, if they are given.
    """
    n, k = vectors.shape[0], len(values) if k is None else k
    rounding = rounding_of(values, n)
    # Rounding as it is likely, √N eps: N eps connects what is apart in steep spectra, and would blend its vectors.
    groups = clusters(values, _residuals(values, vectors, images) + rounding / math.sqrt(n))
    settle(vectors, groups, images)
    whole = Pairs(values, _residuals(values, vectors, images), groups, orthogonality(vectors))
    found = Spectrum(values, vectors, whole.residuals, groups, rounding, whole.orthogonality, whole)
    return found.leading(k)


def _cut(groups: tuple[slice, ...], k: int) -> tuple[slice, ...]:
    return tuple(slice(group.start, min(group.stop, k)) for group in groups if group.start < k)


def orthogonality(vectors: Tensor) -> float:
    """‖VᵀV − I‖ (Frobenius) of the columns of V (N×m), a panel of them at a time."""
    square = 0.0
    for start in range(0, vectors.shape[1], _PANEL):
        product = vectors.mT @ vectors[:, start : start + _PANEL]
        product.diagonal(-start).sub_(1.0)
        square += float(product.double().square().sum())
    return math.sqrt(square)


def _residuals(values: Tensor, vectors: Tensor, images: Tensor) -> Tensor:
    """‖(K/N) v − λv‖ (m), a panel at a time, in units of max|λ|: its square alone may overflow or underflow."""
    unit = float(values.abs().max()) or 1.0
    panels = (slice(start, start + _PANEL) for start in range(0, len(values), _PANEL))
    rests = ((images[:, at] - vectors[:, at] * values[at]).div_(unit) for at in panels)
    return torch.cat([torch.linalg.vector_norm(rest, dim=0) for rest in rests]) * unit
