"""Kernel principal components: eigenfunctions of the operator Π, on the data and everywhere (Section 5)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from ntk_engine.spectrum.centring import Centring
    from ntk_engine.spectrum.result import Spectrum


@dataclass(frozen=True, slots=True)
class Components:
    """f⁽¹⁾ … f⁽ᵐ⁾ with Π f⁽ⁱ⁾ = λ_i f⁽ⁱ⁾ and ‖f⁽ⁱ⁾‖ = 1 in L²(p^in), p^in the empirical measure of the N points."""

    eigenvalues: Tensor
    """λ (m), falling and positive."""
    values: Tensor
    """f⁽ⁱ⁾(x_j) = √N v_ij on the data (N×m)."""
    residuals: Tensor
    """‖Π f⁽ⁱ⁾ − λ_i f⁽ⁱ⁾‖ (m): what `at` gives on the data is within residual/λ of `values`, in the norm of p^in."""
    centring: Centring | None = None
    """Of the kernel whose components these are; None for K itself."""

    def at(self, cross: Tensor) -> Tensor:
        """f⁽ⁱ⁾(x) = (1/(λ_i N)) Σ_j K(x, x_j) f⁽ⁱ⁾(x_j) (n×m) from the block K(x, x_j) (n×N), not centred (Nyström)."""
        block = self._own(cross)
        found: Tensor = block @ self.values / (len(self.values) * self.eigenvalues)
        return found

    def project(self, f: Tensor) -> Tensor:
        """⟨f⁽ⁱ⁾, f⟩ = (1/N) Σ_j f⁽ⁱ⁾(x_j) f(x_j) of functions by their values on the data: …×N×k to …×m×k.

        Leading dimensions are those of a trajectory, of networks, or of whatever else there are many. Raises ValueError
        if f has not N rows.
        """
        if f.ndim < 2 or f.shape[-2] != len(self.values):
            raise ValueError(f"functions are given by {len(self.values)} rows of values, not as {tuple(f.shape)}")
        found: Tensor = self.values.mT @ f / len(self.values)
        return found

    def combine(self, coefficients: Tensor, at: Tensor | None = None) -> Tensor:
        """Σ_i c_i f⁽ⁱ⁾ of coefficients …×m×k: …×N×k on the data, or …×n×k from components' values `at` (n×m)."""
        found: Tensor = (self.values if at is None else at) @ coefficients
        return found

    def outside(self, f: Tensor) -> Tensor:
        """‖f − Σ_i ⟨f⁽ⁱ⁾, f⟩ f⁽ⁱ⁾‖² (…×k): what of f (…×N×k) the components do not reproduce, squared, over p^in."""
        return (f - self.combine(self.project(f))).square().mean(dim=-2)

    def lost(self, diagonal: Tensor, cross: Tensor) -> Tensor:
        """K(x, x) − Σ_i λ_i f⁽ⁱ⁾(x)² (n): how far φ(x) is from the span of the components, squared.

        diagonal: K(x, x) (n); cross: K(x, x_j) (n×N); both not centred. Of points of the data its mean is Σ_{i>m} λ_i.
        """
        whole = diagonal if self.centring is None else self.centring.diagonal(diagonal, cross)
        return whole - (self.at(cross).square() * self.eigenvalues).sum(dim=1)

    def _own(self, cross: Tensor) -> Tensor:
        if cross.ndim != 2 or cross.shape[1] != len(self.values):
            raise ValueError(
                f"a block of the kernel has the {len(self.values)} points of the data for columns, not shape "
                f"{tuple(cross.shape)}"
            )
        return cross if self.centring is None else self.centring.cross(cross)


def components(found: Spectrum, m: int | None = None, centring: Centring | None = None) -> Components:
    """The m leading components of a decomposition with eigenvectors, or all whose eigenvalues rounding cannot make 0.

    centring: that of the matrix if `found` is of HKH. Raises ValueError without eigenvectors, or for an m outside
    1 … the number of eigenvalues above `found.rounding`: of others there are no functions but rounding.
    """
    if found.eigenvectors is None or found.residuals is None:
        raise ValueError("principal components need a spectrum with eigenvectors")
    known = int((found.eigenvalues > found.rounding).sum())
    m = known if m is None else m
    if not 1 <= m <= known:
        raise ValueError(f"{known} eigenvalues are above {found.rounding:.1e}, which is rounding; {m} are asked for")
    values = found.eigenvectors[:, :m] * len(found.eigenvectors) ** 0.5
    return Components(found.eigenvalues[:m], values, found.residuals[:m], centring)
