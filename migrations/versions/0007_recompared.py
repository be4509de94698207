"""Which contacts were compared again since everything was."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("match_files", sa.Column("recompared", sa.LargeBinary(), nullable=True))


def downgrade() -> None:
    op.drop_column("match_files", "recompared")
