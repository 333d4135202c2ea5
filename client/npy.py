"""The .npy format as it comes over a wire: in pieces of any size."""

import io
from typing import Any

import numpy as np
from numpy.lib import format as npy_format
from numpy.typing import NDArray

from client.errors import TransferError

# Magic, version and the header's length: 10 bytes in version 1, 12 in the versions after it.
PREFIX = 12


class NpyDecoder:
    """Takes a .npy stream piece by piece; the values go straight into an array that the header has given room to."""

    def __init__(self) -> None:
        self._head = bytearray()
        self._array: NDArray[Any] | None = None
        self._bytes: NDArray[np.uint8] = np.empty(0, np.uint8)
        self._filled = 0

    def feed(self, piece: bytes) -> None:
        """Take the next bytes. Raises TransferError for bytes that are no .npy, or too many."""
        if self._array is None:
            self._head += piece
            piece = self._begin()
        end = self._filled + len(piece)
        if end > self._bytes.size and self._array is not None:
            raise TransferError(f"the array has {self._bytes.size} bytes, and more came")
        self._bytes[self._filled : end] = np.frombuffer(piece, np.uint8)
        self._filled = end

    def array(self) -> NDArray[Any]:
        """The array; raises TransferError where bytes are missing."""
        if self._array is None or self._filled < self._bytes.size:
            raise TransferError("the array ended before all of its bytes had come")
        return self._array

    def _begin(self) -> bytes:
        """Once the header is whole: make the array, and return the values that came with the header."""
        if len(self._head) < PREFIX or len(self._head) < (length := self._header_length()):
            return b""
        stream = io.BytesIO(self._head)
        version = npy_format.read_magic(stream)
        read = npy_format.read_array_header_1_0 if version == (1, 0) else npy_format.read_array_header_2_0
        shape, fortran, dtype = read(stream)
        if dtype.hasobject:
            raise TransferError("an array of Python objects is not taken from a server")
        flat = np.empty(int(np.prod(shape, dtype=np.int64)), dtype)
        self._array = flat.reshape(shape, order="F" if fortran else "C")
        self._bytes = flat.view(np.uint8)
        return bytes(self._head[length:])

    def _header_length(self) -> int:
        if not self._head.startswith(npy_format.MAGIC_PREFIX):
            raise TransferError("the server sent something else than a .npy array")
        wide = self._head[6] > 1
        return (
            12 + int.from_bytes(self._head[8:12], "little") if wide else 10 + int.from_bytes(self._head[8:10], "little")
        )
