"""Who decided that a contact is a client."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("sync_run_items", sa.Column("decided_by_id", sa.Uuid(), nullable=True))
    op.add_column("xero_contact_mappings", sa.Column("linked_by_id", sa.Uuid(), nullable=True))


def downgrade() -> None:
    op.drop_column("xero_contact_mappings", "linked_by_id")
    op.drop_column("sync_run_items", "decided_by_id")
