"""Arrays in Fortran order, where no row lies in one place, as blocks of rows."""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from datasets.rows import BLOCK_BYTES, rows_per_block
from datasets.uploads.fill import CHUNK, fill
from datasets.uploads.layout import Layout


def by_column(reader: BinaryIO, layout: Layout) -> Iterator[NDArray[Any]]:
    """The rows of values that come column by column, in their own dtype; the reader need not be seekable.

    On the way to a temporary file the columns are transposed in groups of 4 MiB. A block of rows then lies in one piece
    a group, so that an array of B blocks takes about B² reads, whatever its shape, and memory two blocks.
    """
    with tempfile.TemporaryFile() as temporary:
        groups = _Groups(cast(BinaryIO, temporary), layout)
        groups.write(reader)
        step = rows_per_block(layout.shape)
        for start in range(0, layout.shape[0], step):
            yield groups.rows(start, min(step, layout.shape[0] - start))


@dataclass(frozen=True)
class _Groups:
    """A file of column groups, each of them n rows of up to `size` columns in C order."""

    file: BinaryIO
    layout: Layout

    @property
    def size(self) -> int:
        return max(1, BLOCK_BYTES // self._column)

    @property
    def _column(self) -> int:
        """Bytes of one column."""
        return self.layout.shape[0] * self.layout.dtype.itemsize

    def _spans(self) -> Iterator[tuple[int, int]]:
        """First column and number of columns of each group."""
        width = prod(self.layout.shape[1:])
        for first in range(0, width, self.size):
            yield first, min(self.size, width - first)

    def write(self, reader: BinaryIO) -> None:
        for _, count in self._spans():
            if count == 1:  # a single column is its own transpose, and may be large
                for start in range(0, self._column, CHUNK):
                    self.file.write(fill(reader, min(CHUNK, self._column - start), self.layout).data)
            else:
                columns = fill(reader, count * self._column, self.layout).view(self.layout.dtype).reshape(count, -1)
                self.file.write(np.ascontiguousarray(columns.T).data)
        self.file.flush()

    def rows(self, start: int, count: int) -> NDArray[Any]:
        """Rows start … start+count, C-ordered within each row."""
        dtype, rest = self.layout.dtype, self.layout.shape[1:]
        block = np.empty((count, prod(rest)), dtype)
        for first, columns in self._spans():
            self.file.seek(first * self._column + start * columns * dtype.itemsize)
            piece = fill(self.file, count * columns * dtype.itemsize, self.layout)
            block[:, first : first + columns] = piece.view(dtype).reshape(count, columns)
        # The columns are numbered with the first of the other axes fastest.
        return block.reshape(count, *rest[::-1]).transpose(0, *range(len(rest), 0, -1))
