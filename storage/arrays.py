"""Arrays as tiles: written once, read as blocks of rows and columns, a row panel at a time."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import RowMapping, text
from xxhash import xxh3_128_digest

from contracts.plan import ArrayPlan
from storage import pieces
from storage.database import Database, Read, Write
from storage.pieces import Bytes, Key

Numbers = NDArray[np.floating]


@dataclass(frozen=True)
class Stored:
    """An array's row: its id and its plan, and what its parts said of its error."""

    id: int
    plan: ArrayPlan
    error_bound: float | None = None
    """The largest of the parts' that are there; inf where one knows none, None where none has said anything."""


@dataclass(frozen=True)
class TileData:
    """The entries of the tile in row `row` and column `col` of the grid of the array called `array`."""

    array: str
    row: int
    col: int
    entries: Numbers
    latest: bool = False
    """Whether it takes the place of one that is stored: a checkpoint does, a result is stored once."""
    gaps: bool = False
    """Whether an entry may be NaN, where there is nothing to tell."""


@dataclass(frozen=True)
class ErrorBound:
    """What approximation may have added to the entries of a part of the array called `array`; inf: nobody knows."""

    array: str
    value: float


@dataclass(frozen=True)
class Dropped:
    """The array called `array` goes: what parts handed on to one another, which no result is."""

    array: str


class TileMissingError(LookupError):
    """A tile that was asked for is not stored: not yet, or no longer."""


class TileDamagedError(Exception):
    """A tile's bytes are not those that were stored."""


CREATE = text("""
    INSERT INTO stored_array (job_id, dataset_id, name, shape, dtype, tile_rows, tile_cols, mirrored)
    VALUES (:job_id, :dataset_id, :name, :shape, :dtype, :tile_rows, :tile_cols, :mirrored)
    RETURNING id""")
# Tiles are stored so many bytes at a time.
BATCH_BYTES = 2**24
# By its size: a tile's digest, and what was one before.
DIGEST = {16: xxh3_128_digest, 32: lambda data: hashlib.sha256(data).digest()}
COLUMNS = "id, name, shape, dtype, tile_rows, tile_cols, mirrored, error_bound"
OF_JOB = text(f"SELECT {COLUMNS} FROM stored_array WHERE job_id = :owner ORDER BY id")
OF_DATASET = text(f"SELECT {COLUMNS} FROM stored_array WHERE dataset_id = :owner ORDER BY id")
# A part that is computed twice leaves what computing it once leaves.
WRITE = text("""
    INSERT INTO tile (array_id, row, col, digest)
    SELECT * FROM unnest(
        CAST(:arrays AS bigint[]), CAST(:rows AS int[]), CAST(:cols AS int[]), CAST(:digests AS bytea[]))
    ON CONFLICT DO NOTHING RETURNING array_id, row, col""")
# The largest of all parts, in whatever order they come and however often.
RAISE = text("""
    UPDATE stored_array SET error_bound = :value
    WHERE id = :id AND (error_bound IS NULL OR error_bound < :value)""")
FORGET = text("""
    DELETE FROM tile
    USING unnest(CAST(:arrays AS bigint[]), CAST(:rows AS int[]), CAST(:cols AS int[])) AS old (a, r, c)
    WHERE array_id = a AND row = r AND col = c""")
DROP = text("DELETE FROM stored_array WHERE id = ANY(:ids)")
OF_TILES = text("SELECT digest FROM tile WHERE array_id = :array_id ORDER BY row, col")
MISSING = text("""
    SELECT count(*) FROM generate_series(CAST(:row AS int), CAST(:row_end AS int)) r
    CROSS JOIN generate_series(CAST(:col AS int), CAST(:col_end AS int)) c
    WHERE NOT EXISTS (
        SELECT 1 FROM tile WHERE array_id = :array_id
           AND row = CASE WHEN :mirrored THEN least(r, c) ELSE r END
           AND col = CASE WHEN :mirrored THEN greatest(r, c) ELSE c END)""")


def create(write: Write, plan: ArrayPlan, *, job: UUID | None = None, dataset: str | None = None) -> Stored:
    """An empty array of a job or of a dataset."""
    row = {
        "job_id": job,
        "dataset_id": dataset,
        "name": plan.name,
        "shape": list(plan.shape),
        "dtype": plan.dtype,
        "tile_rows": plan.tile_rows,
        "tile_cols": plan.tile_cols,
        "mirrored": plan.symmetric,
    }
    return Stored(write.execute(CREATE, row).scalar_one(), plan)


def _stored(row: RowMapping) -> Stored:
    plan = ArrayPlan(
        row["name"], tuple(row["shape"]), row["dtype"], row["tile_rows"], row["tile_cols"], row["mirrored"]
    )
    return Stored(row["id"], plan, row["error_bound"])


def of_job(read: Read, job: UUID) -> dict[str, Stored]:
    """The arrays of a job by name, in the order of its plan."""
    return {row["name"]: _stored(row) for row in read.execute(OF_JOB, {"owner": job}).mappings()}


def of_dataset(read: Read, dataset: str) -> dict[str, Stored]:
    """The arrays of a dataset by name: x, and y where there are targets."""
    return {row["name"]: _stored(row) for row in read.execute(OF_DATASET, {"owner": dataset}).mappings()}


