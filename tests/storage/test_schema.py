"""The migrations make what the models say."""

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, NullPool, create_engine, text

from storage.database import Database
from storage.models import Base
from storage.schema import current_revision, newest_revision, upgrade


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


def test_tiles_lie_outside_their_rows_and_uncompressed(database: Database) -> None:
    query = text("SELECT attstorage FROM pg_attribute WHERE attrelid = 'tile'::regclass AND attname = 'data'")
    with database.read() as read:
        storage = read.execute(query).scalar_one()
    assert storage in ("e", b"e")
