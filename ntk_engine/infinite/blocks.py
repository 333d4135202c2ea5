"""Blocks of a kernel matrix, as slices of its rows and columns."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple


class Block(NamedTuple):
    """Rows × columns of a matrix; `diagonal`: of a Gram matrix, with rows and columns the same."""

    rows: slice
    columns: slice
    diagonal: bool = False


def blocks(
    n1: int, n2: int, size: int, *, gram: bool, width: int | None = None, rows: slice | None = None
) -> Iterator[Block]:
    """The blocks of an n1×n2 matrix, row by row: `size` rows and `width` columns, or as many as rows.

    Of a Gram matrix only those on the diagonal, which are square, and those above it. rows: only those of some rows.
    """
    first, end = (0, n1) if rows is None else (rows.start, rows.stop)
    for i in range(first, end, size):
        some = slice(i, min(i + size, end))
        if gram:
            yield Block(some, some, True)
        for j in range(some.stop if gram else 0, n2, width or size):
            yield Block(some, slice(j, min(j + (width or size), n2)))
