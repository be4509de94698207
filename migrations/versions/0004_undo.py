"""Imports that can be undone: what was there before, and quick deletion of clients."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

JSON = sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql")

# To delete a client the database looks for what refers to it: without these, row by row.
CLIENT_INDEXES = (
    ("sync_run_items_client_idx", "sync_run_items"),
    ("draft_decisions_client_idx", "draft_decisions"),
    ("match_decisions_client_idx", "match_decisions"),
    ("xero_mapping_client_idx", "xero_contact_mappings"),
    ("xero_pushes_client_idx", "xero_file_pushes"),
)


def upgrade() -> None:
    op.add_column("sync_runs", sa.Column("undoes_id", sa.Uuid(), nullable=True))
    op.add_column("sync_run_items", sa.Column("before", JSON, nullable=True))
    for name, table in CLIENT_INDEXES:
        op.create_index(name, table, ["client_id"])


def downgrade() -> None:
    for name, table in CLIENT_INDEXES:
        op.drop_index(name, table_name=table)
    op.drop_column("sync_run_items", "before")
    op.drop_column("sync_runs", "undoes_id")
