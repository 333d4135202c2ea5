"""Spectrum jobs: one part, from a Gram matrix to eigenvalues, principal components and numbers of the spectrum."""

from collections.abc import Callable, Iterator
from math import isfinite, log2
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from contracts.spectra import Projected, SpectrumSpec
from contracts.spectrum_plan import TILE, needs_vectors, tile_of
from contracts.spectrum_spread import SCRATCH
from ntk_engine import spectrum
from ntk_engine.spectrum import Centring, Spectrum
from storage.arrays import Dropped, ErrorBound, TileData
from storage.jobs.transitions import Claim
from worker import spectrum_spread
from worker.context import Context
from worker.inputs import dataset_rows
from worker.parts import Last, Result
from worker.spectrum_matrix import Matrix, matrix_of, stored_array, tensor
from worker.tiles import tiles

_EPS = 2.0**-52


class _Found(NamedTuple):
    """A spectrum, and what it is one of."""

    spectrum: Spectrum
    bounds: Tensor
    """How far each eigenvalue may be from one of the matrix (m)."""
    centring: Centring | None


def run(claim: Claim, context: Context) -> Iterator[Result | None]:
    """Eigenvalues of K/N in falling order, and what else was asked for."""
    spec = SpectrumSpec.model_validate(claim.job_spec)
    matrix, part = matrix_of(spec, context), claim.part_spec
    if "multiply" in part:
        yield from spectrum_spread.multiply(claim, context, matrix)
        return
    if "advance" in part:
        for result in spectrum_spread.advance(claim, context, spec):
            if isinstance(result, Spectrum):
                bounds = _of_top(result, matrix, spectrum_spread.error_bound(claim, context))
                yield from _results(spec, matrix, _Found(result, bounds, None), context)
                yield from (Dropped(name) for name in SCRATCH)
                yield Last()
            else:
                yield result
        return
    found = _dense(spec, matrix) if part["method"] == "dense" else _top(spec, matrix, claim, context)
    yield from _results(spec, matrix, found, context)


def _results(spec: SpectrumSpec, matrix: Matrix, found: _Found, context: Context) -> Iterator[Result | None]:
    """All that is asked for of a spectrum."""
    yield None
    yield from _pairs(spec, found)
    if spec.top is None:
        yield from _numbers(found)
    if spec.ridges:
        ridges = torch.tensor(spec.ridges, dtype=torch.float64, device=context.device)
        values = spectrum.effective_dimension(found.spectrum.eigenvalues, ridges)
        yield TileData("effective_dimension", 0, 0, values.cpu().numpy())
    if spec.decay is not None:
        fitted = spectrum.decay(found.spectrum.eigenvalues, *spec.decay)
        yield TileData("decay", 0, 0, np.array([fitted.exponent, fitted.standard_error]))
    if spec.components is not None:
        yield from _components(spec, matrix, found, context)


def _dense(spec: SpectrumSpec, matrix: Matrix) -> _Found:
    """All of the matrix, of whose eigenvalues the largest may be asked for."""
    k, count = matrix.whole(), spec.top or matrix.points
    centring = Centring.of(k) if spec.centred else None
    rounding = 0.0 if centring is None else _centring_rounding(float(k.abs().amax()), len(k))
    k = k if centring is None else centring.gram(k)
    found = spectrum.eigh(k, vectors=needs_vectors(spec))
    known = found.eigenvectors is not None
    bounds = spectrum.errors(k, found) if known else torch.full_like(found.eigenvalues, found.rounding)
    return _Found(_leading(found, count), bounds[:count] + _moved(matrix, matrix.entries()) + rounding, centring)


def _top(spec: SpectrumSpec, matrix: Matrix, claim: Claim, context: Context) -> _Found:
    """The largest eigenvalues, by products."""
    assert spec.top is not None
    n = matrix.points
    multiply: Callable[[Tensor], Tensor] = matrix.multiply
    if claim.part_spec["method"] == "held":
        multiply = matrix.whole().__matmul__
    centring, rounding = None, 0.0
    if spec.centred:
        means = multiply(torch.ones(n, 1, dtype=torch.float64, device=context.device))[:, 0] / n
        centring = Centring(means, means.mean())
        rounding = _centring_rounding(float(means.abs().amax()), n)
    product = multiply if centring is None else spectrum.centred(multiply)
    found = spectrum.top(product, n, spec.top, dtype=torch.float64, device=context.device)
    return _Found(found, _of_top(found, matrix, matrix.entries()) + rounding, centring)


