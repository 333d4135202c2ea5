"""The Arrow IPC stream: a column of fixed-size lists, one entry for each row of the array."""

from collections.abc import Generator, Iterator
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from api.formats.base import Body, Chunk, Format, headed
from api.views import View

try:
    import pyarrow
except ImportError:
    pyarrow = None

# Arrow copies a batch to write it; a batch is about this large.
BATCH_BYTES = 4 * 2**20
END = b"\xff\xff\xff\xff\x00\x00\x00\x00"


@final
class Arrow(Format):
    """One column, named as the array is; the schema's metadata hold the shape. pyarrow is an optional extra."""

    name, suffix = "arrow", ".arrows"
    media_types = ("application/vnd.apache.arrow.stream",)

    def refuses(self, view: View) -> str | None:  # noqa: ARG002
        return "Arrow needs pyarrow, which this server does not have" if pyarrow is None else None

    def body(self, view: View) -> Body:
        return _Stream(view)


class _Stream(Body):
    """Schema, record batches, end; a batch never crosses a row panel."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._width = view.row_bytes // view.dtype.itemsize
        self._height = max(1, BATCH_BYTES // view.row_bytes)
        kind = pyarrow.list_(pyarrow.from_numpy_dtype(view.dtype), self._width)
        shape = {"shape": ",".join(map(str, view.shape))}
        self._schema = pyarrow.schema([pyarrow.field(view.name, kind, nullable=False)], metadata=shape)
        self._head = self._schema.serialize().to_pybytes()
        self.length = len(self._head) + sum(self._batch_lengths()) + len(END)

    def chunks(self, start: int, stop: int) -> Generator[Chunk]:
        assert (start, stop) == (0, self.length)
        yield from headed(self._head, self._batches())

    def _batches(self) -> Iterator[Chunk]:
        for panel in self._view.panels():
            for row in range(0, len(panel), self._height):
                yield memoryview(self._batch(panel[row : row + self._height]).serialize())
            del panel  # before the next one is read
        yield END

    def _batch(self, rows: NDArray[np.floating]) -> Any:
        # Out of a buffer: `pyarrow.array` would look for pandas first, and load it.
        kind = self._schema.field(0).type
        values = pyarrow.Array.from_buffers(kind.value_type, rows.size, [None, pyarrow.py_buffer(rows)])
        column = pyarrow.FixedSizeListArray.from_arrays(values, type=kind)
        return pyarrow.record_batch([column], schema=self._schema)

    def _batch_lengths(self) -> Iterator[int]:
        """Lengths of all batches: they follow from the heights, so each height is asked once, with zeros."""
        known: dict[int, int] = {}
        for panel in self._panel_heights():
            for row in range(0, panel, self._height):
                height = min(self._height, panel - row)
                if height not in known:
                    zeros = np.zeros((height, self._width), self._view.dtype)
                    known[height] = pyarrow.ipc.get_record_batch_size(self._batch(zeros))
                yield known[height]

    def _panel_heights(self) -> Iterator[int]:
        """Heights of the row panels that the view is read in: its rows, cut where tiles end."""
        row, tile = self._view.rows.start, self._view.stored.plan.tile_rows
        while row < self._view.rows.stop:
            end = min((row // tile + 1) * tile, self._view.rows.stop)
            yield end - row
            row = end
