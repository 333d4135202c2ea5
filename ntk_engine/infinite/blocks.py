"""Blocks of a kernel matrix, as slices of its rows and columns."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple


class Block(NamedTuple):
    """Rows × columns of a matrix; `diagonal`: of a Gram matrix, with rows and columns the same."""

    rows: slice
    columns: slice
    diagonal: bool = False


def blocks(n1: int, n2: int, size: int, *, gram: bool) -> Iterator[Block]:
    """The blocks of an n1×n2 matrix, row by row; of a Gram matrix only those on and above the diagonal."""
    for i in range(0, n1, size):
        for j in range(i if gram else 0, n2, size):
            yield Block(slice(i, min(i + size, n1)), slice(j, min(j + size, n2)), gram and i == j)
