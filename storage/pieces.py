"""The bytes of tiles, in pieces that fill a page each: so PostgreSQL takes and gives them at the least cost a byte.

Of larger values PostgreSQL makes four pieces a page itself, each with an entry of its own in an index and in the log.
"""

from collections.abc import Generator, Iterable, Iterator
from itertools import groupby
from operator import itemgetter
from struct import Struct
from typing import NamedTuple

import numpy as np

from storage.database import Read, Write, copying

# A page of 8192 bytes less its header and a pointer to its row (32), the row's header (24) and its other columns (24).
PIECE_BYTES = 8112
# COPY's binary format: a signature, a row as its number of columns and each of them behind its size, an end.
SIGNATURE, START, END = b"PGCOPY\n\xff\r\n\0" + bytes(8), Struct("!hiqiiiii"), b"\xff\xff"
STORE = "COPY piece (array_id, row, col, index, data) FROM STDIN (FORMAT binary)"
# Below the diagonal of a symmetric array the mirror image of a stored tile is meant. The order of pieces is the inner
# query's; were it another, no digest would agree.
PANEL = """COPY (
    SELECT tile.row, tile.col, tile.digest, ordered.data FROM tile CROSS JOIN LATERAL (
        SELECT data FROM piece
        WHERE piece.array_id = tile.array_id AND piece.row = tile.row AND piece.col = tile.col
        ORDER BY piece.index) ordered
    WHERE tile.array_id = %(array_id)s
      AND ((tile.row = %(row)s AND tile.col BETWEEN %(first)s AND %(last)s)
        OR (%(mirrored)s AND tile.col = %(row)s AND tile.row BETWEEN %(first)s AND %(last)s AND tile.row < tile.col))
    ) TO STDOUT (FORMAT binary)"""


class Key(NamedTuple):
    """Which tile of which array."""

    array_id: int
    row: int
    col: int


class Bytes(NamedTuple):
    """A tile as it is stored."""

    row: int
    col: int
    digest: bytes
    data: bytes


def write(to: Write, tiles: Iterable[tuple[Key, memoryview]]) -> None:
    """Store the bytes of tiles that have none yet."""
    with copying(to, STORE) as copy:
        copy.write(SIGNATURE)
        for key, data in tiles:
            for rows in _rows(key, data):
                copy.write(rows)
        copy.write(END)


def panel(read: Read, array_id: int, row: int, cols: range, *, mirrored: bool) -> Generator[Bytes]:
    """The stored tiles that give columns `cols` of row `row` of the grid, one in memory at a time."""
    asked = {"array_id": array_id, "row": row, "first": cols[0], "last": cols[-1], "mirrored": mirrored}
    with copying(read, PANEL, asked) as copy:
        copy.set_types(["int4", "int4", "bytea", "bytea"])
        for (at, col, digest), pieces in groupby(copy.rows(), itemgetter(0, 1, 2)):
            yield Bytes(at, col, digest, b"".join(piece for *_, piece in pieces))


def _rows(key: Key, data: memoryview) -> Iterator[memoryview]:
    """The tile's rows in COPY's binary format: those of whole pieces at once, then the rest."""
    start = np.void(START.pack(5, 8, key.array_id, 4, key.row, 4, key.col, 4))
    whole, rest = divmod(len(data), PIECE_BYTES)
    for first, count, size in ((0, whole, PIECE_BYTES), (whole, 1, rest)):
        if count and size:
            rows = np.empty(count, [("start", start.dtype), ("index", ">i4"), ("size", ">i4"), ("data", f"V{size}")])
            rows["start"], rows["size"] = start, size
            rows["index"] = np.arange(first, first + count)
            rows["data"] = np.frombuffer(data, f"V{size}", count, first * PIECE_BYTES)
            yield rows.view(np.uint8).data
