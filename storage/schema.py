"""The schema's revision: bringing a database to it, and asking whether it is there."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import NullPool, create_engine, text

import migrations
from storage.database import Read

# Any constant: two migrations at once would otherwise race.
MIGRATION_LOCK = 7_430_021


def _config() -> Config:
    return Config(Path(migrations.__file__).parent / "alembic.ini")


def upgrade(url: str) -> None:
    """Migrate the database at `url` to the newest revision; a second one at the same time waits for the first."""
    config = _config()
    with create_engine(url, poolclass=NullPool).begin() as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": MIGRATION_LOCK})
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def newest_revision() -> str | None:
    """The revision that this code needs."""
    return ScriptDirectory.from_config(_config()).get_current_head()


def current_revision(read: Read) -> str | None:
    """The revision that the database is at."""
    return MigrationContext.configure(read).get_current_revision()
