"""θ as a file of named tensors: a dataset of one row, which is put together while it is read."""

from collections.abc import Iterator, Sequence
from typing import BinaryIO, final

import numpy as np

from contracts.parameters import DenseLayer, refuse
from contracts.plan import ITEM_BYTES
from datasets.content import Content, content_id, digest
from datasets.rows import Block, Rows
from datasets.uploads.safetensors import Header

# Numbers that are put together at once.
TOGETHER = 2**19
DTYPES = {"F64": "float64", "F32": "float32"}


def read_parameters(file: BinaryIO, header: Header, layers: Sequence[DenseLayer]) -> Content:
    """The tensors of a file, which are those of the layers, as x of a dataset: 1×P, of every layer [W, b] row by row.

    file: is read as often as the rows are, and not closed. Memory stays at some blocks whatever the size. Raises
    ProblemError for tensors that are of several types or not finite.
    """
    types = {name: tensor.dtype for name, tensor in header.tensors.items()}
    first = types[next(iter(layers[0].shapes))]
    refuse({name: f"is {dtype}, and others are {first}" for name, dtype in types.items() if dtype != first})
    row = _Row(file, header, layers, DTYPES[first])
    said = f"upload: the parameters of {len(layers):,} dense layer{'s' * (len(layers) > 1)} (safetensors)"
    return Content(content_id(digest(row), None), row, None, said)


@final
class _Row(Rows):
    """θ, in blocks that are parts of the one row."""

    def __init__(self, file: BinaryIO, header: Header, layers: Sequence[DenseLayer], dtype: str) -> None:
        self._file, self._header, self._layers = file, header, layers
        self._item = ITEM_BYTES[dtype]
        self.shape, self.dtype = (1, layers[-1].end), np.dtype(dtype)

    def __iter__(self) -> Iterator[Block]:
        for layer in self._layers:
            for start in range(0, layer.size, TOGETHER):
                yield self._block(layer, start, min(start + TOGETHER, layer.size))

    def array(self) -> Block:
        return np.concatenate(list(self)).reshape(self.shape)

    def close(self) -> None:
        """Nothing: the file is another's."""

    def _block(self, layer: DenseLayer, start: int, stop: int) -> Block:
        # So many whole rows [w, b] end before.
        before, after = (place // (layer.inputs + 1) for place in (start, stop))
        weight, bias = layer.shapes
        return layer.together(self._read(weight, start - before, stop - after), self._read(bias, before, after), start)

    def _read(self, name: str, start: int, stop: int) -> Block:
        """Numbers [start, stop) of a tensor; raises ProblemError where one is not finite."""
        tensor = self._header.tensors[name]
        self._file.seek(tensor.begin + start * self._item)
        data = self._file.read((stop - start) * self._item)
        values = np.frombuffer(data, self.dtype.newbyteorder("<")).astype(self.dtype, copy=False)
        finite = np.isfinite(values)
        if not finite.all():
            at = np.unravel_index(start + int(np.argmin(finite)), tensor.shape)
            refuse({name: f"holds a value that is not finite at [{', '.join(map(str, at))}], counted from 0"})
        return values
