"""What the header of a binary array declares, and which declarations are taken."""

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from datasets.fields import MAX_ROW
from datasets.uploads.refusals import FILE, Budget, unreadable

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
