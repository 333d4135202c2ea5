"""Kernels that bounds are tried on: an ordinary one, one of low rank, one with equal rows, and steep ones."""

import torch

M = 10
GENERATOR = torch.Generator().manual_seed(1)
Y = torch.randn(M, 2, dtype=torch.float64, generator=GENERATOR)
BASIS = torch.linalg.qr(torch.randn(M, M, dtype=torch.float64, generator=GENERATOR))[0]
# Whole numbers, so that its rank is exactly 4.
FEATURES = torch.randint(-4, 5, (M, 4), generator=GENERATOR).double()
STEPS = torch.arange(M, dtype=torch.float64)


def of(eigenvalues: torch.Tensor) -> torch.Tensor:
    """A symmetric matrix with nearly these eigenvalues."""
    k = (BASIS * eigenvalues) @ BASIS.mT
    return (k + k.mT) / 2


def repeated() -> torch.Tensor:
    """Three points given twice, and no other dependence."""
    rows = [*range(M - 3), 0, 1, 2]
    return of(10.0 * (STEPS + 1.0) ** -1.5)[rows][:, rows]


KERNELS = {
    "plain": of(10.0 * (STEPS + 1.0) ** -1.5),
    "rank": FEATURES @ FEATURES.mT,
    "repeated": repeated(),
    "clusters": of(torch.tensor([1.0] * 3 + [1e-3] * 3 + [1e-7] * 4, dtype=torch.float64)),
    "steep": of(10.0**-STEPS),
}
RANKS = {"plain": M, "rank": 4, "repeated": M - 3, "clusters": M, "steep": M}
