"""Where the rows of an upload wait, checked and converted, until all of it has been read."""

import tempfile
from typing import Any, BinaryIO, Self, cast

import numpy as np

from datasets.content import ArrayDigest
from datasets.rows import Block, FileRows


class Spool:
    """An unnamed temporary file of row blocks, and the digest of what went in.

    Only once every row has been read is the dataset known to be sound and its id known; by then nothing but this file
    exists, and it is gone when it is closed or the process dies.
    """

    def __init__(self) -> None:
        self._file: BinaryIO | None = None
        self._digest = ArrayDigest()
        self._rows = 0
        self._row_shape: tuple[int, ...] = ()
        self._dtype: np.dtype[Any] = np.dtype(np.float64)

    def __len__(self) -> int:
        return self._rows

    def write(self, block: Block) -> None:
        """Append rows; all blocks have the same row shape and dtype."""
        if self._file is None:
            self._file = cast(BinaryIO, tempfile.TemporaryFile())  # noqa: SIM115
        self._row_shape, self._dtype = block.shape[1:], block.dtype
        self._rows += len(block)
        block = np.ascontiguousarray(block)
        self._file.write(block.data)
        self._digest.update(block)

    def rows(self) -> FileRows:
        """What was written, at least one row, for reading any number of times; closing it closes this."""
        if self._file is None:
            raise ValueError("nothing was written")
        self._file.flush()
        return FileRows(self._file, (self._rows, *self._row_shape), self._dtype)

    def describe(self) -> dict[str, Any]:
        """What stands for this array in the dataset's id."""
        return self._digest.describe((self._rows, *self._row_shape), self._dtype)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
