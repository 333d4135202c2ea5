"""The migrations make what the models say."""

from collections.abc import Iterator
from hashlib import sha256
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import numpy as np
import psycopg
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, NullPool, create_engine, text

from deploy import embedded
from storage import arrays, schema
from storage.database import Database, DatabaseError
from storage.models import Base
from storage.pieces import PIECE_BYTES
from storage.schema import current_revision, newest_revision, upgrade
from tests.storage.conftest import store_points

VALUES = np.random.default_rng(0).normal(size=(2, 2535))  # rows of two and a half pieces


def differences(connection: Connection) -> list[object]:
    context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
    return compare_metadata(context, Base.metadata)


def test_models_and_migrations_agree(database_url: str) -> None:
    with create_engine(database_url, poolclass=NullPool).connect() as connection:
        assert differences(connection) == []


def test_a_difference_would_be_seen(database_url: str) -> None:
    with create_engine(database_url, poolclass=NullPool).connect() as connection:
        connection.execute(text("ALTER TABLE job ADD COLUMN forgotten text"))
        assert [entry[0] for entry in differences(connection)] == ["remove_column"]
        connection.rollback()


def test_upgrading_again_changes_nothing(database: Database) -> None:
    upgrade(database.url)
    with database.read() as read:
        assert current_revision(read) == newest_revision()


def test_a_piece_fills_a_page_of_its_own(empty: Database) -> None:
    with empty.begin() as write:
        insert = text(
            "INSERT INTO piece SELECT 0, 0, 0, i, decode(repeat('00', :size), 'hex') FROM generate_series(1, 9) i"
        )
        write.execute(insert, {"size": PIECE_BYTES})
        assert write.execute(text("SELECT count(*), count(DISTINCT (ctid::text::point)[0]) FROM piece")).one() == (9, 9)
        with pytest.raises(DatabaseError):
            write.execute(insert, {"size": PIECE_BYTES + 1})
        write.rollback()


@pytest.fixture
def older(servers: embedded.Servers) -> Iterator[Connection]:
    """A database of revision 0002 in a transaction, with two tiles of two and a half pieces."""
    name = f"older_{uuid4().hex}"
    with psycopg.connect(servers.database_url, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}")
        engine = create_engine(urlsplit(servers.database_url)._replace(path=f"/{name}").geturl(), poolclass=NullPool)
        with engine.connect() as connection:
            migrate(connection, "0002")
            dataset = "INSERT INTO dataset (id, source, provenance) VALUES ('d', '{}', '')"
            array = """
                INSERT INTO stored_array (dataset_id, name, shape, dtype, tile_rows, tile_cols, mirrored)
                VALUES ('d', 'x', '{2, 2535}', 'float64', 1, 2535, false) RETURNING id"""
            connection.execute(text(dataset))
            owner = connection.execute(text(array)).scalar_one()
            for row, value in enumerate(VALUES):
                stored = {"id": owner, "row": row, "data": value.tobytes(), "digest": sha256(value).digest()}
                connection.execute(text("INSERT INTO tile VALUES (:id, :row, 0, :digest, :data)"), stored)
            yield connection
            connection.rollback()
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


def migrate(connection: Connection, revision: str) -> None:
    config = schema._config()
    config.attributes["connection"] = connection
    move = command.downgrade if revision.startswith("-") else command.upgrade
    move(config, revision)


def test_tiles_of_an_older_version_stay_as_they_are(older: Connection) -> None:
    before = older.execute(text("SELECT * FROM tile ORDER BY row")).all()
    migrate(older, "head")
    stored = arrays.of_dataset(older, "d")["x"]
    for row, value in enumerate(VALUES):
        np.testing.assert_array_equal(arrays._panel(older, stored, row, slice(0, 2535)), value[None])
    assert older.execute(text("SELECT count(*) FROM piece")).scalar_one() == 2 * 3
    migrate(older, "-3")
    assert older.execute(text("SELECT * FROM tile ORDER BY row")).all() == before


def add_job(connection: Connection, *, waits_for: UUID | None = None) -> UUID:
    """A queued job of revision 0004."""
    id_ = uuid4()
    insert = text("""
        INSERT INTO job (id, kind, digest, spec, engine, unit, parts_total, parts_open, work_total, seconds, waits_for)
        VALUES (:id, 'spectra', :digest, '{}', '', '', 1, 1, 1, 1, :waits_for)""")
    connection.execute(insert, {"id": id_, "digest": str(id_), "waits_for": waits_for})
    return id_


def jobs(connection: Connection) -> list[object]:
    """All of them, and how their table is indexed."""
    rows = connection.execute(text("SELECT to_jsonb(job) FROM job ORDER BY id")).scalars().all()
    indices = "SELECT indexdef FROM pg_indexes WHERE tablename = 'job' ORDER BY indexname"
    return [*rows, *connection.execute(text(indices)).scalars().all()]


def test_jobs_that_wait_are_carried_over_and_back(older: Connection) -> None:
    migrate(older, "0004")
    root = add_job(older)
    waiting = add_job(older, waits_for=root)
    before = jobs(older)
    migrate(older, "0005")
    assert older.execute(text("SELECT job_id, on_id FROM awaited")).all() == [(waiting, root)]
    waits = {row.id: row.waits for row in older.execute(text("SELECT id, waits FROM job"))}
    assert waits == {root: 0, waiting: 1}
    migrate(older, "-1")
    assert jobs(older) == before
    migrate(older, "head")
    assert differences(older) == []


def test_an_older_version_has_no_jobs_that_wait_for_several(older: Connection) -> None:
    """They go, and with them who waits for them; of the others none does."""
    migrate(older, "0004")
    roots = [add_job(older) for _ in range(3)]
    one = add_job(older, waits_for=roots[0])
    after_one = add_job(older, waits_for=one)
    several = add_job(older, waits_for=roots[0])
    after_several = add_job(older, waits_for=several)
    add_job(older, waits_for=after_several)
    migrate(older, "0005")
    for other in roots[1:]:
        older.execute(text("INSERT INTO awaited VALUES (:job, :on)"), {"job": several, "on": other})
    older.execute(text("UPDATE job SET waits = 3 WHERE id = :job"), {"job": several})
    migrate(older, "-1")
    left = {row.id: row.waits_for for row in older.execute(text("SELECT id, waits_for FROM job"))}
    assert left == dict.fromkeys(roots) | {one: roots[0], after_one: one}


def test_pieces_go_with_their_tile(empty: Database) -> None:
    owner = store_points(empty, 4, "e" * 32)
    with empty.begin() as write:
        assert write.execute(text("SELECT count(*) FROM piece")).scalar_one() > 0
        write.execute(text("DELETE FROM dataset WHERE id = :id"), {"id": owner})
        assert write.execute(text("SELECT count(*) FROM piece")).scalar_one() == 0
