"""Pushes are found by the day on which they were filed, and by their last change."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_index("xero_pushes_practice_idx", table_name="xero_file_pushes")
    op.create_index("xero_pushes_practice_idx", "xero_file_pushes", ["practice_id", "pushed_at"])
    op.create_index(
        "xero_pushes_changed_idx", "xero_file_pushes", ["xero_connection_id", "updated_at"]
    )


def downgrade() -> None:
    op.drop_index("xero_pushes_changed_idx", table_name="xero_file_pushes")
    op.drop_index("xero_pushes_practice_idx", table_name="xero_file_pushes")
    op.create_index("xero_pushes_practice_idx", "xero_file_pushes", ["practice_id"])
