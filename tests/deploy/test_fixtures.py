"""The databases that all other tests are given."""

import psycopg
import redis


def test_the_database_is_migrated_and_empty(database_url):
    with psycopg.connect(database_url) as connection:
        rows = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        tables = {name for (name,) in rows}
        assert "alembic_version" in tables
        assert len(tables) > 1
        for table in tables - {"alembic_version"}:
            assert connection.execute(f'SELECT count(*) FROM "{table}"').fetchone() == (0,)


def test_the_redis_database_is_this_processs_own(redis_url, worker_number):
    with redis.Redis.from_url(redis_url) as client:
        assert client.dbsize() == 0
        assert client.client_info()["db"] == worker_number
