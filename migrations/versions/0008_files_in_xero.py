"""What was read back from Xero Files: when a file was last seen, and which chosen folder is gone."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("xero_file_pushes") as pushes:
        pushes.add_column(sa.Column("read_back_at", sa.DateTime(timezone=True), nullable=True))
    with op.batch_alter_table("xero_connections") as connections:
        connections.add_column(
            sa.Column("missing_folder_name", sa.String(length=255), nullable=True)
        )
        for name in ("files_check_due_at", "files_checked_at"):
            connections.add_column(sa.Column(name, sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("xero_connections") as connections:
        for name in ("files_checked_at", "files_check_due_at", "missing_folder_name"):
            connections.drop_column(name)
    with op.batch_alter_table("xero_file_pushes") as pushes:
        pushes.drop_column("read_back_at")