def _of_top(found: Spectrum, matrix: Matrix, entries: float) -> Tensor:
    """How far each of the largest eigenvalues may be from one of the matrix."""
    assert found.residuals is not None
    return found.residuals + found.rounding + _moved(matrix, entries)


def _centring_rounding(size: float, n: int) -> float:
    """What taking means away adds to eigenvalues of K/N: to each entry some roundings of entries of that size."""
    return (4 + log2(n)) * _EPS * size


def _moved(matrix: Matrix, e: float) -> float:
    """What errors e of the matrix' entries may move its eigenvalues over N, in Frobenius norm; inf: nobody knows."""
    return e / (1 - e) * matrix.mean_diagonal() if 0 < e < 1 else e


def _leading(found: Spectrum, count: int) -> Spectrum:
    """Of all eigenpairs the leading ones."""
    if count == len(found.eigenvalues):
        return found
    assert found.eigenvectors is not None
    assert found.residuals is not None
    groups = tuple(slice(at.start, min(at.stop, count)) for at in found.clusters if at.start < count)
    leading = found.eigenvectors[:, :count], found.residuals[:count]
    return Spectrum(found.eigenvalues[:count], *leading, groups, found.rounding, found.orthogonality)


def _pairs(spec: SpectrumSpec, found: _Found) -> Iterator[Result]:
    """Eigenvalues, which of them belong together, and eigenvectors."""
    whole = found.spectrum
    yield TileData("eigenvalues", 0, 0, whole.eigenvalues.cpu().numpy())
    yield ErrorBound("eigenvalues", float(found.bounds.amax()))
    numbers = np.concatenate([np.full(at.stop - at.start, number) for number, at in enumerate(whole.clusters)])
    yield TileData("clusters", 0, 0, numbers.astype(np.float64))
    yield _number("largest_learning_rate", spectrum.largest_learning_rate(float(whole.eigenvalues[0])))
    if whole.eigenvectors is not None and whole.residuals is not None:
        yield TileData("residuals", 0, 0, whole.residuals.cpu().numpy())
        assert whole.orthogonality is not None
        yield _number("orthogonality", whole.orthogonality)
        if spec.vectors:
            yield from tiles("eigenvectors", whole.eigenvectors, (TILE, TILE))


def _numbers(found: _Found) -> Iterator[Result]:
    """What is known of all eigenvalues together."""
    values = found.spectrum.eigenvalues
    error = float(found.bounds[-1])
    yield _number("least_eigenvalue", float(values[-1]))
    yield ErrorBound("least_eigenvalue", error)
    yield _number("negative", found.spectrum.negative.count)
    yield _number("rank", spectrum.rank(values))
    yield _number("condition_number", spectrum.condition_number(values, error if isfinite(error) else 0.0))
    yield _number("participation_ratio", spectrum.participation_ratio(values))


def _components(spec: SpectrumSpec, matrix: Matrix, found: _Found, context: Context) -> Iterator[Result | None]:
    """Principal components, on the points and on new ones, and functions in terms of them."""
    asked = spec.components
    assert asked is not None
    those = spectrum.components(found.spectrum, asked.count, found.centring)
    yield from tiles("components", those.values, (TILE, TILE))
    if asked.at is not None or asked.cross is not None:
        yield from tiles("components_at", those.at(matrix.cross()), (TILE, TILE))
        yield None
    for name, source in asked.project.items():
        f = _functions(source, context)
        for of, values in (("projections", those.project(f)), ("outside", those.outside(f))):
            yield from tiles(f"{of}_{name}", values, tile_of(tuple(values.shape)))
        yield None


def _functions(source: Projected, context: Context) -> Tensor:
    """…×N×k. Raises LookupError where the job or the dataset is gone."""
    if source.dataset is not None:
        return dataset_rows(context, source.dataset, None, torch.float64, array=source.array)
    assert source.job is not None
    stored = stored_array(source.job, source.array, context)
    return tensor(stored, context).reshape(stored.plan.shape)


def _number(name: str, value: float) -> TileData:
    """An array of one number, which may be inf."""
    return TileData(name, 0, 0, np.array([float(value)]), gaps=True)
