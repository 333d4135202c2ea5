"""Eigenvectors and principal components of a spectrum job, functions in terms of them, and how far all may be off."""

from collections.abc import Iterator
from math import sqrt

import torch
from torch import Tensor

from contracts.spectra import Projected, SpectrumSpec
from contracts.spectrum_plan import TILE, tile_of
from ntk_engine import spectrum
from ntk_engine.spectrum import ComponentBounds, Components
from storage.arrays import ErrorBound, TileData
from worker.context import Context
from worker.inputs import dataset_rows
from worker.parts import Result
from worker.spectrum_found import Found, moved
from worker.spectrum_matrix import Matrix, stored_array, tensor
from worker.tiles import tiles


def vectors(found: Found) -> Iterator[Result]:
    """The eigenvectors, and how far each is from its cluster's space."""
    whole = found.spectrum
    assert whole.eigenvectors is not None
    yield from tiles("eigenvectors", whole.eigenvectors, (TILE, TILE))
    yield from _bounded("eigenvectors", _errors(found), 1.0)


def components(spec: SpectrumSpec, matrix: Matrix, found: Found, context: Context) -> Iterator[Result | None]:
    """All that is asked for of components."""
    asked = spec.components
    assert asked is not None
    those = spectrum.components(found.spectrum, asked.count, found.centring)
    assert found.residuals is not None
    errors, residuals = _errors(found)[: asked.count], found.residuals[: asked.count]
    bounds = ComponentBounds(those, errors, found.certain, residuals)
    yield from tiles("components", those.values, (TILE, TILE))
    # Of a function of norm ε an entry may be √N ε.
    yield from _bounded("components", errors, sqrt(len(those.values)))
    if asked.at is not None or asked.cross is not None:
        yield from _at(those, bounds, matrix)
        yield None
    for name, source in asked.project.items():
        f = _functions(source, context)
        projected, outside = those.project(f), those.outside(f)
        for of, values in (("projections", projected), ("outside", outside)):
            yield from tiles(f"{of}_{name}", values, tile_of(tuple(values.shape)))
        yield ErrorBound(f"projections_{name}", bounds.projections(f))
        yield ErrorBound(f"outside_{name}", bounds.outside(f, outside))
        yield None


def _at(those: Components, bounds: ComponentBounds, matrix: Matrix) -> Iterator[Result]:
    cross = matrix.cross()
    yield from tiles("components_at", those.at(cross), (TILE, TILE))
    entries = matrix.cross_entries()
    if those.centring is not None:
        # The means taken away have the matrix' own errors, and may be sums of N terms.
        size = max(float(cross.abs().amax()), float(those.centring.means.abs().amax()))
        entries = entries + moved(matrix, matrix.entries()) + cross.shape[1] * 2.0**-52 * size
        cross = those.centring.cross(cross)
    yield from _bounded("components_at", bounds.at(cross, entries), 1.0)


def _errors(found: Found) -> Tensor:
    assert found.residuals is not None
    return spectrum.vector_errors(found.spectrum, found.certain, found.residuals)


def _bounded(name: str, errors: Tensor, scale: float) -> Iterator[Result]:
    """A bound for every column, and from the largest that on any entry."""
    yield TileData(f"{name}_bound", 0, 0, errors.cpu().numpy(), gaps=True)
    yield ErrorBound(name, scale * float(errors.amax()))


def _functions(source: Projected, context: Context) -> Tensor:
    """…×N×k. Raises LookupError where the job or the dataset is gone."""
    if source.dataset is not None:
        return dataset_rows(context, source.dataset, None, torch.float64, array=source.array)
    assert source.job is not None
    stored = stored_array(source.job, source.array, context)
    return tensor(stored, context).reshape(stored.plan.shape)
