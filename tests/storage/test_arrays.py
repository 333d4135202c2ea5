"""Arrays in tiles against the matrices they were cut from."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from contracts.plan import ArrayPlan
from storage import arrays
from storage.arrays import Stored, TileDamagedError, TileData
from storage.database import Database
from storage.pieces import PIECE_BYTES
from tests.storage.conftest import store_points

ROWS, COLS, TILE = 23, 17, 5
GENERAL = np.random.default_rng(0).normal(size=(ROWS, COLS))
SQUARE = GENERAL @ GENERAL.T


def cut(name: str, matrix: np.ndarray, *, upper: bool) -> list[TileData]:
    return [
        TileData(name, i, j, matrix[i * TILE : (i + 1) * TILE, j * TILE : (j + 1) * TILE])
        for i in range(-(-matrix.shape[0] // TILE))
        for j in range(i if upper else 0, -(-matrix.shape[1] // TILE))
    ]


@pytest.fixture(scope="module")
def stored(database: Database) -> dict[str, Stored]:
    owner = store_points(database, 4, "b" * 32)
    plans = [
        ArrayPlan("general", GENERAL.shape, "float64", TILE, TILE),
        ArrayPlan("square", SQUARE.shape, "float64", TILE, TILE, True),
    ]
    with database.begin() as write:
        made = {plan.name: arrays.create(write, plan, dataset=owner) for plan in plans}
        arrays.write_tiles(write, made, cut("general", GENERAL, upper=False) + cut("square", SQUARE, upper=True))
    return made


def ranges(size: int) -> st.SearchStrategy[slice]:
    pairs = st.tuples(st.integers(0, size - 1), st.integers(1, size))
    return pairs.map(lambda pair: slice(pair[0], min(size, pair[0] + pair[1])))


@settings(max_examples=60, deadline=None)
@given(rows=ranges(ROWS), cols=ranges(COLS))
def test_blocks_of_a_general_array(database: Database, stored: dict[str, Stored], rows: slice, cols: slice) -> None:
    np.testing.assert_array_equal(arrays.block(database, stored["general"], rows, cols), GENERAL[rows, cols])


@settings(max_examples=60, deadline=None)
@given(rows=ranges(ROWS), cols=ranges(ROWS))
def test_blocks_of_a_symmetric_array(database: Database, stored: dict[str, Stored], rows: slice, cols: slice) -> None:
    np.testing.assert_array_equal(arrays.block(database, stored["square"], rows, cols), SQUARE[rows, cols])


def test_only_one_triangle_is_stored(database: Database, stored: dict[str, Stored]) -> None:
    with database.read() as read:
        count = read.execute(text("SELECT count(*) FROM tile WHERE array_id = :id"), {"id": stored["square"].id})
        assert count.scalar_one() == 15


@pytest.mark.parametrize(("name", "missing"), [("general", (2, 1)), ("square", (1, 3))])
def test_a_missing_tile_is_missed_where_it_is_needed(
    database: Database, stored: dict[str, Stored], name: str, missing: tuple[int, int]
) -> None:
    row, col = missing
    side = SQUARE.shape[0] if name == "square" else COLS
    with database.begin() as write:
        write.execute(
            text("DELETE FROM tile WHERE array_id = :id AND row = :row AND col = :col"),
            {"id": stored[name].id, "row": row, "col": col},
        )
        needed = slice(row * TILE, row * TILE + 1), slice(col * TILE, col * TILE + 1)
        mirrored = (needed[1], needed[0])
        elsewhere = slice(0, TILE), slice(0, TILE)
        assert not arrays.complete(write, stored[name], *needed)
        assert not arrays.complete(write, stored[name], slice(0, ROWS), slice(0, side))
        assert arrays.complete(write, stored[name], *mirrored) == (name == "general")
        assert arrays.complete(write, stored[name], *elsewhere)
        with pytest.raises(LookupError):
            arrays._panel(write, stored[name], row, needed[1])
        write.rollback()


def test_a_damaged_tile_is_refused(database: Database, stored: dict[str, Stored]) -> None:
    with database.begin() as write:
        write.execute(
            text("UPDATE piece SET data = set_byte(data, 3, 255 - get_byte(data, 3)) WHERE array_id = :id AND row = 0"),
            {"id": stored["general"].id},
        )
        with pytest.raises(TileDamagedError):
            arrays._panel(write, stored["general"], 0, slice(0, COLS))
        write.rollback()


def test_the_digest_is_of_the_content(database: Database, stored: dict[str, Stored]) -> None:
    owner = store_points(database, 4, "c" * 32)
    with database.begin() as write:
        copy = arrays.create(write, stored["general"].plan, dataset=owner)
        tiles = cut("general", GENERAL, upper=False)
        arrays.write_tiles(write, {"general": copy}, tiles[::-1])
        assert arrays.content_digest(write, copy) == arrays.content_digest(write, stored["general"])
        assert arrays.content_digest(write, copy) != arrays.content_digest(write, stored["square"])


def test_tiles_of_an_older_digest_are_still_verified(database: Database, stored: dict[str, Stored]) -> None:
    older = text("""
        UPDATE tile SET digest = sha256(whole) FROM (
            SELECT array_id, row, col, string_agg(data, '' ORDER BY index) AS whole FROM piece GROUP BY 1, 2, 3) made
        WHERE tile.array_id = :id AND (tile.array_id, tile.row, tile.col) = (made.array_id, made.row, made.col)""")
    with database.begin() as write:
        write.execute(older, {"id": stored["general"].id})
        np.testing.assert_array_equal(arrays._panel(write, stored["general"], 0, slice(0, COLS)), GENERAL[:TILE])
        write.execute(
            text("UPDATE tile SET digest = sha256(digest) WHERE array_id = :id"), {"id": stored["general"].id}
        )
        with pytest.raises(TileDamagedError):
            arrays._panel(write, stored["general"], 0, slice(0, COLS))
        write.rollback()


PIECE = PIECE_BYTES // 8


@pytest.mark.parametrize("batch", [1, 10 * PIECE_BYTES, 2**24])
def test_tiles_of_any_size_come_back_and_stay_as_they_were(
    database: Database, monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    monkeypatch.setattr(arrays, "BATCH_BYTES", batch)
    owner = store_points(database, 4, f"{batch:032x}")
    sizes = (1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE, 5 * PIECE + 7)
    values = {f"a{size}": np.random.default_rng(size).normal(size=(4, size)) for size in sizes}
    tiles = [TileData(name, row, 0, value[row : row + 1]) for name, value in values.items() for row in range(4)]
    with database.begin() as write:
        made = {
            name: arrays.create(write, ArrayPlan(name, v.shape, "float64", 1, v.shape[1]), dataset=owner)
            for name, v in values.items()
        }
        arrays.write_tiles(write, made, tiles[::2])
        arrays.write_tiles(write, made, [TileData(t.array, t.row, 0, -t.entries) for t in tiles[::2]] + tiles[1::2])
    for name, value in values.items():
        np.testing.assert_array_equal(arrays.block(database, made[name], slice(0, 4)), value)
