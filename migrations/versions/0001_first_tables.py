"""The first tables: practices, clients, documents, connections, contacts, runs, pushes, alerts."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "practices",
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("time_zone", sa.String(length=255), nullable=False),
        sa.Column("clients_changed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_practices")),
    )
    op.create_table(
        "clients",
        sa.Column("practice_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("email", sa.String(length=255), nullable=True),
        sa.Column("phone", sa.String(length=255), nullable=True),
        sa.Column("company_number", sa.String(length=255), nullable=True),
        sa.Column("tax_number", sa.String(length=255), nullable=True),
        sa.Column("xero_contact_id", sa.String(length=255), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["practice_id"],
            ["practices.id"],
            name=op.f("fk_clients_practice_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_clients")),
    )
    op.create_index(
        "clients_practice_name_idx", "clients", ["practice_id", "name", "id"], unique=False
    )
    op.create_index(
        "clients_practice_xero_contact_idx",
        "clients",
        ["practice_id", "xero_contact_id"],
        unique=False,
    )
    op.create_table(
        "practice_salts",
        sa.Column("practice_id", sa.Uuid(), nullable=False),
        sa.Column("salt", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["practice_id"],
            ["practices.id"],
            name=op.f("fk_practice_salts_practice_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("practice_id", name=op.f("pk_practice_salts")),
    )
    op.create_table(
        "key_checks",
        sa.Column("key_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("sealed", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("key_id", name=op.f("pk_key_checks")),
    )
    op.create_table(
        "tags",
        sa.Column("practice_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("source", sa.String(20), nullable=False),
        sa.Column("xero_group_id", sa.String(length=255), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["practice_id"], ["practices.id"], name=op.f("fk_tags_practice_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tags")),
    )
    op.create_index("tags_practice_name_idx", "tags", ["practice_id", "name"], unique=True)
    op.create_table(
        "users",
        sa.Column("practice_id", sa.Uuid(), nullable=False),
        sa.Column("email", sa.String(length=255), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("role", sa.String(20), nullable=False),
        sa.Column("signed_in_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["practice_id"], ["practices.id"], name=op.f("fk_users_practice_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
    )
    op.create_index("users_email_idx", "users", ["email"], unique=True)
    op.create_index("users_practice_idx", "users", ["practice_id"], unique=False)
    op.create_table(
        "alerts",
        sa.Column("practice_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=True),
        sa.Column("cause", sa.String(40), nullable=False),
        sa.Column("tone", sa.String(length=20), nullable=False),
        sa.Column("title", sa.String(length=255), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["practice_id"],
            ["practices.id"],
            name=op.f("fk_alerts_practice_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_alerts_user_id"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alerts")),
    )
    op.create_index(
        "alerts_open_idx",
        "alerts",
        ["practice_id", "cause"],
        unique=True,
        postgresql_where=sa.text("closed_at IS NULL"),
        sqlite_where=sa.text("closed_at IS NULL"),
    )
    op.create_index("alerts_practice_idx", "alerts", ["practice_id", "created_at"], unique=False)
    op.create_table(
        "alert_mails",
        sa.Column("practice_id", sa.Uuid(), nullable=False),
        sa.Column("alert_id", sa.Uuid(), nullable=True),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("not_before", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("dropped_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("lease_owner", sa.String(length=255), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("server_said", sa.Text(), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["alert_id"], ["alerts.id"], name=op.f("fk_alert_mails_alert_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["practice_id"],
            ["practices.id"],
            name=op.f("fk_alert_mails_practice_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_alert_mails_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alert_mails")),
    )
    op.create_index(
        "alert_mails_alert_idx", "alert_mails", ["alert_id", "user_id", "number"], unique=True
    )
    op.create_index(
        "alert_mails_digest_idx",
        "alert_mails",
        ["user_id"],
        unique=True,
        postgresql_where=sa.text("alert_id IS NULL AND sent_at IS NULL AND dropped_at IS NULL"),
        sqlite_where=sa.text("alert_id IS NULL AND sent_at IS NULL AND dropped_at IS NULL"),
    )
    op.create_index(
        "alert_mails_due_idx",
        "alert_mails",
        ["not_before"],
        unique=False,
        postgresql_where=sa.text("sent_at IS NULL AND dropped_at IS NULL"),
        sqlite_where=sa.text("sent_at IS NULL AND dropped_at IS NULL"),
    )
    op.create_index("alert_mails_practice_idx", "alert_mails", ["practice_id"], unique=False)
    op.create_table(
        "client_documents",
        sa.Column("practice_id", sa.Uuid(), nullable=False),
        sa.Column("client_id", sa.Uuid(), nullable=False),
        sa.Column("document_type", sa.String(length=60), nullable=False),
        sa.Column("tax_year", sa.String(length=20), nullable=False),
        sa.Column("file_name", sa.String(length=255), nullable=False),
        sa.Column("extension", sa.String(length=20), nullable=False),
        sa.Column("mime_type", sa.String(length=255), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("content_sha256", sa.String(length=64), nullable=False),
        sa.Column("storage_key", sa.String(length=255), nullable=False),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("scan_status", sa.String(20), nullable=False),
        sa.Column("uploaded_by_id", sa.Uuid(), nullable=True),
        sa.Column("decided_by_id", sa.Uuid(), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("xero_file_id", sa.String(length=255), nullable=True),
        sa.Column("xero_pushed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["client_id"],
            ["clients.id"],
            name=op.f("fk_client_documents_client_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["decided_by_id"],
            ["users.id"],
            name=op.f("fk_client_documents_decided_by_id"),
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(
            ["practice_id"],
            ["practices.id"],
            name=op.f("fk_client_documents_practice_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["uploaded_by_id"],
            ["users.id"],
            name=op.f("fk_client_documents_uploaded_by_id"),
            ondelete="SET NULL",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_client_documents")),
    )
    op.create_index("client_documents_client_idx", "client_documents", ["client_id"], unique=False)
    op.create_index(
        "client_documents_practice_idx",
        "client_documents",
        ["practice_id", "created_at", "id"],
        unique=False,
    )
    op.create_table(
        "client_tags",
        sa.Column("client_id", sa.Uuid(), nullable=False),
        sa.Column("tag_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["client_id"], ["clients.id"], name=op.f("fk_client_tags_client_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["tag_id"], ["tags.id"], name=op.f("fk_client_tags_tag_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("client_id", "tag_id", name=op.f("pk_client_tags")),
    )
    op.create_index("client_tags_tag_idx", "client_tags", ["tag_id"], unique=False)
    op.create_table(
        "oauth_attempts",
        sa.Column("practice_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("browser_hash", sa.String(length=255), nullable=False),
        sa.Column("state_hash", sa.String(length=255), nullable=False),
        sa.Column("nonce_encrypted", sa.Text(), nullable=False),
        sa.Column("code_verifier_encrypted", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("access_token_encrypted", sa.Text(), nullable=True),
        sa.Column("refresh_token_encrypted", sa.Text(), nullable=True),
        sa.Column("token_expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("grant", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=True),
        sa.Column(
            "choices", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=True
        ),
        sa.Column("change", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=True),
        sa.Column("chosen_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["practice_id"],
            ["practices.id"],
            name=op.f("fk_oauth_attempts_practice_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_oauth_attempts_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_oauth_attempts")),
    )
    op.create_index("oauth_attempts_state_idx", "oauth_attempts", ["state_hash"], unique=True)
    op.create_table(
        "xero_connections",
        sa.Column("practice_id", sa.Uuid(), nullable=False),
        sa.Column("xero_tenant_id", sa.String(length=255), nullable=False),
        sa.Column("xero_org_name", sa.String(length=255), nullable=True),
        sa.Column("short_code", sa.String(length=255), nullable=True),
        sa.Column("tenant_type", sa.String(length=255), nullable=False),
        sa.Column("xero_connection_id", sa.String(length=255), nullable=True),
        sa.Column("auth_event_id", sa.String(length=255), nullable=True),
        sa.Column("xero_userid", sa.String(length=255), nullable=True),
        sa.Column("connected_by_id", sa.Uuid(), nullable=True),
        sa.Column("connected_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("disconnected_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("access_token_encrypted", sa.Text(), nullable=True),
        sa.Column("refresh_token_encrypted", sa.Text(), nullable=True),
        sa.Column("previous_refresh_token_encrypted", sa.Text(), nullable=True),
        sa.Column("previous_refresh_token_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("key_id", sa.Integer(), nullable=True),
        sa.Column("token_version", sa.Integer(), nullable=False),
        sa.Column("token_expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("token_last_refreshed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "scopes", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False
        ),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("last_sync_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_sync_contact_count", sa.Integer(), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("last_error_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_error_status", sa.Integer(), nullable=True),
        sa.Column("last_error_reference", sa.String(length=255), nullable=True),
        sa.Column("consecutive_errors", sa.Integer(), nullable=False),
        sa.Column("last_good_call_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_call_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("waits_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("waits_because", sa.String(length=255), nullable=True),
        sa.Column("auto_sync_contacts", sa.Boolean(), nullable=False),
        sa.Column("push_documents_to_xero", sa.Boolean(), nullable=False),
        sa.Column("xero_folder_id", sa.String(length=255), nullable=True),
        sa.Column("create_year_folders", sa.Boolean(), nullable=False),
        sa.Column("refresh_due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("refresh_started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("refresh_lease_owner", sa.String(length=255), nullable=True),
        sa.Column("refresh_lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("sync_due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("contacts_checkpoint", sa.DateTime(timezone=True), nullable=True),
        sa.Column("matched_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("health_due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("push_lease_owner", sa.String(length=255), nullable=True),
        sa.Column("push_lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["connected_by_id"],
            ["users.id"],
            name=op.f("fk_xero_connections_connected_by_id"),
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(
            ["practice_id"],
            ["practices.id"],
            name=op.f("fk_xero_connections_practice_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_xero_connections")),
    )
    op.create_index(
        "xero_connections_health_due_idx", "xero_connections", ["health_due_at"], unique=False
    )
    op.create_index(
        "xero_connections_practice_idx",
        "xero_connections",
        ["practice_id"],
        unique=True,
        postgresql_where=sa.text("status <> 'disconnected'"),
        sqlite_where=sa.text("status <> 'disconnected'"),
    )
    op.create_index(
        "xero_connections_practice_tenant_idx",
        "xero_connections",
        ["practice_id", "xero_tenant_id"],
        unique=True,
    )
    op.create_index(
        "xero_connections_refresh_due_idx", "xero_connections", ["refresh_due_at"], unique=False
    )
    op.create_index(
        "xero_connections_sync_due_idx", "xero_connections", ["sync_due_at"], unique=False
    )
    op.create_index(
        "xero_connections_tenant_idx",
        "xero_connections",
        ["xero_tenant_id"],
        unique=True,
        postgresql_where=sa.text("status <> 'disconnected'"),
        sqlite_where=sa.text("status <> 'disconnected'"),
    )
    op.create_table(
        "match_decisions",
        sa.Column("practice_id", sa.Uuid(), nullable=False),
        sa.Column("xero_connection_id", sa.Uuid(), nullable=False),
        sa.Column("xero_contact_id", sa.String(length=255), nullable=False),
        sa.Column("client_id", sa.Uuid(), nullable=True),
        sa.Column("verdict", sa.String(20), nullable=False),
        sa.Column("decided_by_id", sa.Uuid(), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["client_id"],
            ["clients.id"],
            name=op.f("fk_match_decisions_client_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["decided_by_id"],
            ["users.id"],
            name=op.f("fk_match_decisions_decided_by_id"),
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(
            ["practice_id"],
            ["practices.id"],
            name=op.f("fk_match_decisions_practice_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["xero_connection_id"],
            ["xero_connections.id"],
            name=op.f("fk_match_decisions_xero_connection_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_match_decisions")),
    )
    op.create_index(
        "match_decisions_pair_idx",
        "match_decisions",
        ["xero_connection_id", "xero_contact_id", "client_id"],
        unique=True,
    )
    op.create_table(
        "sync_runs",
        sa.Column("practice_id", sa.Uuid(), nullable=False),
        sa.Column("xero_connection_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("status", sa.String(30), nullable=False),
        sa.Column("started_by_id", sa.Uuid(), nullable=True),
        sa.Column("total", sa.Integer(), nullable=True),
        sa.Column("done", sa.Integer(), nullable=False),
        sa.Column("created", sa.Integer(), nullable=False),
        sa.Column("linked", sa.Integer(), nullable=False),
        sa.Column("updated", sa.Integer(), nullable=False),
        sa.Column("skipped", sa.Integer(), nullable=False),
        sa.Column("problems", sa.Integer(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column(
            "technical_details",
            sa.JSON().with_variant(postgresql.JSONB(), "postgresql"),
            nullable=True,
        ),
        sa.Column(
            "progress", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False
        ),
        sa.Column("not_before", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lease_owner", sa.String(length=255), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["practice_id"],
            ["practices.id"],
            name=op.f("fk_sync_runs_practice_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["started_by_id"],
            ["users.id"],
            name=op.f("fk_sync_runs_started_by_id"),
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(
            ["xero_connection_id"],
            ["xero_connections.id"],
            name=op.f("fk_sync_runs_xero_connection_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sync_runs")),
    )
    op.create_index(
        "sync_runs_practice_idx", "sync_runs", ["practice_id", "created_at", "id"], unique=False
    )
    op.create_index("sync_runs_status_idx", "sync_runs", ["status", "not_before"], unique=False)
    op.create_index(
        "sync_runs_unfinished_idx",
        "sync_runs",
        ["practice_id", "kind"],
        unique=True,
        postgresql_where=sa.text("status IN ('waiting', 'running', 'waiting_for_xero')"),
        sqlite_where=sa.text("status IN ('waiting', 'running', 'waiting_for_xero')"),
    )
    op.create_table(
        "xero_contacts",
        sa.Column("practice_id", sa.Uuid(), nullable=False),
        sa.Column("xero_connection_id", sa.Uuid(), nullable=False),
        sa.Column("xero_contact_id", sa.String(length=255), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("first_name", sa.String(length=255), nullable=True),
        sa.Column("last_name", sa.String(length=255), nullable=True),
        sa.Column("email", sa.String(length=255), nullable=True),
        sa.Column(
            "phones", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False
        ),
        sa.Column(
            "addresses", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False
        ),
        sa.Column("tax_number", sa.String(length=255), nullable=True),
        sa.Column("company_number", sa.String(length=255), nullable=True),
        sa.Column("contact_status", sa.String(length=20), nullable=False),
        sa.Column("is_supplier", sa.Boolean(), nullable=False),
        sa.Column("is_customer", sa.Boolean(), nullable=False),
        sa.Column(
            "groups", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False
        ),
        sa.Column("merged_to_contact_id", sa.String(length=255), nullable=True),
        sa.Column("xero_updated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("content_hash", sa.String(length=64), nullable=False),
        sa.Column("sort_name", sa.String(length=255), nullable=False),
        sa.Column("search_text", sa.Text(), nullable=False),
        sa.Column("match", sa.String(length=20), nullable=False),
        sa.Column(
            "candidates", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False
        ),
        sa.Column("read_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["practice_id"],
            ["practices.id"],
            name=op.f("fk_xero_contacts_practice_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["xero_connection_id"],
            ["xero_connections.id"],
            name=op.f("fk_xero_contacts_xero_connection_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_xero_contacts")),
    )
    op.create_index(
        "xero_contacts_contact_idx",
        "xero_contacts",
        ["xero_connection_id", "xero_contact_id"],
        unique=True,
    )
    op.create_index(
        "xero_contacts_match_idx", "xero_contacts", ["xero_connection_id", "match"], unique=False
    )
    op.create_index(
        "xero_contacts_name_idx",
        "xero_contacts",
        ["xero_connection_id", "sort_name", "id"],
        unique=False,
    )
    op.create_table(
        "xero_file_pushes",
        sa.Column("practice_id", sa.Uuid(), nullable=False),
        sa.Column("xero_connection_id", sa.Uuid(), nullable=False),
        sa.Column("document_id", sa.Uuid(), nullable=False),
        sa.Column("client_id", sa.Uuid(), nullable=False),
        sa.Column("xero_file_id", sa.String(length=255), nullable=True),
        sa.Column("xero_folder_id", sa.String(length=255), nullable=True),
        sa.Column("xero_association_object_id", sa.String(length=255), nullable=True),
        sa.Column("folder_name", sa.String(length=255), nullable=True),
        sa.Column("file_name", sa.String(length=255), nullable=True),
        sa.Column("content_sha256", sa.String(length=64), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("cause", sa.String(length=255), nullable=True),
        sa.Column("last_http_status", sa.Integer(), nullable=True),
        sa.Column(
            "technical_details",
            sa.JSON().with_variant(postgresql.JSONB(), "postgresql"),
            nullable=True,
        ),
        sa.Column("retry_count", sa.Integer(), nullable=False),
        sa.Column("idempotency_key", sa.Uuid(), nullable=False),
        sa.Column("upload_key_number", sa.Integer(), nullable=False),
        sa.Column("association_key_number", sa.Integer(), nullable=False),
        sa.Column("outcome_unknown", sa.Boolean(), nullable=False),
        sa.Column("looks", sa.Integer(), nullable=False),
        sa.Column("deaths", sa.Integer(), nullable=False),
        sa.Column("first_attempt_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("not_before", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lease_owner", sa.String(length=255), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("pushed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["client_id"],
            ["clients.id"],
            name=op.f("fk_xero_file_pushes_client_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["document_id"],
            ["client_documents.id"],
            name=op.f("fk_xero_file_pushes_document_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["practice_id"],
            ["practices.id"],
            name=op.f("fk_xero_file_pushes_practice_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["xero_connection_id"],
            ["xero_connections.id"],
            name=op.f("fk_xero_file_pushes_xero_connection_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_xero_file_pushes")),
    )
    op.create_index(
        "xero_pushes_connection_document_idx",
        "xero_file_pushes",
        ["xero_connection_id", "document_id"],
        unique=True,
    )
    op.create_index("xero_pushes_document_idx", "xero_file_pushes", ["document_id"], unique=False)
    op.create_index(
        "xero_pushes_due_idx",
        "xero_file_pushes",
        ["xero_connection_id", "status", "not_before"],
        unique=False,
    )
    op.create_index(
        "xero_pushes_name_idx",
        "xero_file_pushes",
        ["xero_connection_id", "folder_name", "file_name"],
        unique=True,
    )
    op.create_index("xero_pushes_practice_idx", "xero_file_pushes", ["practice_id"], unique=False)
    op.create_index("xero_pushes_status_idx", "xero_file_pushes", ["status"], unique=False)
    op.create_table(
        "xero_folders",
        sa.Column("practice_id", sa.Uuid(), nullable=False),
        sa.Column("xero_connection_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("xero_folder_id", sa.String(length=255), nullable=True),
        sa.Column("idempotency_key", sa.Uuid(), nullable=False),
        sa.Column("lease_owner", sa.String(length=255), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["practice_id"],
            ["practices.id"],
            name=op.f("fk_xero_folders_practice_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["xero_connection_id"],
            ["xero_connections.id"],
            name=op.f("fk_xero_folders_xero_connection_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_xero_folders")),
    )
    op.create_index(
        "xero_folders_name_idx", "xero_folders", ["xero_connection_id", "name"], unique=True
    )
    op.create_table(
        "import_drafts",
        sa.Column("practice_id", sa.Uuid(), nullable=False),
        sa.Column("xero_connection_id", sa.Uuid(), nullable=False),
        sa.Column("run_id", sa.Uuid(), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["practice_id"],
            ["practices.id"],
            name=op.f("fk_import_drafts_practice_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["run_id"], ["sync_runs.id"], name=op.f("fk_import_drafts_run_id"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["xero_connection_id"],
            ["xero_connections.id"],
            name=op.f("fk_import_drafts_xero_connection_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_import_drafts")),
    )
    op.create_index(
        "import_drafts_open_idx",
        "import_drafts",
        ["xero_connection_id"],
        unique=True,
        postgresql_where=sa.text("run_id IS NULL"),
        sqlite_where=sa.text("run_id IS NULL"),
    )
    op.create_table(
        "push_events",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("push_id", sa.Uuid(), nullable=False),
        sa.Column("practice_id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("sentence", sa.Text(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=True),
        sa.Column(
            "details", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=True
        ),
        sa.ForeignKeyConstraint(
            ["practice_id"],
            ["practices.id"],
            name=op.f("fk_push_events_practice_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["push_id"],
            ["xero_file_pushes.id"],
            name=op.f("fk_push_events_push_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_push_events")),
    )
    op.create_index("push_events_push_idx", "push_events", ["push_id", "id"], unique=False)
    op.create_table(
        "sync_run_items",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("practice_id", sa.Uuid(), nullable=False),
        sa.Column("xero_contact_id", sa.String(length=255), nullable=False),
        sa.Column("contact_name", sa.String(length=255), nullable=False),
        sa.Column("action", sa.String(length=20), nullable=False),
        sa.Column("client_id", sa.Uuid(), nullable=True),
        sa.Column("outcome", sa.String(20), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column(
            "changes", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=True
        ),
        sa.ForeignKeyConstraint(
            ["client_id"],
            ["clients.id"],
            name=op.f("fk_sync_run_items_client_id"),
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(
            ["practice_id"],
            ["practices.id"],
            name=op.f("fk_sync_run_items_practice_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["run_id"], ["sync_runs.id"], name=op.f("fk_sync_run_items_run_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sync_run_items")),
        sa.UniqueConstraint(
            "run_id", "xero_contact_id", name=op.f("uq_sync_run_items_run_id_xero_contact_id")
        ),
    )
    op.create_index(
        "sync_run_items_outcome_idx", "sync_run_items", ["run_id", "outcome", "id"], unique=False
    )
    op.create_table(
        "xero_contact_mappings",
        sa.Column("practice_id", sa.Uuid(), nullable=False),
        sa.Column("client_id", sa.Uuid(), nullable=False),
        sa.Column("xero_connection_id", sa.Uuid(), nullable=False),
        sa.Column("xero_contact_id", sa.String(length=255), nullable=False),
        sa.Column("xero_contact_name", sa.String(length=255), nullable=True),
        sa.Column("last_synced_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("made_by_run_id", sa.Uuid(), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["client_id"],
            ["clients.id"],
            name=op.f("fk_xero_contact_mappings_client_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["made_by_run_id"],
            ["sync_runs.id"],
            name=op.f("fk_xero_contact_mappings_made_by_run_id"),
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(
            ["practice_id"],
            ["practices.id"],
            name=op.f("fk_xero_contact_mappings_practice_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["xero_connection_id"],
            ["xero_connections.id"],
            name=op.f("fk_xero_contact_mappings_xero_connection_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_xero_contact_mappings")),
    )
    op.create_index(
        "xero_mapping_connection_client_idx",
        "xero_contact_mappings",
        ["xero_connection_id", "client_id"],
        unique=True,
    )
    op.create_index(
        "xero_mapping_connection_contact_idx",
        "xero_contact_mappings",
        ["xero_connection_id", "xero_contact_id"],
        unique=True,
    )
    op.create_index(
        "xero_mapping_practice_idx", "xero_contact_mappings", ["practice_id"], unique=False
    )
    op.create_table(
        "draft_decisions",
        sa.Column("draft_id", sa.Uuid(), nullable=False),
        sa.Column("xero_contact_id", sa.String(length=255), nullable=False),
        sa.Column("selected", sa.Boolean(), nullable=False),
        sa.Column("action", sa.String(length=20), nullable=True),
        sa.Column("client_id", sa.Uuid(), nullable=True),
        sa.Column("decided_by_id", sa.Uuid(), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["client_id"],
            ["clients.id"],
            name=op.f("fk_draft_decisions_client_id"),
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(
            ["decided_by_id"],
            ["users.id"],
            name=op.f("fk_draft_decisions_decided_by_id"),
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(
            ["draft_id"],
            ["import_drafts.id"],
            name=op.f("fk_draft_decisions_draft_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_draft_decisions")),
    )
    op.create_index(
        "draft_decisions_contact_idx",
        "draft_decisions",
        ["draft_id", "xero_contact_id"],
        unique=True,
    )


def downgrade() -> None:
    op.drop_index("draft_decisions_contact_idx", table_name="draft_decisions")
    op.drop_table("draft_decisions")
    op.drop_index("xero_mapping_practice_idx", table_name="xero_contact_mappings")
    op.drop_index("xero_mapping_connection_contact_idx", table_name="xero_contact_mappings")
    op.drop_index("xero_mapping_connection_client_idx", table_name="xero_contact_mappings")
    op.drop_table("xero_contact_mappings")
    op.drop_index("sync_run_items_outcome_idx", table_name="sync_run_items")
    op.drop_table("sync_run_items")
    op.drop_index("push_events_push_idx", table_name="push_events")
    op.drop_table("push_events")
    op.drop_index(
        "import_drafts_open_idx",
        table_name="import_drafts",
        postgresql_where=sa.text("run_id IS NULL"),
        sqlite_where=sa.text("run_id IS NULL"),
    )
    op.drop_table("import_drafts")
    op.drop_index("xero_folders_name_idx", table_name="xero_folders")
    op.drop_table("xero_folders")
    op.drop_index("xero_pushes_status_idx", table_name="xero_file_pushes")
    op.drop_index("xero_pushes_practice_idx", table_name="xero_file_pushes")
    op.drop_index("xero_pushes_name_idx", table_name="xero_file_pushes")
    op.drop_index("xero_pushes_due_idx", table_name="xero_file_pushes")
    op.drop_index("xero_pushes_document_idx", table_name="xero_file_pushes")
    op.drop_index("xero_pushes_connection_document_idx", table_name="xero_file_pushes")
    op.drop_table("xero_file_pushes")
    op.drop_index("xero_contacts_name_idx", table_name="xero_contacts")
    op.drop_index("xero_contacts_match_idx", table_name="xero_contacts")
    op.drop_index("xero_contacts_contact_idx", table_name="xero_contacts")
    op.drop_table("xero_contacts")
    op.drop_index(
        "sync_runs_unfinished_idx",
        table_name="sync_runs",
        postgresql_where=sa.text("status IN ('waiting', 'running', 'waiting_for_xero')"),
        sqlite_where=sa.text("status IN ('waiting', 'running', 'waiting_for_xero')"),
    )
    op.drop_index("sync_runs_status_idx", table_name="sync_runs")
    op.drop_index("sync_runs_practice_idx", table_name="sync_runs")
    op.drop_table("sync_runs")
    op.drop_index("match_decisions_pair_idx", table_name="match_decisions")
    op.drop_table("match_decisions")
    op.drop_index(
        "xero_connections_tenant_idx",
        table_name="xero_connections",
        postgresql_where=sa.text("status <> 'disconnected'"),
        sqlite_where=sa.text("status <> 'disconnected'"),
    )
    op.drop_index("xero_connections_sync_due_idx", table_name="xero_connections")
    op.drop_index("xero_connections_refresh_due_idx", table_name="xero_connections")
    op.drop_index("xero_connections_practice_tenant_idx", table_name="xero_connections")
    op.drop_index(
        "xero_connections_practice_idx",
        table_name="xero_connections",
        postgresql_where=sa.text("status <> 'disconnected'"),
        sqlite_where=sa.text("status <> 'disconnected'"),
    )
    op.drop_index("xero_connections_health_due_idx", table_name="xero_connections")
    op.drop_table("xero_connections")
    op.drop_index("oauth_attempts_state_idx", table_name="oauth_attempts")
    op.drop_table("oauth_attempts")
    op.drop_index("client_tags_tag_idx", table_name="client_tags")
    op.drop_table("client_tags")
    op.drop_index("client_documents_practice_idx", table_name="client_documents")
    op.drop_index("client_documents_client_idx", table_name="client_documents")
    op.drop_table("client_documents")
    op.drop_index("alert_mails_practice_idx", table_name="alert_mails")
    op.drop_index(
        "alert_mails_due_idx",
        table_name="alert_mails",
        postgresql_where=sa.text("sent_at IS NULL AND dropped_at IS NULL"),
        sqlite_where=sa.text("sent_at IS NULL AND dropped_at IS NULL"),
    )
    op.drop_index(
        "alert_mails_digest_idx",
        table_name="alert_mails",
        postgresql_where=sa.text("alert_id IS NULL AND sent_at IS NULL AND dropped_at IS NULL"),
        sqlite_where=sa.text("alert_id IS NULL AND sent_at IS NULL AND dropped_at IS NULL"),
    )
    op.drop_index("alert_mails_alert_idx", table_name="alert_mails")
    op.drop_table("alert_mails")
    op.drop_index("alerts_practice_idx", table_name="alerts")
    op.drop_index(
        "alerts_open_idx",
        table_name="alerts",
        postgresql_where=sa.text("closed_at IS NULL"),
        sqlite_where=sa.text("closed_at IS NULL"),
    )
    op.drop_table("alerts")
    op.drop_index("users_practice_idx", table_name="users")
    op.drop_index("users_email_idx", table_name="users")
    op.drop_table("users")
    op.drop_index("tags_practice_name_idx", table_name="tags")
    op.drop_table("tags")
    op.drop_table("key_checks")
    op.drop_table("practice_salts")
    op.drop_index("clients_practice_xero_contact_idx", table_name="clients")
    op.drop_index("clients_practice_name_idx", table_name="clients")
    op.drop_table("clients")
    op.drop_table("practices")
