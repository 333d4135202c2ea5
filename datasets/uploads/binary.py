"""Arrays stored as raw values: what follows a header, as checked and converted blocks of rows."""

from collections.abc import Iterator
from math import prod
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from datasets.rows import Block, rows_per_block
from datasets.uploads.fill import fill
from datasets.uploads.fortran import by_column
from datasets.uploads.layout import Layout
from datasets.uploads.refusals import unreadable


def blocks(reader: BinaryIO, layout: Layout) -> Iterator[Block]:
    """The rows that follow a header in `reader`, finite and converted.

    Raises ProblemError where values are missing, bytes are left over, or a value is not finite.
    """
    row = 0
    for raw in by_column(reader, layout) if layout.fortran else _by_row(reader, layout):
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


def _by_row(reader: BinaryIO, layout: Layout) -> Iterator[NDArray[Any]]:
    rest = layout.shape[1:]
    step, row_size = rows_per_block(layout.shape), prod(rest) * layout.dtype.itemsize
    for start in range(0, layout.shape[0], step):
        count = min(step, layout.shape[0] - start)
        yield fill(reader, count * row_size, layout).view(layout.dtype).reshape(count, *rest)


def _converted(raw: NDArray[Any], layout: Layout) -> Block:
    values = raw.view(np.uint8) != 0 if layout.dtype.kind == "b" else raw
    return np.ascontiguousarray(values, dtype=layout.stored).reshape(len(raw), *layout.row_shape)
