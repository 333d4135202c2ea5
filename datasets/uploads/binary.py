"""Arrays stored as raw values: what a header may declare, and the values as checked blocks of rows."""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from datasets.fields import MAX_ROW
from datasets.rows import Block, rows_per_block
from datasets.uploads.refusals import FILE, Budget, unreadable

CHUNK = 2**20
MAX_EXTENT = 2**48


@dataclass(frozen=True)
class Layout:
    """What a header says of the values that follow it. `name` and `pointer` tell a user which array is meant."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    fortran: bool = False
    name: str = "x"
    pointer: str = FILE

    @property
    def size(self) -> int:
        """Bytes of the values in the file."""
        return prod(self.shape) * self.dtype.itemsize

    @property
    def stored(self) -> np.dtype[Any]:
        """float32 for an x of float32, float64 for everything else."""
        keep = self.name == "x" and self.dtype.kind == "f" and self.dtype.itemsize == 4
        return np.dtype(np.float32 if keep else np.float64)

    @property
    def row_shape(self) -> tuple[int, ...]:
        """Shape of a stored row: x (n) becomes n×1, and images n×h×w become n×h×w×1."""
        return (*self.shape[1:], 1) if len(self.shape) in (1, 3) else self.shape[1:]

    def admit(self, budget: Budget) -> None:
        """Refuse, before a value is read, what is no n×d or n×h×w×c array of real numbers, or has no room."""
        kind, itemsize = self.dtype.kind, self.dtype.itemsize
        if self.dtype.hasobject:
            raise self._unreadable("holds Python objects, which are never unpickled")
        if kind not in "buif" or (kind == "f" and itemsize > 8):
            raise self._unreadable(f"holds values of type {str(self.dtype)[:40]}, not real numbers")
        most = 4 if self.name == "x" else 2
        if not 1 <= len(self.shape) <= most:
            raise self._unreadable(f"has {len(self.shape)} axes, not 1 to {most}")
        if not all(0 <= extent <= MAX_EXTENT for extent in self.shape):
            raise self._unreadable("has a shape that no array has")
        if 0 in self.shape:
            raise self._unreadable(f"holds nothing: its shape is {'×'.join(map(str, self.shape))}")
        if prod(self.shape[1:]) > MAX_ROW:
            raise self._unreadable(f"has rows of {prod(self.shape[1:]):,} numbers; {MAX_ROW:,} are the most")
        budget.take(prod(self.shape) * self.stored.itemsize, self.pointer)

    def _unreadable(self, what: str) -> Exception:
        return unreadable(f"{self.name} {what}", self.pointer)


def blocks(reader: BinaryIO, layout: Layout) -> Iterator[Block]:
    """The rows that follow a header in `reader`, finite and converted.

    Raises ProblemError where values are missing, bytes are left over, or a value is not finite.
    """
    row = 0
    for raw in _by_column(reader, layout) if layout.fortran else _by_row(reader, layout):
        block = _converted(raw, layout)
        finite = np.isfinite(block).reshape(len(block), -1).all(axis=1)
        if not finite.all():
            at = row + int(np.argmin(finite))
            detail = f"{layout.name} holds a value that is not finite in row {at:,}, counted from 0"
            raise unreadable(detail, layout.pointer)
        row += len(block)
        yield block
    if reader.read(1):
        raise unreadable(
            f"bytes are left over after the {prod(layout.shape):,} values of {layout.name}", layout.pointer
        )


def fill(reader: BinaryIO, size: int, layout: Layout) -> NDArray[np.uint8]:
    """Exactly `size` bytes; raises ProblemError where the file ends before."""
    buffer = np.empty(size, dtype=np.uint8)
    view, done = buffer.data, 0
    while done < size:
        count = reader.readinto(view[done : done + CHUNK])  # type: ignore[attr-defined]
        if not count:
            detail = (
                f"the file ends before the {prod(layout.shape):,} values that its header declares for {layout.name}"
            )
            raise unreadable(detail, layout.pointer)
        done += count
    return buffer


def _by_row(reader: BinaryIO, layout: Layout) -> Iterator[NDArray[Any]]:
    rest = layout.shape[1:]
    step, row_size = rows_per_block(layout.shape), prod(rest) * layout.dtype.itemsize
    for start in range(0, layout.shape[0], step):
        count = min(step, layout.shape[0] - start)
        yield fill(reader, count * row_size, layout).view(layout.dtype).reshape(count, *rest)


def _by_column(reader: BinaryIO, layout: Layout) -> Iterator[NDArray[Any]]:
    """Fortran order holds no row in one place: the values go to a file, of which the kernel brings the pages needed."""
    with tempfile.TemporaryFile() as file:
        for start in range(0, layout.size, CHUNK):
            file.write(fill(reader, min(CHUNK, layout.size - start), layout).data)
        file.flush()
        step = rows_per_block(layout.shape)
        for start in range(0, layout.shape[0], step):
            # Mapped anew for each block, so that pages already read do not stay with this process.
            values: NDArray[Any] = np.memmap(file, layout.dtype, "r", shape=layout.shape, order="F")
            yield np.array(values[start : start + step], order="C")


def _converted(raw: NDArray[Any], layout: Layout) -> Block:
    values = raw.view(np.uint8) != 0 if layout.dtype.kind == "b" else raw
    return np.ascontiguousarray(values, dtype=layout.stored).reshape(len(raw), *layout.row_shape)
