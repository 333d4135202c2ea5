"""Spectrum jobs: one part, from a Gram matrix to eigenvalues, principal components and numbers of the spectrum."""

from collections.abc import Iterator
from math import isfinite

import numpy as np
import torch
from torch import Tensor

from contracts.spectra import SpectrumSpec
from contracts.spectrum_spread import SCRATCH
from ntk_engine import spectrum
from ntk_engine.spectrum import Certain, Spectrum
from storage.arrays import Dropped, ErrorBound, TileData
from storage.jobs.transitions import Claim
from worker import spectrum_spread
from worker.context import Context
from worker.parts import Last, Result
from worker.spectrum_components import components, vectors
from worker.spectrum_found import Found, dense, of_top, top
from worker.spectrum_matrix import Matrix, matrix_of

_U = 2.0**-53


def run(claim: Claim, context: Context) -> Iterator[Result | None]:
    """Eigenvalues of K/N in falling order, and what else was asked for."""
    spec = SpectrumSpec.model_validate(claim.job_spec)
    matrix, part = matrix_of(spec, context), claim.part_spec
    if "multiply" in part:
        yield from spectrum_spread.multiply(claim, context, matrix, spec)
        return
    if "advance" in part:
        for result in spectrum_spread.advance(claim, context, spec):
            if isinstance(result, Spectrum):
                found = of_top(result, matrix, *spectrum_spread.seen(claim, context, spec))
                yield from _results(spec, matrix, found, context)
                yield from (Dropped(name) for name in SCRATCH)
                yield Last()
            else:
                yield result
        return
    method = part["method"]
    found = dense(spec, matrix) if method == "dense" else top(spec, matrix, method, context)
    yield from _results(spec, matrix, found, context)


def _results(spec: SpectrumSpec, matrix: Matrix, found: Found, context: Context) -> Iterator[Result | None]:
    """All that is asked for of a spectrum."""
    yield None
    yield from _pairs(spec, found)
    if spec.top is None:
        yield from _numbers(found)
    if spec.ridges:
        yield from _effective_dimension(spec.ridges, found.certain)
    if spec.decay is not None:
        yield from _decay(spec.decay, found.certain)
    if spec.components is not None:
        yield from components(spec, matrix, found, context)


def _pairs(spec: SpectrumSpec, found: Found) -> Iterator[Result]:
    """Eigenvalues, which of them belong together, and eigenvectors."""
    whole = found.spectrum
    yield TileData("eigenvalues", 0, 0, whole.eigenvalues.cpu().numpy())
    yield ErrorBound("eigenvalues", float(found.bounds.amax()))
    numbers = np.concatenate([np.full(at.stop - at.start, number) for number, at in enumerate(whole.clusters)])
    yield TileData("clusters", 0, 0, numbers.astype(np.float64))
    first, off = float(whole.eigenvalues[0]), float(found.certain.radii[0])
    bound = spectrum.largest_learning_rate_error(first, off)
    yield from _bounded("largest_learning_rate", spectrum.largest_learning_rate(first), bound)
    if found.residuals is not None:
        yield from _measured(found)
    if spec.vectors:
        yield from vectors(found)


def _measured(found: Found) -> Iterator[Result]:
    """Residuals and orthogonality, which are measured, and err by their sums."""
    whole = found.spectrum
    assert found.residuals is not None
    assert whole.residuals is not None
    assert whole.eigenvectors is not None
    assert whole.orthogonality is not None
    yield TileData("residuals", 0, 0, whole.residuals.cpu().numpy())
    # Both what is found and what it should be are between 0 and the bound; of products it is the residual and more.
    apart = torch.maximum(found.residuals - whole.residuals, whole.residuals)
    yield ErrorBound("residuals", float(apart.amax()))
    n, m = whole.eigenvectors.shape
    # Every entry of VᵀV is a sum of N terms, of |V|ᵀ|V| at most m in norm, and of their m² squares the root is taken.
    yield from _bounded("orthogonality", whole.orthogonality, (n + 1) * m * _U + m * m * _U * whole.orthogonality)


def _numbers(found: Found) -> Iterator[Result]:
    """What is known of all eigenvalues together."""
    values, errors = found.certain.values, found.certain.errors
    error = float(errors[-1])
    yield from _bounded("least_eigenvalue", float(values[-1]), error)
    yield from _bounded("negative", found.spectrum.negative.count, spectrum.negative_error(values, errors))
    yield from _bounded("rank", spectrum.rank(values), spectrum.rank_error(values, errors))
    condition = spectrum.condition_number(values, error if isfinite(error) else 0.0)
    yield from _bounded("condition_number", condition, spectrum.condition_number_error(values, errors))
    ratio = spectrum.participation_ratio(values)
    yield from _bounded("participation_ratio", ratio, spectrum.participation_ratio_error(values, errors))


def _effective_dimension(asked: list[float], certain: Certain) -> Iterator[Result]:
    ridges = certain.values.new_tensor(asked)
    values = spectrum.effective_dimension(certain.values, ridges)
    errors = spectrum.effective_dimension_errors(certain.values, certain.errors, ridges)
    yield from _each_bounded("effective_dimension", values, errors)


def _decay(asked: tuple[int, int], certain: Certain) -> Iterator[Result]:
    fitted = spectrum.decay(certain.values, *asked)
    errors = spectrum.decay_errors(certain.values, certain.radii, *asked)
    found = torch.tensor([fitted.exponent, fitted.standard_error], dtype=torch.float64)
    yield from _each_bounded("decay", found, found.new_tensor(errors))


def _bounded(name: str, value: float, error: float) -> Iterator[Result]:
    """A number, and how far it may be off."""
    yield _number(name, value)
    yield ErrorBound(name, error)


def _each_bounded(name: str, values: Tensor, errors: Tensor) -> Iterator[Result]:
    """Numbers of which each has a bound of its own."""
    yield TileData(name, 0, 0, values.cpu().numpy())
    yield TileData(f"{name}_bound", 0, 0, errors.cpu().numpy(), gaps=True)
    yield ErrorBound(name, float(errors.amax()))


def _number(name: str, value: float) -> TileData:
    """An array of one number, which may be inf."""
    return TileData(name, 0, 0, np.array([float(value)]), gaps=True)
