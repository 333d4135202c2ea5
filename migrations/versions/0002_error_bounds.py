"""What approximation may have added to an array."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

ABOUT = "what approximation may have added, in units of √(K(x,x) K(x',x')): the largest of all parts"


def upgrade() -> None:
    op.add_column("stored_array", sa.Column("error_bound", sa.Double(), nullable=True, comment=ABOUT))


def downgrade() -> None:
    op.drop_column("stored_array", "error_bound")
