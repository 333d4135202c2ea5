"""The leading eigenpairs of a matrix that is only ever multiplied with: block Krylov, fully orthogonalised.

Each step is one pass over K, which is what a matrix streamed from storage costs. The basis V and its image KV are both
kept, so Ritz pairs and their residuals are exact without a further pass. The block has at least k columns, so every
eigenvalue comes with its multiplicity.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, overload

import torch

from ntk_engine.spectrum import probe
from ntk_engine.spectrum.basis import Basis, beside, orthogonal
from ntk_engine.spectrum.dense import checked
from ntk_engine.spectrum.result import NotConvergedError, Spectrum, of_pairs

if TYPE_CHECKING:
    from torch import Tensor

    from ntk_engine.spectrum.probe import Probe

MatMul = Callable[["Tensor"], "Tensor"]

# Residuals, relative to the largest eigenvalue, that rounding in a product of a hundred thousand rows still allows.
_TOLERANCE = {torch.float64: 1e-12, torch.float32: 1e-5}
_LEAST_BLOCK = 16
_LEAST_BASIS = 128


@overload
def top(
    matrix: Tensor,
    k: int,
    /,
    *,
    tolerance: float | None = None,
    seed: int = 0,
    max_passes: int = 200,
    probed: bool = False,
) -> Spectrum: ...
@overload
def top(
    matmul: MatMul,
    n: int,
    k: int,
    /,
    *,
    dtype: torch.dtype = torch.float64,
    device: torch.device | str = "cpu",
    tolerance: float | None = None,
    seed: int = 0,
    max_passes: int = 200,
    probed: bool = False,
) -> Spectrum: ...
def top(
    matrix: Tensor | MatMul,
    n: int,
    k: int | None = None,
    /,
    *,
    dtype: torch.dtype = torch.float64,
    device: torch.device | str = "cpu",
    tolerance: float | None = None,
    seed: int = 0,
    max_passes: int = 200,
    probed: bool = False,
) -> Spectrum:
    """The k largest eigenvalues of K/n with eigenvectors (n×k) and residuals, for a symmetric K (n×n).

    K is a tensor, as in `top(matrix, k)`, or a function from n×b to its product with K, as in `top(matmul, n, k)`; the
    latter is called once a pass, with b of about max(16, 1.25 k), on `device` and in `dtype`. Stops when every residual
    is at most `tolerance` (1e-12; 1e-5 in float32) of the largest eigenvalue's magnitude, those of the k-th's whole
    cluster included where a block sees it. Holds two n×m bases, m ≤ max(128, 3b). probed: three passes
    more say what is beneath (`probe`), without which nothing is known of it. Raises
    ValueError for a k outside 1 … n or entries that are not finite, and NotConvergedError after `max_passes`.
    """
    if isinstance(matrix, torch.Tensor):
        checked(matrix)
        n, k, dtype, device = matrix.shape[0], n, matrix.dtype, matrix.device
        matmul: MatMul = matrix.__matmul__
    else:
        matmul = matrix
    iteration = Iteration.begun(n, k or 0, dtype=dtype, device=device, tolerance=tolerance, seed=seed, probed=probed)
    while True:
        found = iteration.after(matmul(iteration.block), max_passes)
        if isinstance(found, Spectrum):
            return found
        iteration = found


def block_width(n: int, k: int) -> int:
    """Columns that are multiplied at once."""
    return min(n, max(_LEAST_BLOCK, k + k // 4))


def basis_width(width: int) -> int:
    """The most columns of a basis, for blocks of that width."""
    return max(_LEAST_BASIS, 3 * width)


@dataclass(frozen=True)
class Iteration:
    """The iteration between two passes over K, whose next is a product with `block`: what goes on elsewhere as well."""

    k: int
    tolerance: float
    block: Tensor
    """n×b: orthonormal, or y_j of a probe."""
    vectors: Tensor
    """V, n×m, and"""
    images: Tensor
    """KV, in units of `size`."""
    size: float
    """max |K block| of the first pass, in which K is counted: squares of entries neither overflow nor underflow."""
    passes: int
    probed: bool = False
    """Whether it ends with a probe of what is beneath."""
    probe: Probe | None = None
    """How far that has come."""

    @classmethod
    def begun(
        cls,
        n: int,
        k: int,
        *,
        dtype: torch.dtype = torch.float64,
        device: torch.device | str = "cpu",
        tolerance: float | None = None,
        seed: int = 0,
        probed: bool = False,
    ) -> Iteration:
        """Before the first pass; arguments as those of `top`."""
        if not 1 <= k <= n:
            raise ValueError(f"the number of eigenpairs must be between 1 and the {n} rows of the matrix, not {k}")
        # Drawn on the CPU, so that a seed means the same on every device.
        start = torch.randn(n, block_width(n, k), dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
        block = torch.linalg.qr(start.to(device, dtype)).Q
        none = block.new_empty(n, 0)
        return cls(k, _TOLERANCE[dtype] if tolerance is None else tolerance, block, none, none, 0.0, 0, probed)

    def after(self, image: Tensor, max_passes: int = 200) -> Iteration | Spectrum:
        """With K block (n×b): the iteration before its next pass, or what is found. Raises as `top` does."""
        size = self.size or float(image.abs().max()) or 1.0
        if not math.isfinite(float(image.abs().max())):
            raise ValueError("a spectrum needs finite entries")
        n, width, passes, image = len(image), block_width(len(image), self.k), self.passes + 1, image / size
        if self.probe is not None:
            return self._beneath(self.probe, image, last=passes >= max_passes)
        basis = Basis.spanned_by(torch.cat([self.vectors, self.block], dim=1), torch.cat([self.images, image], dim=1))
        reach = _reach(basis.values, self.k, width, self.tolerance)
        largest = float(basis.values.abs().max()) or 1.0
        residuals = basis.residuals(reach) / largest
        done = residuals <= self.tolerance
        block = None if bool(done.all()) else orthogonal(image, basis)
        if block is None or block.shape[1] == 0 or passes >= max_passes:
            if not bool(done[: self.k].all()):
                raise NotConvergedError(passes, self.tolerance, residuals[: self.k] * (largest * size / n))
            if self.probed and passes < max_passes and basis.vectors.shape[1] < n:
                start = beside(probe.normal(n, width, image), basis)
                begun = probe.begun(start, len(start) * torch.finfo(start.dtype).eps)
                return replace(
                    self, block=start, vectors=basis.vectors, images=basis.images, size=size, passes=passes, probe=begun
                )
            return self._found(basis, size, math.inf)
        # The new block spans what the Ritz vectors lack: the leading ones and it are as good a space as all before.
        limit = basis_width(width)
        basis = basis if basis.vectors.shape[1] + width <= limit else basis.leading(limit // 2)
        return replace(
            self, block=block, vectors=basis.vectors, images=basis.images, size=size, passes=passes, probe=None
        )

    def _beneath(self, before: Probe, image: Tensor, *, last: bool) -> Iteration | Spectrum:
        """With the image of a probe's y_j."""
        basis = Basis.spanned_by(self.vectors, self.images)
        image = beside(image, basis)
        after = before.after(self.block, image, basis.rounding)
        if last or after.passes == probe.PASSES:
            return self._found(basis, self.size, after.rest)
        return replace(self, block=image, passes=self.passes + 1, probe=after)

    def _found(self, basis: Basis, size: float, rest: float) -> Spectrum:
        n, width = len(basis.vectors), block_width(len(basis.vectors), self.k)
        reach = _reach(basis.values, self.k, width, self.tolerance)
        best = basis.leading(reach)
        found = of_pairs(best.values * (size / n), best.vectors, best.images * (size / n), self.k)
        return replace(found, beneath=basis.beneath(reach, size / n, rest))


def _reach(values: Tensor, k: int, width: int, tolerance: float) -> int:
    """How many Ritz pairs to have so that the k-th's cluster is whole: as far as a block sees multiplicities."""
    least = values[k - 1] - 2 * tolerance * values.abs().max()
    return max(k, int((values[:width] >= least).sum()))
