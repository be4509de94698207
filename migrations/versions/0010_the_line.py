"""Pushes in the order of their promise, and where a file lies that somebody moved in Xero."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "xero_file_pushes", sa.Column("moved_to_folder", sa.String(length=255), nullable=True)
    )
    op.create_index(
        "xero_pushes_line_idx", "xero_file_pushes", ["xero_connection_id", "status", "created_at"]
    )
    op.drop_index("xero_pushes_due_idx", table_name="xero_file_pushes")


def downgrade() -> None:
    op.create_index(
        "xero_pushes_due_idx", "xero_file_pushes", ["xero_connection_id", "status", "not_before"]
    )
    op.drop_index("xero_pushes_line_idx", table_name="xero_file_pushes")
    op.drop_column("xero_file_pushes", "moved_to_folder")
