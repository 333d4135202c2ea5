"""Datasets: rows of x and y as tiles that are bands of whole rows or, of a long row, parts of it."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any
from uuid import uuid4

import numpy as np
from psycopg.errors import UniqueViolation
from psycopg.types.json import Jsonb
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from contracts.jobs import ArrayInfo, DatasetInfo, DatasetPage
from contracts.plan import ITEM_BYTES, ArrayPlan
from storage import arrays
from storage.arrays import Numbers, TileData
from storage.database import Read, Write
from storage.paging import cursor_of, position

# A band of rows is about this large: long enough to stream fast, short enough to hold many at once.
BAND_BYTES = 2**21

INSERT = text("INSERT INTO dataset (id, name, source, provenance) VALUES (:id, :name, :source, :provenance)")
RENAME = text("UPDATE dataset SET id = :id WHERE id = :provisional")
GET = text("SELECT id, name, source, provenance, created_at FROM dataset WHERE id = :id")
PAGE = text("""
    SELECT id, name, source, provenance, created_at FROM dataset
    WHERE CAST(:at AS timestamptz) IS NULL OR (created_at, id) < (:at, :id)
    ORDER BY created_at DESC, id DESC LIMIT :limit""")


def band_plan(name: str, shape: tuple[int, ...], dtype: str) -> ArrayPlan:
    """An array whose tiles are bands of whole rows, or parts of one row."""
    cols = int(np.prod(shape[1:], dtype=np.int64))
    numbers = BAND_BYTES // ITEM_BYTES[dtype]
    return ArrayPlan(name, shape, dtype, max(1, numbers // cols), min(cols, numbers))


@dataclass(frozen=True)
class Rows:
    """One array of a dataset to be stored: its shape and type, and its numbers in consecutive blocks of any size."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    blocks: Iterable[Numbers]


@dataclass(frozen=True)
class Description:
    """What is said of a dataset beside its numbers."""

    name: str | None
    source: dict[str, Any]
    provenance: str


def store(write: Write, description: Description, content: Iterable[Rows], content_id: Callable[[], str]) -> str:
    """Store a dataset as it streams by and return its id, which `content_id` knows after the last row.

    Content that is there already is left as it is: the same bytes are the same dataset.
    """
    provisional = f"upload-{uuid4().hex}"
    described = asdict(description) | {"source": Jsonb(description.source)}
    try:
        with write.begin_nested():
            write.execute(INSERT, described | {"id": provisional})
            for rows in content:
                _write_rows(write, provisional, rows)
            write.execute(RENAME, {"id": content_id(), "provisional": provisional})
    except IntegrityError as error:
        if not isinstance(error.orig, UniqueViolation):
            raise
    return content_id()


def _write_rows(write: Write, dataset: str, rows: Rows) -> None:
    plan = band_plan(rows.name, rows.shape, rows.dtype)
    stored = arrays.create(write, plan, dataset=dataset)
    arrays.write_tiles(write, {plan.name: stored}, _tiles(plan, rows.blocks))


def _tiles(plan: ArrayPlan, blocks: Iterable[Numbers]) -> Iterator[TileData]:
    """The numbers as tiles: one across, or one row high, so that each is a run of them."""
    down, across = plan.grid
    places = [(row, col) for row in range(down) for col in range(across)]
    sizes = [
        (min(plan.tile_rows, plan.rows - row * plan.tile_rows), min(plan.tile_cols, plan.cols - col * plan.tile_cols))
        for row, col in places
    ]
    for (row, col), size, run in zip(places, sizes, _runs(blocks, [a * b for a, b in sizes]), strict=True):
        yield TileData(plan.name, row, col, run.reshape(size))


def _runs(blocks: Iterable[Numbers], sizes: Iterable[int]) -> Iterator[Numbers]:
    """The same numbers in runs of such sizes."""
    source = iter(blocks)
    rest: Numbers = np.empty(0)
    for size in sizes:
        waiting: list[Numbers] = []
        missing = size
        while missing:
            if not rest.size:
                rest = next(source).reshape(-1)
            taken, rest = rest[:missing], rest[missing:]
            waiting.append(taken)
            missing -= len(taken)
        yield np.concatenate(waiting)


def _info(read: Read, row: Any) -> DatasetInfo:
    stored = arrays.of_dataset(read, row.id).values()
    infos = [
        ArrayInfo(
            name=array.plan.name,
            shape=array.plan.shape,
            dtype=array.plan.dtype,
            href=f"/v1/datasets/{row.id}/arrays/{array.plan.name}",
        )
        for array in stored
    ]
    return DatasetInfo(
        id=row.id, name=row.name, source=row.source, provenance=row.provenance, arrays=infos, created_at=row.created_at
    )


def get(read: Read, id: str) -> DatasetInfo | None:  # noqa: A002
    """The dataset called `id`."""
    row = read.execute(GET, {"id": id}).one_or_none()
    return None if row is None else _info(read, row)


def page(read: Read, cursor: str | None, limit: int) -> DatasetPage:
    """Datasets from `cursor` on, newest first."""
    at, after = position(cursor)
    rows = read.execute(PAGE, {"at": at, "id": after, "limit": limit + 1}).all()
    more = cursor_of(rows[limit - 1].created_at, rows[limit - 1].id) if len(rows) > limit else None
    return DatasetPage(datasets=[_info(read, row) for row in rows[:limit]], next=more)
