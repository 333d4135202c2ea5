"""The tables. Migrations are written from these, and a test fails when the two differ."""

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID, uuid4

from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

STATES = "('queued', 'running', 'succeeded', 'failed', 'cancelled')"


class Base(DeclarativeBase):
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        datetime: DateTime(timezone=True),
        dict[str, Any]: JSONB,
        list[int]: ARRAY(BigInteger),
        str: Text,
        bytes: LargeBinary,
    }


class Dataset(Base):
    """Inputs and targets; immutable, and named by the digest of their content."""

    __tablename__ = "dataset"

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str | None]
    source: Mapped[dict[str, Any]]
    provenance: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())

    __table_args__ = (Index("dataset_newest", created_at.desc(), id.desc()),)


class Job(Base):
    """A computation that was asked for; `parts_open` counts its queued parts, `waits` the jobs that it still waits for.

    `version` counts its changes.
    """

    __tablename__ = "job"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    kind: Mapped[str]
    digest: Mapped[str] = mapped_column()
    spec: Mapped[dict[str, Any]]
    engine: Mapped[str]
    state: Mapped[str] = mapped_column(server_default="queued")
    version: Mapped[int] = mapped_column(BigInteger, server_default="1")
    unit: Mapped[str]
    parts_total: Mapped[int]
    parts_open: Mapped[int]
    parts_done: Mapped[int] = mapped_column(server_default="0")
    work_total: Mapped[int] = mapped_column(BigInteger)
    work_done: Mapped[int] = mapped_column(BigInteger, server_default="0")
    seconds: Mapped[float] = mapped_column(comment="core-seconds, by the planner's estimate")
    attempts: Mapped[int] = mapped_column(server_default="0")
    device: Mapped[str | None]
    error: Mapped[dict[str, Any] | None]
    waits: Mapped[int] = mapped_column(server_default="0")
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    served_at: Mapped[datetime | None] = mapped_column(comment="when a worker last took a part: the order of service")

    __table_args__ = (
        CheckConstraint(f"state IN {STATES}", name="job_state"),
        Index(
            "job_digest_live",
            digest,
            unique=True,
            postgresql_where=text("state IN ('queued', 'running', 'succeeded')"),
        ),
        Index("job_newest", created_at.desc(), id.desc()),
        Index(
            "job_claimable",
            served_at.nulls_first(),
            created_at,
            postgresql_where=text("parts_open > 0 AND waits = 0 AND state IN ('queued', 'running')"),
        ),
    )


class Awaited(Base):
    """The job needs the result of the other, which has not succeeded yet; the row goes when it has, or the job ends."""

    __tablename__ = "awaited"

    job_id: Mapped[UUID] = mapped_column(ForeignKey("job.id", ondelete="CASCADE"), primary_key=True)
    on_id: Mapped[UUID] = mapped_column(ForeignKey("job.id", ondelete="RESTRICT"), primary_key=True)

    __table_args__ = (Index("awaited_on", on_id),)


class Part(Base):
    """A piece of a job. `attempt` is the fence: it grows with every claim, and only its holder can commit.

    One that needs others is `waiting` until `waits`, the number of those that are not done, is 0.
    """

    __tablename__ = "part"

    job_id: Mapped[UUID] = mapped_column(ForeignKey("job.id", ondelete="CASCADE"), primary_key=True)
    index: Mapped[int] = mapped_column(Integer, primary_key=True)
    spec: Mapped[dict[str, Any]]
    work: Mapped[int] = mapped_column(BigInteger)
    state: Mapped[str] = mapped_column(server_default="queued")
    waits: Mapped[int] = mapped_column(server_default="0")
    opens: Mapped[list[int]] = mapped_column(server_default="{}", comment="the parts that wait for this one")
    attempt: Mapped[int] = mapped_column(server_default="0")
    failures: Mapped[int] = mapped_column(server_default="0")
    worker: Mapped[str | None]
    lease_until: Mapped[datetime | None] = mapped_column()
    error: Mapped[dict[str, Any] | None]

    __table_args__ = (
        CheckConstraint(f"state = 'waiting' OR state IN {STATES}", name="part_state"),
        Index("part_queued", job_id, index, postgresql_where=text("state = 'queued'")),
        Index("part_leases", lease_until, postgresql_where=text("state = 'running'")),
    )


class Event(Base):
    """A change of a job, numbered by the job's version after it: gapless, in the order of commits."""

    __tablename__ = "event"

    job_id: Mapped[UUID] = mapped_column(ForeignKey("job.id", ondelete="CASCADE"), primary_key=True)
    version: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    type: Mapped[str]
    state: Mapped[str]
    done: Mapped[int] = mapped_column(BigInteger)
    total: Mapped[int] = mapped_column(BigInteger)
    error: Mapped[dict[str, Any] | None]
    at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class Array(Base):
    """A named numeric array of a job or a dataset, as a matrix of shape[0] rows cut into tiles."""

    __tablename__ = "stored_array"  # `array` alone is a word of SQL

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    job_id: Mapped[UUID | None] = mapped_column(ForeignKey("job.id", ondelete="CASCADE"))
    dataset_id: Mapped[str | None] = mapped_column(ForeignKey("dataset.id", ondelete="CASCADE", onupdate="CASCADE"))
    name: Mapped[str]
    shape: Mapped[list[int]]
    dtype: Mapped[str]
    tile_rows: Mapped[int]
    tile_cols: Mapped[int]
    mirrored: Mapped[bool]
    error_bound: Mapped[float | None] = mapped_column(
        comment="what approximation may have added, in units of √(K(x,x) K(x',x')): the largest of all parts"
    )

    __table_args__ = (
        CheckConstraint("num_nonnulls(job_id, dataset_id) = 1", name="array_owner"),
        UniqueConstraint("job_id", "name", name="array_of_job"),
        UniqueConstraint("dataset_id", "name", name="array_of_dataset"),
    )


class Tile(Base):
    """A tile, and the digest of its entries in C order, little-endian: XXH3 (16 bytes), of older ones SHA-256 (32)."""

    __tablename__ = "tile"

    array_id: Mapped[int] = mapped_column(ForeignKey("stored_array.id", ondelete="CASCADE"), primary_key=True)
    row: Mapped[int] = mapped_column(primary_key=True)
    col: Mapped[int] = mapped_column(primary_key=True)
    digest: Mapped[bytes]


class Piece(Base):
    """Some of a tile's bytes, a page of them; a trigger removes them with the tile.

    Without a foreign key: to check it costs a third of what storing costs.
    """

    __tablename__ = "piece"

    array_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    row: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    col: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    index: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    data: Mapped[bytes]


class IdempotencyKey(Base):
    """A key that came with a request, and where what that request made can be found."""

    __tablename__ = "idempotency_key"

    key: Mapped[str] = mapped_column(primary_key=True)
    request: Mapped[str] = mapped_column(comment="digest of method, path and body")
    location: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())

    __table_args__ = (Index("idempotency_key_age", created_at),)
