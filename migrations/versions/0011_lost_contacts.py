"""The few contacts that documents cannot be put on are found without reading all the others."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

LOST = sa.text("contact_status <> 'ACTIVE'")


def upgrade() -> None:
    op.create_index(
        "xero_contacts_lost_idx",
        "xero_contacts",
        ["xero_connection_id", "xero_contact_id"],
        postgresql_where=LOST,
        sqlite_where=LOST,
    )


def downgrade() -> None:
    op.drop_index("xero_contacts_lost_idx", table_name="xero_contacts")
