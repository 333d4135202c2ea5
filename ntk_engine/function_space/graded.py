"""Eigenpairs of a kernel's Gram matrix, the small ones as right, relative to themselves, as the large ones.

One word leaves an error of 2^−53 λ_1 in every eigenvalue, and so much of the large eigenvectors in the small ones that
κu/λ and u·y mean nothing where λ is 10⁻⁸ λ_1: nearly equal inputs. So only what is large is taken from a decomposition
in one word. The rest, V, is put right to first order, V + UP, which squares its error; and VᵀKV, in two words, is a
smaller matrix with a smaller λ_1, of which the large part is taken again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from ntk_engine.activations.double_word import Double, add
from ntk_engine.function_space.two_words import beside, columns, product, transposed, two_words

if TYPE_CHECKING:
    from torch import Tensor

LARGE = 2.0**-14
"""Eigenvalues above this part of λ_1, about, are taken from one decomposition: right to 2^−39 times a small number."""
_WINDOW = 4.0
_EPS = 2.0**-52


@dataclass(frozen=True, slots=True)
class Decomposition:
    """K/N = U Λ Uᵀ of a positive semidefinite Gram matrix K (N×N)."""

    values: Tensor
    """λ (N), falling; exactly 0 where they are rounding: from `rank` on."""
    basis: Double
    """U (N×N): orthonormal to rounding, and K-orthogonal to rounding relative to √(λ_i λ_j)."""
    large: int
    """How many leading columns are right to rounding in one word; the others are in two."""
    rank: int
    residuals: Tensor
    """‖(K/N)u_j − λ_j u_j‖ is at most this (N): the same number for all that were taken together."""
    null: Tensor
    """The largest of the eigenvalues that were made 0 (a number)."""
    mixing: Tensor
    """What a small u_j may have of large ones (N), by the square of what was put right; 0 for the large ones."""

    @property
    def values_bound(self) -> Tensor:
        """A bound (a number) on the error of every λ: the norm of all residuals (Hoffman, Wielandt 1953)."""
        # In units of the largest, as squares alone may leave the numbers.
        most = self.residuals.amax()
        unit = most.masked_fill((most == 0.0) | most.isinf(), 1.0)
        found: Tensor = torch.linalg.vector_norm(self.residuals / unit) * unit + self.null
        return found

    def images(self, m: Tensor | Double) -> Tensor:
        """mU (rows×N) of m (rows×N); small columns right relative to √λ_j, as they are where [K, mᵀ; m, ·] ≥ 0."""
        m = two_words(m)
        if self.large == m.high.shape[1]:
            whole: Tensor = m.high @ self.basis.high
            return whole
        return torch.cat([m.high @ self.basis.high[:, : self.large], product(m, self._small).high], dim=1)

    def form(self, m: Tensor) -> Tensor:
        """UᵀmU (N×N) of a symmetric m, right relative to √(m_ii m_jj) among the small columns."""
        large = self.basis.high[:, : self.large]
        top: Tensor = large.mT @ m @ large
        if self.large == len(m):
            return top.add_(top.mT.clone()).div_(2)
        image = product(m, self._small)
        mixed = large.mT @ image.high
        small = product(transposed(self._small), image).high
        whole = torch.cat([torch.cat([top, mixed], dim=1), torch.cat([mixed.mT, small], dim=1)])
        return (whole + whole.mT) / 2

    @property
    def _small(self) -> Double:
        return columns(self.basis, slice(self.large, None))


def decompose(k: Tensor, eps: float = 2.0**-52) -> Decomposition:
    """All eigenpairs of k/N, falling, for a positive semidefinite k (N×N) of float64.

    What is at most 8 eps (λ_1 + max k_ii/√N) is counted as null space: as much do roundings of k's entries make, to eps
    of themselves (2⁻²³ where k was float32). Raises ValueError where an eigenvalue is below −√eps λ_1, which is no
    rounding. O(N³): one decomposition where no eigenvalue is below 2⁻¹⁴ λ_1, and about forty products of matrices more
    where most are.
    """
    n = len(k)
    unit = float(torch.ldexp(k.new_ones(()), torch.frexp(k.abs().max()).exponent)) if bool((k != 0).any()) else 1.0
    left = two_words(k / unit)
    values, parts, residuals, mixing = [], [], [], []
    mixed = k.new_zeros(n)
    onto: Double | None = None
    first = least = floor = 0.0
    while True:
        rising, vectors = torch.linalg.eigh(left.high)
        lam, x = rising.flip(0), vectors.flip(1)
        if onto is None:
            first = float(lam.abs().max())
            _semidefinite(lam, eps)
            floor = 8 * eps * (first + float(k.diagonal().abs().max()) / unit * n**0.5)
            least = 4 * _EPS**2 * first / LARGE
        count = _leading(lam, floor)
        values.append(lam[:count])
        residuals.append((_residual(left.high, lam, x) + least).expand(count))
        mixed = (mixed.square() @ x.square()).sqrt()
        mixing.append(mixed[:count])
        kept = x
        if count < len(lam):
            left, turned, kept, again = _split(left, lam, x, count)
            mixed = mixed[count:] + again
        parts.append(two_words(kept) if onto is None else product(onto, kept))
        if count == len(lam):
            break
        onto = turned if onto is None else product(onto, turned)
    found, spread = torch.cat(values), torch.cat(residuals)
    rank = int((found > floor).sum())
    null = torch.cat([found[rank:].abs(), found.new_zeros(1)]).amax() * (unit / n)
    found[rank:] = 0.0
    return Decomposition(
        found * (unit / n), beside(parts), len(values[0]), rank, spread * (unit / n), null, torch.cat(mixing)
    )


def _semidefinite(lam: Tensor, eps: float) -> None:
    if float(lam[-1]) < -(eps**0.5) * float(lam.abs().max()):
        raise ValueError(
            f"a kernel's matrix has no negative eigenvalues, and this one has {float(lam[-1] / lam.abs().max()):.1e} "
            "of its largest"
        )


def _leading(lam: Tensor, floor: float) -> int:
    """How many falling eigenvalues to take: to the widest gap near LARGE of the first, or all where none is below."""
    size = float(lam[0])
    if size <= floor or float(lam[-1]) > LARGE * size:
        return len(lam)
    above, below = lam[:-1], lam[1:]
    near = (above >= LARGE * size / _WINDOW) & (below <= LARGE * size * _WINDOW)
    return int(((above - below) / above.abs().clamp_min(floor)).where(near, -1.0).argmax()) + 1


def _residual(k: Tensor, lam: Tensor, x: Tensor) -> Tensor:
    """The largest norm of Kx − λx, and what x lacks of being orthonormal, in λ."""
    norms = torch.linalg.vector_norm(k @ x - x * lam, dim=0).max()
    found: Tensor = norms + _EPS * len(k) ** 0.5 * lam.abs().max()
    return found


def _split(k: Double, lam: Tensor, x: Tensor, count: int) -> tuple[Double, Double, Tensor, Tensor]:
    """What K is on the invariant subspace beside the leading vectors, a basis of it, and those vectors put right.

    With x = [U, V] to rounding, H = VᵀKV and F = Uᵀ(KV − VH): K(V + UP) = (V + UP)(H + FᵀP) to second order, where
    ΛP − PH = −F, and H is diagonal but for what is again of second order. U − VPᵀ is orthogonal to V + UP.
    Last, what the basis may still have of U: P's columns, squared.
    """
    u, v = x[:, :count], x[:, count:]
    image = product(k, v)
    h = product(v.mT, image)
    beyond = (product(u.mT, image) - product(product(u.mT, v), h)).high
    p = -beyond / (lam[:count, None] - lam[count:])
    h = h + beyond.mT @ p
    h = h + transposed(h)
    return Double(h.high / 2, h.low / 2), Double(*add(v, u @ p)), u - v @ p.mT, p.square().sum(dim=0)
