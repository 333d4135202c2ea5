"""Arrays as sequences of row blocks, so that nobody has to hold a whole one."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from math import prod
from typing import Any, BinaryIO, final

import numpy as np
from numpy.typing import NDArray

BLOCK_BYTES = 4 * 2**20
Block = NDArray[np.floating[Any]]


def rows_per_block(shape: tuple[int, ...], itemsize: int = 8) -> int:
    """How many rows of an array of `shape` make a block of about 4 MiB; at least one."""
    return max(1, BLOCK_BYTES // max(1, prod(shape[1:]) * itemsize))


class Rows(ABC):
    """An array of `shape` and `dtype` (float32 or float64); iterating yields C-ordered blocks of whole rows, or parts
    of a single one, in order.

    It can be iterated any number of times.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @abstractmethod
    def __iter__(self) -> Iterator[Block]: ...

    @abstractmethod
    def array(self) -> Block:
        """The whole array, in memory."""

    @abstractmethod
    def close(self) -> None:
        """Give back what the array is kept in."""


@final
class ArrayRows(Rows):
    """The rows of an array in memory."""

    def __init__(self, array: Block) -> None:
        self._array = np.ascontiguousarray(array)
        self.shape, self.dtype = self._array.shape, self._array.dtype

    def __iter__(self) -> Iterator[Block]:
        step = rows_per_block(self.shape, self.dtype.itemsize)
        for start in range(0, self.shape[0], step):
            yield self._array[start : start + step]

    def array(self) -> Block:
        return self._array

    def close(self) -> None:
        pass


@final
class FileRows(Rows):
    """The rows of an array that lies, C-ordered and in native byte order, in a file that is open for reading."""

    def __init__(self, file: BinaryIO, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self._file = file
        self.shape, self.dtype = shape, dtype

    def __iter__(self) -> Iterator[Block]:
        step = rows_per_block(self.shape, self.dtype.itemsize)
        for start in range(0, self.shape[0], step):
            yield self._read(start, min(step, self.shape[0] - start))

    def array(self) -> Block:
        return self._read(0, self.shape[0])

    def close(self) -> None:
        self._file.close()

    def _read(self, start: int, count: int) -> Block:
        block: Block = np.empty((count, *self.shape[1:]), self.dtype)
        # Every read seeks for itself, so that two iterations may go on side by side.
        self._file.seek(start * prod(self.shape[1:]) * self.dtype.itemsize)
        self._file.readinto(block.data)  # type: ignore[attr-defined]
        return block
