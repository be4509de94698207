"""What people decide for good: names of group tags, and contacts that are not in Xero twice."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "group_choices",
        sa.Column("practice_id", sa.Uuid(), nullable=False),
        sa.Column("xero_group_id", sa.String(length=255), nullable=False),
        sa.Column("tag_name", sa.String(length=255), nullable=True),
        sa.Column("decided_by_id", sa.Uuid(), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["decided_by_id"],
            ["users.id"],
            name=op.f("fk_group_choices_decided_by_id"),
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(
            ["practice_id"],
            ["practices.id"],
            name=op.f("fk_group_choices_practice_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("practice_id", "xero_group_id", name=op.f("pk_group_choices")),
    )
    op.add_column("contact_twins", sa.Column("apart_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("contact_twins", sa.Column("apart_by_id", sa.Uuid(), nullable=True))


def downgrade() -> None:
    op.drop_column("contact_twins", "apart_by_id")
    op.drop_column("contact_twins", "apart_at")
    op.drop_table("group_choices")
