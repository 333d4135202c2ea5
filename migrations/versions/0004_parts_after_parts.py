"""Parts that wait for other parts of their job."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

STATES = "state IN ('queued', 'running', 'succeeded', 'failed', 'cancelled')"


def upgrade() -> None:
    op.add_column("part", sa.Column("waits", sa.Integer(), server_default="0", nullable=False))
    op.add_column(
        "part",
        sa.Column(
            "opens",
            sa.ARRAY(sa.BigInteger()),
            server_default="{}",
            nullable=False,
            comment="the parts that wait for this one",
        ),
    )
    op.drop_constraint("part_state", "part")
    op.create_check_constraint("part_state", "part", f"state = 'waiting' OR {STATES}")


def downgrade() -> None:
    """Jobs whose parts wait for others are unknown to older versions: they go."""
    op.execute("DELETE FROM job WHERE id IN (SELECT job_id FROM part WHERE opens <> '{}')")
    op.drop_constraint("part_state", "part")
    op.create_check_constraint("part_state", "part", STATES)
    op.drop_column("part", "opens")
    op.drop_column("part", "waits")
