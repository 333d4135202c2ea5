"""NumPy's .npy: a header that is a literal, never code, and the values as they lie in memory."""

import io
from typing import BinaryIO

import numpy as np
from numpy.lib import format as npy_format

from datasets.uploads.binary import blocks
from datasets.uploads.layout import Layout
from datasets.uploads.refusals import FILE, Budget, unreadable
from datasets.uploads.spool import Spool

MAGIC = npy_format.MAGIC_PREFIX
MAX_HEADER = 10_000


def read_npy(file: BinaryIO, size: int, x: Spool, y: Spool, budget: Budget) -> None:  # noqa: ARG001
    """The one array of the file as x."""
    read_array(file, size, x, budget, "x", FILE)


def read_array(reader: BinaryIO, size: int, into: Spool, budget: Budget, name: str, pointer: str) -> None:
    """One array of `size` bytes, header included, block by block; `reader` need not be seekable.

    Raises ProblemError, as early as the header allows.
    """
    layout, begin = _header(reader, name, pointer)
    layout.admit(budget)
    if begin + layout.size != size:
        detail = f"the header of {name} declares {layout.size:,} bytes of values, and {size - begin:,} follow it"
        raise unreadable(detail, pointer)
    for block in blocks(reader, layout):
        into.write(block)


def _header(reader: BinaryIO, name: str, pointer: str) -> tuple[Layout, int]:
    """What the header declares, and its length."""
    head = reader.read(len(MAGIC) + 2)
    if not head.startswith(MAGIC) or len(head) != len(MAGIC) + 2:
        raise unreadable(f"{name} does not begin like a .npy file", pointer)
    version = (head[-2], head[-1])
    if version not in {(1, 0), (2, 0), (3, 0)}:
        raise unreadable(f"{name} is in version {version[0]}.{version[1]} of .npy, which is not known here", pointer)
    width = reader.read(2 if version == (1, 0) else 4)
    length = int.from_bytes(width, "little")
    if length > MAX_HEADER:
        # Checked here because numpy would read all of it into memory first.
        raise unreadable(f"{name} declares a header of {length:,} bytes; {MAX_HEADER:,} are the most", pointer)
    text = reader.read(length)
    # Version 3 differs from 2 in the encoding of field names alone, and there are no fields in a real array.
    parse = npy_format.read_array_header_1_0 if version == (1, 0) else npy_format.read_array_header_2_0
    try:
        shape, fortran, dtype = parse(io.BytesIO(width + text), max_header_size=MAX_HEADER)
    except Exception as error:  # numpy tokenizes and evaluates the text, and may stumble in any way
        raise unreadable(f"the .npy header of {name} cannot be understood", pointer) from error
    layout = Layout(tuple(map(int, shape)), np.dtype(dtype), bool(fortran), name, pointer)
    return layout, len(head) + len(width) + len(text)
