"""What a whole comparison knew, which change each contact came with, and twins within Xero."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

JSON = sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql")


def upgrade() -> None:
    op.add_column(
        "xero_contacts", sa.Column("revision", sa.Integer(), nullable=False, server_default="0")
    )
    op.add_column(
        "xero_connections",
        sa.Column("contacts_revision", sa.Integer(), nullable=False, server_default="0"),
    )
    op.create_table(
        "match_files",
        sa.Column("xero_connection_id", sa.Uuid(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("clients_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("contacts_revision", sa.Integer(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["xero_connection_id"],
            ["xero_connections.id"],
            name=op.f("fk_match_files_xero_connection_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("xero_connection_id", name=op.f("pk_match_files")),
    )
    op.create_table(
        "contact_twins",
        sa.Column("practice_id", sa.Uuid(), nullable=False),
        sa.Column("xero_connection_id", sa.Uuid(), nullable=False),
        sa.Column("first_contact_id", sa.String(length=255), nullable=False),
        sa.Column("second_contact_id", sa.String(length=255), nullable=False),
        sa.Column("score", sa.Integer(), nullable=False),
        sa.Column("reasons", JSON, nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["practice_id"],
            ["practices.id"],
            name=op.f("fk_contact_twins_practice_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["xero_connection_id"],
            ["xero_connections.id"],
            name=op.f("fk_contact_twins_xero_connection_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_contact_twins")),
    )
    op.create_index(
        "contact_twins_pair_idx",
        "contact_twins",
        ["xero_connection_id", "first_contact_id", "second_contact_id"],
        unique=True,
    )
    op.create_index(
        "contact_twins_second_idx", "contact_twins", ["xero_connection_id", "second_contact_id"]
    )


def downgrade() -> None:
    op.drop_table("contact_twins")
    op.drop_table("match_files")
    op.drop_column("xero_connections", "contacts_revision")
    op.drop_column("xero_contacts", "revision")
