"""What tests of processes need: the settings as a process of its own reads them."""

from __future__ import annotations

import pytest

from dashboard.config import Settings


@pytest.fixture
def environment(settings: Settings) -> dict[str, str]:
    """The settings as a process of its own reads them."""
    key = settings.token_master_keys[0]
    return {
        "DATABASE_URL": settings.database_url,
        "REDIS_URL": settings.redis_url,
        "SECRET_KEY": settings.secret_key.reveal(),
        "TOKEN_MASTER_KEYS": f"{key.key_id}:{key.key.reveal()}",
        "XERO_CLIENT_ID": settings.xero_client_id,
        "XERO_CLIENT_SECRET": settings.xero_client_secret.reveal(),
        "DOCUMENT_STORE_URL": settings.document_store_url,
    }
