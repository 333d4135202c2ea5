"""Datasets, jobs with their parts and events, arrays as tiles, idempotency keys."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "dataset",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("source", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("provenance", sa.Text(), nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "dataset_newest", "dataset", [sa.literal_column("created_at DESC"), sa.literal_column("id DESC")], unique=False
    )
    op.create_table(
        "idempotency_key",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("request", sa.Text(), nullable=False, comment="digest of method, path and body"),
        sa.Column("location", sa.Text(), nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("key"),
    )
    op.create_index("idempotency_key_age", "idempotency_key", ["created_at"], unique=False)
    op.create_table(
        "job",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("spec", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("engine", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default="queued", nullable=False),
        sa.Column("version", sa.BigInteger(), server_default="1", nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("parts_total", sa.Integer(), nullable=False),
        sa.Column("parts_open", sa.Integer(), nullable=False),
        sa.Column("parts_done", sa.Integer(), server_default="0", nullable=False),
        sa.Column("work_total", sa.BigInteger(), nullable=False),
        sa.Column("work_done", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("seconds", sa.Double(), nullable=False, comment="core-seconds, by the planner's estimate"),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("device", sa.Text(), nullable=True),
        sa.Column("error", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("waits_for", sa.Uuid(), nullable=True),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "served_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="when a worker last took a part: the order of service",
        ),
        sa.CheckConstraint("state IN ('queued', 'running', 'succeeded', 'failed', 'cancelled')", name="job_state"),
        sa.ForeignKeyConstraint(["waits_for"], ["job.id"], ondelete="RESTRICT"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "job_claimable",
        "job",
        [sa.literal_column("served_at NULLS FIRST"), "created_at"],
        unique=False,
        postgresql_where=sa.text("parts_open > 0 AND waits_for IS NULL AND state IN ('queued', 'running')"),
    )
    op.create_index(
        "job_digest_live",
        "job",
        ["digest"],
        unique=True,
        postgresql_where=sa.text("state IN ('queued', 'running', 'succeeded')"),
    )
    op.create_index(
        "job_newest", "job", [sa.literal_column("created_at DESC"), sa.literal_column("id DESC")], unique=False
    )
    op.create_index(
        "job_waits_for", "job", ["waits_for"], unique=False, postgresql_where=sa.text("waits_for IS NOT NULL")
    )
    op.create_table(
        "stored_array",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("job_id", sa.Uuid(), nullable=True),
        sa.Column("dataset_id", sa.Text(), nullable=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("shape", sa.ARRAY(sa.BigInteger()), nullable=False),
        sa.Column("dtype", sa.Text(), nullable=False),
        sa.Column("tile_rows", sa.Integer(), nullable=False),
        sa.Column("tile_cols", sa.Integer(), nullable=False),
        sa.Column("mirrored", sa.Boolean(), nullable=False),
        sa.CheckConstraint("num_nonnulls(job_id, dataset_id) = 1", name="array_owner"),
        sa.ForeignKeyConstraint(["dataset_id"], ["dataset.id"], ondelete="CASCADE", onupdate="CASCADE"),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("dataset_id", "name", name="array_of_dataset"),
        sa.UniqueConstraint("job_id", "name", name="array_of_job"),
    )
    op.create_table(
        "event",
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("done", sa.BigInteger(), nullable=False),
        sa.Column("total", sa.BigInteger(), nullable=False),
        sa.Column("error", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job_id", "version"),
    )
    op.create_table(
        "part",
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("index", sa.Integer(), nullable=False),
        sa.Column("spec", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("work", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), server_default="queued", nullable=False),
        sa.Column("attempt", sa.Integer(), server_default="0", nullable=False),
        sa.Column("failures", sa.Integer(), server_default="0", nullable=False),
        sa.Column("worker", sa.Text(), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("error", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.CheckConstraint("state IN ('queued', 'running', 'succeeded', 'failed', 'cancelled')", name="part_state"),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job_id", "index"),
    )
    op.create_index("part_leases", "part", ["lease_until"], unique=False, postgresql_where=sa.text("state = 'running'"))
    op.create_index(
        "part_queued", "part", ["job_id", "index"], unique=False, postgresql_where=sa.text("state = 'queued'")
    )
    op.create_table(
        "tile",
        sa.Column("array_id", sa.BigInteger(), nullable=False),
        sa.Column("row", sa.Integer(), nullable=False),
        sa.Column("col", sa.Integer(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["array_id"], ["stored_array.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("array_id", "row", "col"),
    )
    # Mantissas do not compress: do not try, and let substring() read a slice of a tile.
    op.execute("ALTER TABLE tile ALTER COLUMN data SET STORAGE EXTERNAL")


def downgrade() -> None:
    op.drop_table("tile")
    op.drop_index("part_queued", table_name="part", postgresql_where=sa.text("state = 'queued'"))
    op.drop_index("part_leases", table_name="part", postgresql_where=sa.text("state = 'running'"))
    op.drop_table("part")
    op.drop_table("event")
    op.drop_table("stored_array")
    op.drop_index("job_waits_for", table_name="job", postgresql_where=sa.text("waits_for IS NOT NULL"))
    op.drop_index("job_newest", table_name="job")
    op.drop_index(
        "job_digest_live", table_name="job", postgresql_where=sa.text("state IN ('queued', 'running', 'succeeded')")
    )
    op.drop_index(
        "job_claimable",
        table_name="job",
        postgresql_where=sa.text("parts_open > 0 AND waits_for IS NULL AND state IN ('queued', 'running')"),
    )
    op.drop_table("job")
    op.drop_index("idempotency_key_age", table_name="idempotency_key")
    op.drop_table("idempotency_key")
    op.drop_index("dataset_newest", table_name="dataset")
    op.drop_table("dataset")
