"""A block of a stored array as a client asks for it: which rows and columns, its shape, its size in bytes."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from math import prod
from operator import itemgetter

import numpy as np
from numpy.typing import NDArray

from contracts.problems import INVALID_REQUEST, RANGE_NOT_SATISFIABLE
from storage import arrays
from storage.arrays import Numbers, Stored
from storage.database import Database

# Numbers of a row that are read at once.
READ = 2**20
BOUNDS = re.compile(r"(\d{0,15}):(\d{0,15})", re.ASCII)


@dataclass(frozen=True)
class StoredRow:
    """A row, from `column` on, of an array whose tiles are one row high."""

    database: Database
    stored: Stored
    row: int
    column: int

    def pieces(self, start: int, stop: int) -> Iterator[Numbers]:
        """Numbers [start, stop), some whole tiles at a time. Raises TileMissingError."""
        tile = self.stored.plan.tile_cols
        step = tile * max(1, READ // tile)
        position, end = self.column + start, self.column + stop
        while position < end:
            after = min((position // step + 1) * step, end)
            yield from map(itemgetter(0), self._panels(slice(position, after)))
            position = after

    def _panels(self, cols: slice) -> Iterator[Numbers]:
        return arrays.panels(self.database, self.stored, slice(self.row, self.row + 1), cols)


@dataclass(frozen=True)
class View:
    """Rows × cols of a stored array, which are its first two axes; further axes stay as they are."""

    database: Database
    stored: Stored
    rows: slice
    cols: slice

    @property
    def name(self) -> str:
        return self.stored.plan.name

    @property
    def shape(self) -> tuple[int, ...]:
        height, width = self.rows.stop - self.rows.start, self.cols.stop - self.cols.start
        _, *further = self.stored.plan.shape
        return (height, width // prod(further[1:]), *further[1:]) if further else (height,)

    @property
    def across(self) -> slice:
        """What it takes of the second axis."""
        inner = prod(self.stored.plan.shape[2:])
        return slice(self.cols.start // inner, self.cols.stop // inner)

    @property
    def dtype(self) -> np.dtype[np.floating]:
        """Little-endian, as the tiles are."""
        return np.dtype(self.stored.plan.dtype).newbyteorder("<")

    @property
    def row_bytes(self) -> int:
        return prod(self.shape[1:]) * self.dtype.itemsize

    @property
    def nbytes(self) -> int:
        return prod(self.shape) * self.dtype.itemsize

    def panels(self, start: int = 0, stop: int | None = None) -> Iterator[NDArray[np.floating]]:
        """Rows [start, stop) of the view, a row panel of tiles at a time, as C-ordered matrices.

        Raises TileMissingError where a tile is missing.
        """
        stop = self.shape[0] if stop is None else stop
        rows = slice(self.rows.start + start, self.rows.start + stop)
        panels = arrays.panels(self.database, self.stored, rows, self.cols)
        # Unlike a loop's variable, map keeps no panel while the next one is read.
        return map(partial(np.ascontiguousarray, dtype=self.dtype), panels)

    def numbers(self, start: int, stop: int) -> Iterator[NDArray[np.floating]]:
        """Numbers [start, stop) of the view in C order, of a row panel at a time; less where a row alone is long."""
        width = prod(self.shape[1:])
        first, last = start // width, -(-stop // width)
        if self.stored.plan.tile_rows == 1:
            for number in range(first, last):
                row = StoredRow(self.database, self.stored, self.rows.start + number, self.cols.start)
                pieces = row.pieces(max(start - number * width, 0), min(stop - number * width, width))
                yield from map(partial(np.ascontiguousarray, dtype=self.dtype), pieces)
            return
        position = first * width
        for panel in self.panels(first, last):
            size = panel.size
            yield panel.reshape(-1)[max(start - position, 0) : stop - position]
            position += size
            del panel  # before the next one is read


def view(database: Database, stored: Stored, rows: str | None, cols: str | None) -> View:
    """The block that `rows=a:b` and `cols=c:d` name; raises a problem for what is no block of the array."""
    plan = stored.plan
    if cols is not None and len(plan.shape) < 2:
        raise INVALID_REQUEST.error("The array has one axis; cols takes a part of a second one.", "cols")
    inner = prod(plan.shape[2:])
    across = _bounds("cols", cols, plan.cols // inner)
    return View(database, stored, _bounds("rows", rows, plan.rows), slice(across.start * inner, across.stop * inner))


def _bounds(name: str, asked: str | None, size: int) -> slice:
    """`a:b` as a slice: from 0, the end not included, open ends allowed."""
    if asked is None:
        return slice(0, size)
    found = BOUNDS.fullmatch(asked)
    if found is None:
        raise INVALID_REQUEST.error(f"{name} must be like 0:100, with integers from 0 on, not {asked[:40]!r}.", name)
    start, stop = int(found[1] or 0), int(found[2] or size)
    if start >= stop or stop > size:
        raise RANGE_NOT_SATISFIABLE.error(f"{name}={asked} is not a part of the array's {size} {name}.", name)
    return slice(start, stop)
