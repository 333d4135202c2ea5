"""The matrix of a spectrum job: stored by a kernel job, or an architecture's, computed where it is needed."""

from collections.abc import Iterator
from functools import cached_property
from math import inf
from typing import Protocol
from uuid import UUID

import torch
from torch import Tensor

from contracts.spectra import SpectrumSpec
from contracts.spectrum_plan import TILES_BYTES
from ntk_engine import infinite, spectrum
from ntk_engine.architecture import Architecture
from ntk_engine.infinite import Kernel
from storage import arrays
from storage.arrays import Stored
from worker.context import Context
from worker.inputs import dataset_rows


class Matrix(Protocol):
    """K (N×N), as a whole or as a product with it."""

    @property
    def points(self) -> int:
        """N."""

    def whole(self) -> Tensor:
        """K, in float64."""

    def multiply(self, v: Tensor, rows: slice | None = None) -> Tensor:
        """K v (N×b), panel by panel or tile by tile; or what is due to pairs (i, j), i among the rows and j ≥ i."""

    def cross(self) -> Tensor:
        """Of the new points (n×N)."""

    def cross_entries(self) -> Tensor | float:
        """What errors of `cross`, once it was given, may come to in each row over p^in (n); inf: nobody knows."""

    def entries(self) -> float:
        """An e with |k − K|(x,x') ≤ e √(K(x,x)K(x',x')) for entries k that were seen; 0 where K is what is stored."""

    def mean_diagonal(self) -> float:
        """(1/N) Σ K(x_i, x_i)."""


def matrix_of(spec: SpectrumSpec, context: Context) -> Matrix:
    """Raises LookupError where what the spec names is gone."""
    return _Stored(spec, context) if spec.kernel is not None else _Computed(spec, context)


class _Stored:
    def __init__(self, spec: SpectrumSpec, context: Context) -> None:
        assert spec.kernel is not None
        self._spec, self._context = spec, context
        self._stored = stored_array(spec.kernel, spec.array, context)

    @property
    def points(self) -> int:
        return self._stored.plan.rows

    def whole(self) -> Tensor:
        return tensor(self._stored, self._context)

    def multiply(self, v: Tensor, rows: slice | None = None) -> Tensor:
        sums = torch.zeros_like(v)
        for some in self._panels(rows or slice(0, self.points)):
            entries = self._block(some, slice(some.start, self.points)).to(v.device, v.dtype)
            sums[some] += entries @ v[some.start :]
            sums[some.stop :] += entries[:, len(entries) :].mT @ v[some]
        return sums

    def cross(self) -> Tensor:
        return tensor(self._cross(), self._context)

    def cross_entries(self) -> float:
        # They are in units of √K(x,x), which no array of the job has.
        return 0.0 if (self._cross().error_bound or 0.0) == 0 else inf

    def _cross(self) -> Stored:
        asked = self._spec.components
        assert asked is not None
        assert asked.cross is not None
        return stored_array(asked.cross, self._spec.array, self._context)

    def entries(self) -> float:
        return self._stored.error_bound or 0.0

    def mean_diagonal(self) -> float:
        sums = (float(self._block(some, some).trace()) for some in self._panels(slice(0, self.points)))
        return sum(sums) / self.points

    def _panels(self, rows: slice) -> Iterator[slice]:
        """In whole tiles, of which only those on and above the diagonal are stored."""
        height = self._stored.plan.tile_rows
        for row in range(rows.start, rows.stop, height):
            yield slice(row, min(row + height, rows.stop))

    def _block(self, rows: slice, cols: slice) -> Tensor:
        return torch.from_numpy(arrays.block(self._context.database, self._stored, rows, cols))


class _Computed:
    def __init__(self, spec: SpectrumSpec, context: Context) -> None:
        assert spec.dataset is not None
        assert spec.architecture is not None
        self._arch: Architecture = spec.architecture
        self._spec, self._context, self._bound = spec, context, 0.0
        self._cross_entries: Tensor | float = 0.0
        self._dataset = spec.dataset
        self._product: spectrum.Product | None = None
        # Compiled or not, digits agree to rounding; waiting for the compiler makes equal jobs equal to the last bit.
        infinite.prepare(self._arch)

    @cached_property
    def _x(self) -> Tensor:
        return dataset_rows(self._context, self._dataset, None, torch.float64)

    @property
    def points(self) -> int:
        return len(self._x)

    def whole(self) -> Tensor:
        found = self._kernel(self._x)
        self._bound = found.bounds[self._spec.array]
        return found.arrays[self._spec.array]

    def multiply(self, v: Tensor, rows: slice | None = None) -> Tensor:
        if self._product is None:
            limit = self._context.settings.memory_bytes // 4
            prepared = self._context.prepared.get((self._dataset, torch.float64), lambda: infinite.rows(self._x), limit)
            name, threads = self._spec.array, torch.get_num_threads()
            self._product = spectrum.product(self._arch, prepared, kernel=name, budget=TILES_BYTES, threads=threads)
        found = self._product(v, rows)
        self._bound = self._product.error_bound
        return found

    def cross(self) -> Tensor:
        asked = self._spec.components
        assert asked is not None
        assert asked.at is not None
        other = dataset_rows(self._context, asked.at, None, torch.float64)
        found = self._kernel(other, self._x)
        e = found.bounds[self._spec.array]
        own = infinite.diagonal(self._arch, other, kernels=(self._spec.array,)).arrays[self._spec.array]
        self._cross_entries = e / (1 - e) * (own * self.mean_diagonal()).sqrt() if 0 < e < 1 else e
        return found.arrays[self._spec.array]

    def cross_entries(self) -> Tensor | float:
        return self._cross_entries

    def entries(self) -> float:
        return self._bound

    def mean_diagonal(self) -> float:
        own = infinite.diagonal(self._arch, self._x, kernels=(self._spec.array,))
        return float(own.arrays[self._spec.array].mean())

    def _kernel(self, x: Tensor, other: Tensor | None = None) -> Kernel:
        return infinite.kernel(self._arch, x, other, kernels=(self._spec.array,), threads=torch.get_num_threads())


def stored_array(job: UUID, array: str, context: Context) -> Stored:
    """An array of a job. Raises LookupError where the job is gone."""
    with context.database.read() as read:
        stored = arrays.of_job(read, job).get(array)
    if stored is None:
        raise LookupError(f"job {job} is no longer there")
    return stored


def tensor(stored: Stored, context: Context) -> Tensor:
    """All of an array as a matrix in float64."""
    entries = arrays.block(context.database, stored, slice(0, stored.plan.rows))
    return torch.from_numpy(entries).to(context.device, torch.float64)
