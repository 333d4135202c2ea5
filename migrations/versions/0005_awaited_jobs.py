"""Jobs that wait for several others."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

LIVE = "state IN ('queued', 'running')"


def upgrade() -> None:
    op.create_table(
        "awaited",
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("on_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["on_id"], ["job.id"], ondelete="RESTRICT"),
        sa.PrimaryKeyConstraint("job_id", "on_id"),
    )
    op.create_index("awaited_on", "awaited", ["on_id"], unique=False)
    op.add_column("job", sa.Column("waits", sa.Integer(), server_default="0", nullable=False))
    op.execute("INSERT INTO awaited SELECT id, waits_for FROM job WHERE waits_for IS NOT NULL")
    op.execute("UPDATE job SET waits = 1 WHERE waits_for IS NOT NULL")
    op.drop_index("job_waits_for", table_name="job")
    op.drop_index("job_claimable", table_name="job")
    op.drop_column("job", "waits_for")
    _index_claimable("waits = 0")


def downgrade() -> None:
    """Jobs that wait for several others are unknown to older versions: they go, and with them who waits for those."""
    op.execute("""
        WITH RECURSIVE going AS (
            SELECT id FROM job WHERE waits > 1
            UNION SELECT job_id FROM awaited JOIN going ON on_id = going.id)
        UPDATE job SET waits = 2 FROM going WHERE job.id = going.id""")
    op.execute("DELETE FROM awaited USING job WHERE job.id = job_id AND waits = 2")
    op.execute("DELETE FROM job WHERE waits = 2")
    op.add_column("job", sa.Column("waits_for", sa.Uuid(), sa.ForeignKey("job.id", ondelete="RESTRICT"), nullable=True))
    op.execute("UPDATE job SET waits_for = on_id FROM awaited WHERE job_id = job.id")
    op.drop_table("awaited")
    op.drop_index("job_claimable", table_name="job")
    op.drop_column("job", "waits")
    _index_claimable("waits_for IS NULL")
    op.create_index(
        "job_waits_for", "job", ["waits_for"], unique=False, postgresql_where=sa.text("waits_for IS NOT NULL")
    )


def _index_claimable(unhindered: str) -> None:
    op.create_index(
        "job_claimable",
        "job",
        [sa.literal_column("served_at NULLS FIRST"), "created_at"],
        unique=False,
        postgresql_where=sa.text(f"parts_open > 0 AND {unhindered} AND {LIVE}"),
    )
