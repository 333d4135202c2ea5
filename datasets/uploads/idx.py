"""IDX, the format of MNIST: a big-endian header and values, plain or gzipped."""

import io
import zlib
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from datasets.uploads.binary import blocks
from datasets.uploads.fill import fill
from datasets.uploads.layout import Layout
from datasets.uploads.refusals import Budget, unreadable
from datasets.uploads.spool import Spool

GZIP_MAGIC = b"\x1f\x8b"
TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
MAX_AXES = 4


def looks_like_idx(head: bytes) -> bool:
    """Whether the first four bytes are IDX's: two zeros, a type, a number of axes."""
    return head[:2] == b"\0\0" and len(head) >= 4 and head[2] in TYPES and 1 <= head[3] <= MAX_AXES


def read_idx(file: BinaryIO, size: int, x: Spool, y: Spool, budget: Budget) -> None:  # noqa: ARG001
    """The one array of the file as x: images n×h×w become n×h×w×1, labels n×1."""
    reader, layout, begin = _open(file)
    layout.admit(budget)
    if reader is file and begin + layout.size != size:
        raise unreadable(f"the header declares {layout.size:,} bytes of values, and {size - begin:,} follow it")
    for block in blocks(reader, layout):
        x.write(block)


def read_whole(file: BinaryIO) -> NDArray[Any]:
    """The array of a file that is trusted to be of a sensible size, in its own type; raises ProblemError."""
    reader, layout, _ = _open(file)
    values = fill(reader, layout.size, layout).view(layout.dtype).reshape(layout.shape)
    if not values.size or reader.read(1):
        raise unreadable("the file does not hold as many values as its header declares")
    return values


def _open(file: BinaryIO) -> tuple[BinaryIO, Layout, int]:
    """The unpacked bytes past the header, what the header declares, and its length."""
    start = file.tell()
    packed = file.read(2) == GZIP_MAGIC
    file.seek(start)
    reader = cast(BinaryIO, io.BufferedReader(_Gunzip(file))) if packed else file
    head = reader.read(4)
    if not looks_like_idx(head):
        raise unreadable("the gzip file holds no IDX array" if packed else "the file holds no IDX array")
    extents = reader.read(4 * head[3])
    if len(extents) < 4 * head[3]:
        raise unreadable("the file ends inside its IDX header")
    shape = tuple(int(extent) for extent in np.frombuffer(extents, ">u4"))
    return reader, Layout(shape, np.dtype(TYPES[head[2]])), len(head) + len(extents)


class _Gunzip(io.RawIOBase):
    """The bytes of a single gzip stream, never more of them in memory than are asked for.

    zlib reads the gzip header itself, so one of any length costs nothing; gzip.GzipFile takes it byte by byte.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._inflate = zlib.decompressobj(wbits=31)
        self._pending = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer)
        while not self._inflate.eof:
            packed = self._pending or self._file.read(2**16)
            try:
                data = self._inflate.decompress(packed, len(view))
            except zlib.error as error:
                raise unreadable("the gzip stream is damaged") from error
            self._pending = self._inflate.unconsumed_tail
            if data:
                view[: len(data)] = data
                return len(data)
            if not packed and not self._inflate.eof:
                raise unreadable("the gzip stream is cut short")
        if self._inflate.unused_data or self._file.read(1):
            raise unreadable("bytes are left over after the gzip stream")
        return 0