def write_tiles(write: Write, arrays: Mapping[str, Stored], tiles: Iterable[TileData]) -> None:
    """Store tiles, some at a time, so that no more of them are in memory as bytes.

    Those that are there stay, but for what the latest replace.
    """
    for some in _batches(tiles):
        old = [(arrays[tile.array].id, tile.row, tile.col) for tile in some if tile.latest]
        if old:
            write.execute(FORGET, dict(zip(("arrays", "rows", "cols"), map(list, zip(*old, strict=True)), strict=True)))
        data = {Key(arrays[tile.array].id, tile.row, tile.col): _bytes(arrays[tile.array].plan, tile) for tile in some}
        ids, rows, cols = zip(*data, strict=True)
        digests = [xxh3_128_digest(item) for item in data.values()]
        new = write.execute(WRITE, {"arrays": list(ids), "rows": list(rows), "cols": list(cols), "digests": digests})
        pieces.write(write, [(key, data[key]) for key in map(Key._make, new)])


def _batches(tiles: Iterable[TileData]) -> Iterator[list[TileData]]:
    batch: list[TileData] = []
    size = 0
    for tile in tiles:
        batch.append(tile)
        size += tile.entries.nbytes
        if size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _bytes(plan: ArrayPlan, tile: TileData) -> memoryview:
    """The entries in C order, little-endian; a copy only where they are not."""
    return np.ascontiguousarray(tile.entries, dtype=np.dtype(plan.dtype).newbyteorder("<")).data.cast("B")


def raise_bounds(write: Write, arrays: Mapping[str, Stored], bounds: Iterable[ErrorBound]) -> None:
    """Let each array's error bound be at least what a part says. After the job's move, whose lock orders the parts."""
    for bound in bounds:
        write.execute(RAISE, {"id": arrays[bound.array].id, "value": bound.value})


def drop(write: Write, arrays: Mapping[str, Stored], dropped: Iterable[Dropped]) -> None:
    """Remove arrays with their tiles."""
    ids = [arrays[item.array].id for item in dropped]
    if ids:
        write.execute(DROP, {"ids": ids})


def _entries(plan: ArrayPlan, tile: Bytes) -> Numbers:
    if DIGEST[len(tile.digest)](tile.data) != tile.digest:
        raise TileDamagedError(f"tile ({tile.row}, {tile.col}) of {plan.name} is damaged")
    height = min(plan.tile_rows, plan.rows - tile.row * plan.tile_rows)
    return np.frombuffer(tile.data, dtype=np.dtype(plan.dtype).newbyteorder("<")).reshape(height, -1)


def _panel(read: Read, stored: Stored, row: int, cols: slice) -> Numbers:
    """Columns `cols` of all rows that the tiles in grid row `row` hold."""
    plan = stored.plan
    start, stop = cols.start, cols.stop
    height = min(plan.tile_rows, plan.rows - row * plan.tile_rows)
    panel = np.empty((height, stop - start), dtype=plan.dtype)
    missing = set(range(start // plan.tile_cols, -(-stop // plan.tile_cols)))
    asked = range(min(missing), max(missing) + 1)
    with closing(pieces.panel(read, stored.id, row, asked, mirrored=plan.symmetric)) as tiles:
        for tile in tiles:
            entries, column = _entries(plan, tile), tile.col
            if tile.row != row:
                entries, column = entries.T, tile.row
            missing.remove(column)
            offset = column * plan.tile_cols
            left, right = max(start, offset), min(stop, offset + entries.shape[1])
            panel[:, left - start : right - start] = entries[:, left - offset : right - offset]
    if missing:
        raise TileMissingError(f"tiles of {plan.name} are missing in grid row {row}")
    return panel


def panels(database: Database, stored: Stored, rows: slice, cols: slice) -> Iterator[Numbers]:
    """The block rows × cols as row panels, a connection held for one panel at a time.

    Raises TileMissingError where a tile is missing and TileDamagedError where one is not what was stored.
    """
    plan = stored.plan
    for row in range(rows.start // plan.tile_rows, -(-rows.stop // plan.tile_rows)):
        with database.read() as read:
            panel = _panel(read, stored, row, cols)
        offset = row * plan.tile_rows
        yield panel[max(rows.start - offset, 0) : rows.stop - offset]
        del panel  # before the next one is made


def block(database: Database, stored: Stored, rows: slice, cols: slice | None = None) -> Numbers:
    """The block rows × cols (default: all columns) as one matrix."""
    cols = slice(0, stored.plan.cols) if cols is None else cols
    out = np.empty((rows.stop - rows.start, cols.stop - cols.start), dtype=stored.plan.dtype)
    filled = 0
    for panel in panels(database, stored, rows, cols):
        out[filled : filled + len(panel)] = panel
        filled += len(panel)
    return out


def whole(read: Read, stored: Stored) -> Numbers:
    """All of an array, as a matrix, in the caller's transaction."""
    down, _ = stored.plan.grid
    return np.concatenate([_panel(read, stored, row, slice(0, stored.plan.cols)) for row in range(down)])


def complete(read: Read, stored: Stored, rows: slice, cols: slice) -> bool:
    """Whether every tile of the block rows × cols is there."""
    plan = stored.plan
    grid = {
        "array_id": stored.id,
        "mirrored": plan.symmetric,
        "row": rows.start // plan.tile_rows,
        "row_end": (rows.stop - 1) // plan.tile_rows,
        "col": cols.start // plan.tile_cols,
        "col_end": (cols.stop - 1) // plan.tile_cols,
    }
    return bool(read.execute(MISSING, grid).scalar_one() == 0)


def content_digest(read: Read, stored: Stored) -> str:
    """A digest of the array's content as it is stored now, in hexadecimal: the ETag of a finished array."""
    total = hashlib.sha256(repr((stored.plan.shape, stored.plan.dtype)).encode())
    for (tile_digest,) in read.execute(OF_TILES, {"array_id": stored.id}):
        total.update(tile_digest)
    return total.hexdigest()
