"""Eigenvalues that cannot be told apart, and a basis of their common space that depends on nothing but the space."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

# A row is a pivot if its share of the space left is at least this part of the largest share. Shares tie where data have
# symmetries, and rounding must not choose among them: so the first row that is large enough serves, and "enough" is no
# number that such shares stand in to one another (fractions, squares of sines of simple angles).
_ENOUGH = 1 / math.pi


def rounding_of(eigenvalues: Tensor, n: int) -> float:
    """n eps max|λ|, for eigenvalues of K/n: how far rounding in a product with K moves a residual, to first order.

    At worst it is (n/2) eps ‖|K|‖/n in any order of summation (Higham, *Accuracy and Stability of Numerical
    Algorithms*, Section 3.5), and ‖|K|‖ = ‖K‖ where no entry is negative, as in most kernels. Likely it is √n times
    less (Higham and Mary, *A new approach to probabilistic rounding error analysis*, 2019).
    """
    return n * torch.finfo(eigenvalues.dtype).eps * float(eigenvalues.abs().max())


def clusters(eigenvalues: Tensor, errors: Tensor | float) -> tuple[slice, ...]:
    """Which of falling eigenvalues (m) belong together: those whose intervals λ ± error overlap, directly or by others.

    errors: (m), or one for all, such that every interval has a true eigenvalue in it, as it has for ‖Kv − λv‖ with
    ‖v‖ = 1. Eigenvalues in two clusters are then certainly two; those in one may be one eigenvalue with its
    multiplicity.
    """
    # All intervals up to one are above all later ones: their least lower end is above the largest upper end.
    lower = (eigenvalues - errors).cummin(0).values
    upper = (eigenvalues + errors).flip(0).cummax(0).values.flip(0)
    starts = (torch.nonzero(lower[:-1] > upper[1:])[:, 0] + 1).tolist()
    return tuple(slice(*ends) for ends in pairwise([0, *starts, len(eigenvalues)]))


def settle(vectors: Tensor, groups: Sequence[slice], images: Tensor | None = None) -> None:
    """Turn orthonormal vectors (N×m), in place, into those that the spaces of the clusters determine; images with them.

    A vector alone becomes positive in its first entry of at least half the largest magnitude: the largest itself may be
    a tie. A space with the projector P = VVᵀ gets the columns P e_i, P e_j, … of pivot rows, orthonormalised one after
    another (by Cholesky's factor of P on these rows): row i is the first whose share P_ii is at least 1/π of the
    largest, row j the first of what is left of P, and so on. O(N m²) for a space of m dimensions.
    """
    signs = _signs(vectors)
    for each in (vectors,) if images is None else (vectors, images):
        each.mul_(signs)
    for group in groups:
        if group.stop - group.start > 1:
            turn = _rotation(vectors[:, group])
            for each in (vectors,) if images is None else (vectors, images):
                each[:, group] = each[:, group] @ turn


def _signs(vectors: Tensor) -> Tensor:
    size = vectors.abs()
    first = (size >= 0.5 * size.amax(dim=0)).to(torch.uint8).argmax(dim=0)
    return vectors.gather(0, first[None, :])[0].sign()


def _rotation(space: Tensor) -> Tensor:
    """Q (m×m) for which VQ is the basis: V's pivot rows, made orthonormal."""
    turn, left = torch.zeros_like(space[: space.shape[1]]), space.square().sum(dim=1)
    for j in range(space.shape[1]):
        row = space[(left >= _ENOUGH * left.max()).to(torch.uint8).argmax()]
        for _ in range(2):
            row = row - turn[:, :j] @ (turn[:, :j].mT @ row)
        turn[:, j] = row / torch.linalg.vector_norm(row)
        left = (left - (space @ turn[:, j]).square()).clamp_min_(0.0)
    return turn
