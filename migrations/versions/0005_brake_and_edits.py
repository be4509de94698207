"""Contact checks that stop and ask, who wins an edited field, and a daily reading of everything."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

JSON = sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql")


def upgrade() -> None:
    # Columns are only added: to recreate a table on SQLite would delete what refers to its rows.
    op.add_column("sync_runs", sa.Column("held_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column(
        "xero_connections",
        sa.Column("edited_fields", sa.String(length=20), nullable=False, server_default="ask"),
    )
    op.add_column(
        "xero_connections",
        sa.Column("brake_percent", sa.Integer(), nullable=False, server_default="20"),
    )
    op.add_column(
        "xero_connections", sa.Column("fully_read_at", sa.DateTime(timezone=True), nullable=True)
    )
    op.add_column(
        "xero_contact_mappings", sa.Column("kept", JSON, nullable=False, server_default="{}")
    )


def downgrade() -> None:
    op.drop_column("xero_contact_mappings", "kept")
    for column in ("fully_read_at", "brake_percent", "edited_fields"):
        op.drop_column("xero_connections", column)
    op.drop_column("sync_runs", "held_at")
