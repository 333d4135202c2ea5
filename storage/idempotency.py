"""Idempotency-Key: a repeated request finds what the first one made, however often it is sent."""

from sqlalchemy import text

from contracts.problems import IDEMPOTENCY_CONFLICT
from storage.database import Read, Write

FIND = text("SELECT request, location FROM idempotency_key WHERE key = :key")
REMEMBER = text("""
    INSERT INTO idempotency_key (key, request, location) VALUES (:key, :request, :location)
    ON CONFLICT (key) DO NOTHING""")
FORGET = text("DELETE FROM idempotency_key WHERE created_at < clock_timestamp() - make_interval(secs => 86400 * :days)")


def replay(read: Read, key: str, request: str) -> str | None:
    """Where the request that came with this key before has led; None for a new key.

    Raises an idempotency-conflict problem when the key came with another request.
    """
    row = read.execute(FIND, {"key": key}).one_or_none()
    if row is not None and row.request != request:
        raise IDEMPOTENCY_CONFLICT.error(
            "This Idempotency-Key was sent with a different request before.", "Idempotency-Key"
        )
    return None if row is None else row.location


def remember(write: Write, key: str, request: str, location: str) -> None:
    """Keep the key in the transaction that does what the request asks; a rival's equal key is checked, not replaced."""
    if write.execute(REMEMBER, {"key": key, "request": request, "location": location}).rowcount == 0:
        replay(write, key, request)


def forget(write: Write, days: float) -> int:
    """Drop the keys older than `days`; how many they were."""
    return write.execute(FORGET, {"days": days}).rowcount
