"""Settings are read once; each problem is one sentence that names the variable."""

from __future__ import annotations

import base64

import pytest

from dashboard.config import Settings, SettingsError

KEY = base64.b64encode(b"k" * 32).decode()
COMPLETE = {
    "REDIS_URL": "redis://localhost:6379/0",
    "SECRET_KEY": "s" * 32,
    "TOKEN_MASTER_KEYS": f"2:{KEY},1:{KEY}",
    "XERO_CLIENT_ID": "id",
    "XERO_CLIENT_SECRET": "a secret",
}


def _problems(**changes: str) -> list[str]:
    with pytest.raises(SettingsError) as refused:
        Settings.from_environment({**COMPLETE, **changes})
    return refused.value.problems


class TestSettings:
    def test_a_complete_environment_is_enough(self) -> None:
        settings = Settings.from_environment(COMPLETE)
        assert settings.xero_login_url == "https://login.xero.com"
        assert settings.xero_minute_limit == 60
        assert settings.public_url == "http://localhost:8000"
        assert settings.redirect_uri == "http://localhost:8000/api/integrations/xero/callback"
        assert settings.clamd_url is None
        assert settings.database_url.startswith("sqlite:///")
        assert [key.key_id for key in settings.token_master_keys] == [2, 1]

    def test_every_missing_variable_has_its_own_sentence(self) -> None:
        with pytest.raises(SettingsError) as refused:
            Settings.from_environment({})
        named = [sentence.split()[0] for sentence in refused.value.problems]
        assert sorted(named) == sorted(COMPLETE)
        assert all(sentence.endswith(".") for sentence in refused.value.problems)

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("DATABASE_URL", "mysql://localhost/x"),
            ("REDIS_URL", "localhost"),
            ("SECRET_KEY", "short"),
            ("TOKEN_MASTER_KEYS", "x"),
            ("TOKEN_MASTER_KEYS", "1:dG9vIHNob3J0"),
            ("TOKEN_MASTER_KEYS", f"0:{KEY}"),
            ("TOKEN_MASTER_KEYS", f"1:{KEY},1:{KEY}"),
            ("XERO_LOGIN_URL", "login.xero.com"),
            ("XERO_API_URL", "https://api.xero.com/api.xro"),
            ("PUBLIC_URL", "http://127.0.0.1:8000"),
            ("PUBLIC_URL", "http://practice.example"),
            ("XERO_MINUTE_LIMIT", "0"),
            ("XERO_DAY_LIMIT", "many"),
            ("XERO_DAY_LIMIT", "²"),
            ("XERO_DAY_LIMIT", "1" * 5000),
            ("PUBLIC_URL", "http://localhost:eight"),
            ("CLAMD_URL", "localhost:3310"),
            ("DOCUMENT_STORE_URL", "documents"),
            ("RECONCILE_LAG", "-1"),
            ("RECONCILE_LAG", "nan"),
            ("RECONCILE_LAG", "inf"),
            ("XERO_PKCE", "maybe"),
        ],
    )
    def test_a_malformed_value_is_named_and_not_repeated(self, name: str, value: str) -> None:
        [sentence] = _problems(**{name: value})
        assert sentence.startswith(f"{name} is malformed: ")
        assert sentence.endswith(".")

    def test_a_key_written_for_addresses_is_the_same_key(self) -> None:
        raw = bytes(range(224, 256))
        plain, for_addresses = base64.b64encode(raw), base64.urlsafe_b64encode(raw).rstrip(b"=")
        assert plain != for_addresses
        read = [
            Settings.from_environment({**COMPLETE, "TOKEN_MASTER_KEYS": f"1:{key.decode()}"})
            for key in (plain, for_addresses)
        ]
        assert read[0].token_master_keys == read[1].token_master_keys

    def test_no_secret_is_shown(self) -> None:
        shown = repr(Settings.from_environment(COMPLETE))
        assert KEY not in shown
        assert "a secret" not in shown
        assert "ssss" not in shown

    @pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
    def test_postgresql_is_reached_through_psycopg(self, scheme: str) -> None:
        settings = Settings.from_environment({**COMPLETE, "DATABASE_URL": f"{scheme}://h/d"})
        assert settings.database_url == "postgresql+psycopg://h/d"

    def test_https_is_recognised(self) -> None:
        settings = Settings.from_environment({**COMPLETE, "PUBLIC_URL": "https://x.example/"})
        assert settings.is_https
        assert settings.public_url == "https://x.example"
