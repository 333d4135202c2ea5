"""θ of one network as a safetensors file: its tensors are taken out of the stored row while it is sent."""

import json
from collections.abc import Generator, Iterator, Mapping, Sequence
from math import prod

import numpy as np

from api.formats.base import Body, Chunk, headed
from api.formats.safetensors import ALIGNMENT
from api.views import StoredRow
from contracts.parameters import DTYPES, DenseLayer, Numbers
from contracts.plan import ITEM_BYTES

# Numbers that are taken apart at once.
APART = 2**18
NOTHING: Numbers = np.empty(0)


class ParametersBody(Body):
    """The file, layer by layer W and then b, so that of one layer no more than its biases wait."""

    ranges = True

    def __init__(self, row: StoredRow, layers: Sequence[DenseLayer], metadata: Mapping[str, str]) -> None:
        self._row, self._layers = row, layers
        dtype = row.stored.plan.dtype
        self._item, self._dtype = ITEM_BYTES[dtype], np.dtype(dtype).newbyteorder("<")
        self.head = _head(layers, dtype, metadata)
        self.length = len(self.head) + layers[-1].end * self._item

    def chunks(self, start: int, stop: int) -> Generator[Chunk]:
        """Bytes [start, stop); a layer is read from its beginning on."""
        size = len(self.head)
        yield from headed(self.head[start:stop], self._values(max(start - size, 0), stop - size))

    def _values(self, start: int, stop: int) -> Iterator[memoryview]:
        item = self._item
        touched = [layer for layer in self._layers if layer.end * item > start and layer.first * item < stop]
        if start >= stop:
            return
        position = touched[0].first * item
        pieces = self._row.pieces(touched[0].first, touched[-1].end)
        for numbers in _in_order_of_file(touched, pieces):
            data = numbers.astype(self._dtype, copy=False).data.cast("B")
            yield data[max(start - position, 0) : max(stop - position, 0)]
            position += len(data)
            if position >= stop:
                return


def _in_order_of_file(layers: Sequence[DenseLayer], pieces: Iterator[Numbers]) -> Iterator[Numbers]:
    """All of a layer's W, as it comes, and behind it b, which has been kept."""
    piece = NOTHING
    for layer in layers:
        done, kept = 0, []
        while done < layer.size:
            if not piece.size:
                some = piece = NOTHING  # before the next one is read
                piece = next(pieces)
            some, piece = np.split(piece, [min(layer.size - done, APART)])
            weights, biases = layer.apart(some, done)
            if weights.size:
                yield weights
            kept.append(biases)
            done += len(some)
        yield np.concatenate(kept)


def _head(layers: Sequence[DenseLayer], dtype: str, metadata: Mapping[str, str]) -> bytes:
    """The length of the header, and it."""
    tensors: dict[str, object] = {"__metadata__": dict(metadata)}
    for layer in layers:
        begin = layer.first * ITEM_BYTES[dtype]
        for name, shape in layer.shapes.items():
            end = begin + prod(shape) * ITEM_BYTES[dtype]
            tensors[name] = {"dtype": DTYPES[dtype], "shape": shape, "data_offsets": (begin, end)}
            begin = end
    header = json.dumps(tensors, separators=(",", ":")).encode()
    header += b" " * (-len(header) % ALIGNMENT)
    return len(header).to_bytes(8, "little") + header
