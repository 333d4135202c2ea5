"""Spectrum jobs: one part, from the tiles of a kernel job's Gram matrix to eigenvalues and eigenvectors."""

from collections.abc import Iterator

import torch

from contracts.spectra import TILE, SpectrumSpec
from ntk_engine import spectrum
from storage import arrays
from storage.arrays import Numbers, Stored, TileData
from storage.jobs.transitions import Claim
from worker.context import Context


def run(claim: Claim, context: Context) -> Iterator[TileData]:
    """Eigenvalues of K/N in falling order, and where asked the eigenvectors with their residuals."""
    spec = SpectrumSpec.model_validate(claim.job_spec)
    with context.database.read() as read:
        stored = arrays.of_job(read, spec.kernel).get(spec.array)
    if stored is None:
        raise LookupError(f"job {spec.kernel} is no longer there")
    count = spec.top or stored.plan.rows
    dense = claim.part_spec["method"] == "dense"
    found = _full(context, stored, spec.vectors) if dense else _top(context, stored, count)
    yield TileData("eigenvalues", 0, 0, found.eigenvalues[:count].cpu().numpy())
    if spec.vectors and found.eigenvectors is not None and found.residuals is not None:
        yield TileData("residuals", 0, 0, found.residuals[:count].cpu().numpy())
        yield from _vectors(found.eigenvectors[:, :count].cpu().numpy())


def _full(context: Context, stored: Stored, vectors: bool) -> spectrum.Spectrum:
    matrix = arrays.block(context.database, stored, slice(0, stored.plan.rows))
    return spectrum.eigh(torch.from_numpy(matrix).to(context.device, torch.float64), vectors=vectors)


def _top(context: Context, stored: Stored, count: int) -> spectrum.Spectrum:
    """The largest eigenvalues, reading the stored matrix panel by panel once for every product."""
    n = stored.plan.rows
    whole = slice(0, n)

    def multiply(v: torch.Tensor) -> torch.Tensor:
        panels = arrays.panels(context.database, stored, whole, whole)
        return torch.cat([torch.from_numpy(panel).to(v.device, v.dtype) @ v for panel in panels])

    return spectrum.top(multiply, n, count, dtype=torch.float64, device=context.device)


def _vectors(vectors: Numbers) -> Iterator[TileData]:
    rows, cols = vectors.shape
    for row in range(0, rows, TILE):
        for col in range(0, cols, TILE):
            yield TileData("eigenvectors", row // TILE, col // TILE, vectors[row : row + TILE, col : col + TILE])
