"""A spectrum of a job's matrix, and what is certain of it."""

from collections.abc import Callable
from math import log2
from typing import NamedTuple

import torch
from torch import Tensor

from contracts.spectra import SpectrumSpec
from contracts.spectrum_plan import needs_vectors
from ntk_engine import spectrum
from ntk_engine.spectrum import Centring, Certain, Spectrum
from worker.context import Context
from worker.spectrum_matrix import Matrix

_EPS = 2.0**-52


class Found(NamedTuple):
    """A spectrum, and what it is one of."""

    spectrum: Spectrum
    bounds: Tensor
    """How far each eigenvalue may be from one of the matrix (m)."""
    residuals: Tensor | None
    """What ‖(K/N)v − λv‖ may be at most, for the kernel itself (m); None without eigenvectors."""
    certain: Certain
    centring: Centring | None


def dense(spec: SpectrumSpec, matrix: Matrix) -> Found:
    """All of the matrix, of whose eigenvalues the largest may be asked for."""
    k, count = matrix.whole(), spec.top or matrix.points
    centring = Centring.of(k) if spec.centred else None
    off = moved(matrix, matrix.entries())
    off += 0.0 if centring is None else _centring_rounding(float(k.abs().amax()), len(k))
    k = k if centring is None else centring.gram(k)
    found = spectrum.eigh(k, vectors=needs_vectors(spec))
    errors, residuals = torch.full_like(found.eigenvalues, found.rounding) + off, None
    if found.orthogonality is not None:
        errors = spectrum.errors(k, found)
        residuals = spectrum.residual_bounds(found, errors)[:count] + off
        errors = errors + off
    certain = spectrum.certain_of_all(found, errors)
    return Found(found.leading(count), errors[:count], residuals, certain, centring)


def top(spec: SpectrumSpec, matrix: Matrix, method: str, context: Context) -> Found:
    """The largest eigenvalues, by products."""
    assert spec.top is not None
    n = matrix.points
    multiply: Callable[[Tensor], Tensor] = matrix.multiply
    if method == "held":
        multiply = matrix.whole().__matmul__
    centring = None
    if spec.centred:
        means = multiply(torch.ones(n, 1, dtype=torch.float64, device=context.device))[:, 0] / n
        centring = Centring(means, means.mean())
    product = multiply if centring is None else spectrum.centred(multiply)
    found = spectrum.top(product, n, spec.top, dtype=torch.float64, device=context.device, probed=True)
    return of_top(found, matrix, matrix.entries(), centring)


def of_top(found: Spectrum, matrix: Matrix, entries: float, centring: Centring | None = None) -> Found:
    """With what errors of the entries tell of it."""
    assert found.residuals is not None
    off = moved(matrix, entries)
    if centring is not None:
        off += _centring_rounding(float(centring.means.abs().amax()), matrix.points)
    bounds = found.residuals + found.rounding + off
    certain = spectrum.certain_of_top(found, off)
    return Found(found, bounds, bounds, certain, centring)


def _centring_rounding(size: float, n: int) -> float:
    """What taking means away adds to eigenvalues of K/N: to each entry some roundings of entries of that size."""
    return (4 + log2(n)) * _EPS * size


def moved(matrix: Matrix, e: float) -> float:
    """What errors e of the matrix' entries may move its eigenvalues over N, in Frobenius norm; inf: nobody knows."""
    return e / (1 - e) * matrix.mean_diagonal() if 0 < e < 1 else e
