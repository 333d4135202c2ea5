"""NumPy's .npz: a zip of x.npy and, optionally, y.npy. Everything the archive says of itself may be a lie."""

import io
import math
import struct
import zipfile
import zlib
from collections.abc import Callable
from typing import Any, BinaryIO, TypeVar, cast

from datasets.uploads.npy import read_array
from datasets.uploads.refusals import Budget, unreadable
from datasets.uploads.spool import Spool

MAGIC = (b"PK\x03\x04", b"PK\x05\x06")
MEMBERS = ("x.npy", "y.npy")
MAX_DIRECTORY = 2**18
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # bzip2 and lzma may ask for gigabytes of memory
BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
    ValueError,
    OSError,
)

T = TypeVar("T")


def read_npz(file: BinaryIO, size: int, x: Spool, y: Spool, budget: Budget) -> None:  # noqa: ARG001
    """The members x and y; raises ProblemError for any other member and for whatever zip can hide."""
    limited = _Limited(file)
    with _guarded(lambda: zipfile.ZipFile(cast(BinaryIO, limited))) as archive:
        limited.lift()
        members = archive.infolist()
        _admit(members)
        by_name = {member.filename: member for member in members}
        for name, into in zip(MEMBERS, (x, y), strict=True):
            if name in by_name:
                _read_member(archive, by_name[name], into, budget)


def _read_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, into: Spool, budget: Budget) -> None:
    name = member.filename.removesuffix(".npy")
    with _guarded(lambda: archive.open(member)) as stream:
        reader = io.BufferedReader(_Guard(cast(BinaryIO, stream)))
        read_array(cast(BinaryIO, reader), member.file_size, into, budget, name, f"/file/{name}")


def _admit(members: list[zipfile.ZipInfo]) -> None:
    names = [member.filename for member in members]
    if "x.npy" not in names:
        raise unreadable(f"the archive needs an array x; it holds {_listed(names)}")
    others = [name for name in names if name not in MEMBERS]
    if others:
        raise unreadable(f"the archive may hold x and y only; it also holds {_listed(others)}")
    for member in members:
        if names.count(member.filename) > 1:
            raise unreadable(f"the archive holds {member.filename} more than once")
        if member.flag_bits & 0x1:
            raise unreadable(f"{member.filename} is encrypted")
        if member.compress_type not in METHODS:
            raise unreadable(f"{member.filename} is compressed by a method other than deflate")


def _listed(names: list[str]) -> str:
    shown = ", ".join(ascii(name.removesuffix(".npy")[:40]) for name in names[:5])
    return (shown or "nothing") + (f" and {len(names) - 5:,} more" if len(names) > 5 else "")


def _guarded(action: Callable[[], T]) -> T:
    try:
        return action()
    except BROKEN as error:
        raise unreadable("the file is not a sound .npz archive") from error


class _Guard(io.RawIOBase):
    """A member's bytes; what goes wrong while they are unpacked is said as a problem."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer)
        data = _guarded(lambda: self._stream.read(len(view)))
        view[: len(data)] = data
        return len(data)


class _Limited:
    """The file, of which zipfile may read no more, until it has the directory, than that of two arrays can ever need.

    Otherwise a directory of millions of members, each a few bytes, would be held in memory before it can be refused.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._left = float(MAX_DIRECTORY)
        self.seek, self.tell, self.seekable = file.seek, file.tell, file.seekable

    def lift(self) -> None:
        """End the limit."""
        self._left = math.inf

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= self._left:
            size = MAX_DIRECTORY + 1
        data = self._file.read(size)
        self._left -= len(data)
        if self._left < 0:
            raise unreadable("the archive's directory is longer than that of two arrays can be")
        return data
