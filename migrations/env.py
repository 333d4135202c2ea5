"""Run by Alembic: migrate the database whose connection `storage.schema` hands over, or the one of the settings."""

from alembic import context
from sqlalchemy import Connection, NullPool, create_engine

from contracts.settings import Settings
from storage.models import Base


def migrate(connection: Connection) -> None:
    """Bring `connection`'s database to the asked revision, in one transaction."""
    context.configure(connection=connection, target_metadata=Base.metadata, compare_server_default=True)
    with context.begin_transaction():
        context.run_migrations()


given = context.config.attributes.get("connection")
if given is not None:
    migrate(given)
else:
    with create_engine(Settings().require_database_url(), poolclass=NullPool).connect() as connection:
        migrate(connection)
        connection.commit()
