"""The top of a spectrum, spread over workers: products of bands of the matrix, and what is between two passes."""

from collections.abc import Iterator
from functools import cached_property

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from contracts.spectra import SpectrumSpec
from contracts.spectrum_spread import BLOCK, ENTRIES, IMAGES, MOST_PASSES, NUMBERS, ROWS, SUMS, VECTORS
from ntk_engine.spectrum import Centring, Iteration, Probe, Spectrum
from storage import arrays
from storage.arrays import ErrorBound, Numbers, Stored, TileData
from storage.jobs.transitions import Claim
from worker.context import Context
from worker.parts import Result
from worker.spectrum_matrix import Matrix
from worker.tiles import tiles


def multiply(claim: Claim, context: Context, matrix: Matrix, spec: SpectrumSpec) -> Iterator[Result | None]:
    """What the rows of a band add to K times the block, and to its row sums."""
    first, end = claim.part_spec["rows"]
    state = _State(claim, context)
    block = _centred(state.block(), spec)
    product = matrix.multiply(torch.cat([block, torch.ones_like(block[:, :1])], dim=1), slice(first, end))
    yield None
    row = state.padded(SUMS, product).reshape(1, -1)
    yield from tiles(SUMS, row, (1, ENTRIES), claim.part_spec["band"], latest=True)
    yield ErrorBound(SUMS, matrix.entries())


def advance(claim: Claim, context: Context, spec: SpectrumSpec) -> Iterator[Result | Spectrum | None]:
    """The next block with all that the iteration goes on with, or what is found."""
    assert spec.top is not None
    state, number = _State(claim, context), claim.part_spec["advance"]
    if number == 0:
        yield from state.kept(Iteration.begun(state.points, spec.top, device=context.device, probed=True))
        return
    before, image = state.iteration(spec.top), state.image()
    yield None
    found = before.after(_centred(image, spec), MOST_PASSES)
    if isinstance(found, Spectrum):
        yield found
    else:
        yield from state.kept(found)


class _State:
    """What the parts of a job hand on to one another."""

    def __init__(self, claim: Claim, context: Context) -> None:
        with context.database.read() as read:
            self._stored = arrays.of_job(read, claim.lease.job)
        self._context = context
        self.points = self._stored[BLOCK].plan.rows

    @property
    def error_bound(self) -> float:
        """The largest of what the bands said of their entries."""
        return self._stored[SUMS].error_bound or 0.0

    def block(self) -> Tensor:
        """n×b."""
        return self._tensor(BLOCK)[:, : self._widths[1]]

    def iteration(self, top: int) -> Iteration:
        """As the last part left it."""
        columns, width = self._widths
        size, passes, tolerance, *probe = self._numbers[2:]
        return Iteration(
            top,
            tolerance,
            self._tensor(BLOCK)[:, :width],
            self._tensor(VECTORS)[:, :columns],
            self._tensor(IMAGES)[:, :columns],
            size,
            int(passes),
            probed=True,
            probe=Probe(probe[0], int(probe[1]), *probe[2:]) if probe[0] else None,
        )

    def image(self) -> Tensor:
        """K times the block (n×b)."""
        return self._summed[:, : self._widths[1]]

    def centring(self) -> Centring:
        """By (1/n) Σ_j K(x_i, x_j)."""
        means = self._summed[:, self._widths[1]] / self.points
        return Centring(means, means.mean())

    @cached_property
    def _summed(self) -> Tensor:
        """Of all bands, in their order."""
        stored, found = self._stored[SUMS], torch.zeros((), dtype=torch.float64, device=self._context.device)
        for band in range(stored.plan.rows):
            row = arrays.block(self._context.database, stored, slice(band, band + 1))
            found = found + torch.from_numpy(row.reshape(self.points, -1)).to(self._context.device)
        return found

    def kept(self, iteration: Iteration) -> Iterator[TileData]:
        """In place of what was."""
        for name, values in ((BLOCK, iteration.block), (VECTORS, iteration.vectors), (IMAGES, iteration.images)):
            whole = self.padded(name, values)
            yield from tiles(name, whole, (ROWS, whole.shape[1]), latest=True)
        widths = iteration.vectors.shape[1], iteration.block.shape[1]
        probe = iteration.probe or (0.0,) * 4
        numbers = np.array([*widths, iteration.size, iteration.passes, iteration.tolerance, *probe])
        yield TileData(NUMBERS, 0, 0, numbers, latest=True, gaps=True)

    def padded(self, name: str, values: Tensor) -> Tensor:
        """With columns of zeros, as many as the array has."""
        return pad(values, (0, self._stored[name].plan.shape[-1] - values.shape[1]))

    @property
    def _widths(self) -> tuple[int, int]:
        """Columns of the basis and of the block."""
        return int(self._numbers[0]), int(self._numbers[1])

    @cached_property
    def _numbers(self) -> list[float]:
        """These widths; size, passes and tolerance, and what a probe has."""
        return [float(number) for number in self._all(self._stored[NUMBERS])[:, 0]]

    def _tensor(self, name: str) -> Tensor:
        return torch.from_numpy(self._all(self._stored[name])).to(self._context.device)

    def _all(self, stored: Stored) -> Numbers:
        return arrays.block(self._context.database, stored, slice(0, stored.plan.rows))


def seen(claim: Claim, context: Context, spec: SpectrumSpec) -> tuple[float, Centring | None]:
    """The largest of what the bands said of the matrix' entries, and what centres it."""
    state = _State(claim, context)
    return state.error_bound, state.centring() if spec.centred else None


def _centred(v: Tensor, spec: SpectrumSpec) -> Tensor:
    """HKH v is H(K(Hv))."""
    return v - v.mean(dim=0) if spec.centred else v
