"""Calls to Xero by organisation, hour and purpose, the last one's moment included; why runs wait."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "xero_calls",
        sa.Column("xero_tenant_id", sa.String(length=255), nullable=False),
        sa.Column("hour", sa.DateTime(timezone=True), nullable=False),
        sa.Column("purpose", sa.String(length=20), nullable=False),
        sa.Column("calls", sa.Integer(), nullable=False),
        sa.Column("bytes_sent", sa.BigInteger(), nullable=False),
        sa.Column("bytes_received", sa.BigInteger(), nullable=False),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("xero_tenant_id", "hour", "purpose", name=op.f("pk_xero_calls")),
    )
    op.drop_column("xero_connections", "last_call_at")
    op.add_column("sync_runs", sa.Column("waits_because", sa.String(length=255), nullable=True))


def downgrade() -> None:
    op.drop_column("sync_runs", "waits_because")
    op.add_column(
        "xero_connections", sa.Column("last_call_at", sa.DateTime(timezone=True), nullable=True)
    )
    op.drop_table("xero_calls")
