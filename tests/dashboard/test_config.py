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
    def test_a_gallery_is_for_development(self) -> None:
        assert not Settings.from_environment(COMPLETE).gallery
        assert Settings.from_environment({**COMPLETE, "GALLERY": "on"}).gallery
        [problem] = _problems(GALLERY="on", PUBLIC_URL="https://practice.example")
        assert problem.startswith("GALLERY is on")

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
            ("GALLERY", "perhaps"),
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


SMTP = "smtp://alerts%40x.example:s%3Acret@mail.x.example"


class TestMail:
    def test_without_both_no_email_is_sent(self) -> None:
        assert not Settings.from_environment(COMPLETE).sends_mail

    @pytest.mark.parametrize(
        ("url", "port", "security"),
        [
            (SMTP, 587, "starttls"),
            (f"{SMTP}:2525/", 2525, "starttls"),
            (SMTP.replace("smtp", "smtps", 1), 465, "tls"),
            ("smtp://localhost:1025", 1025, "none"),
            ("smtp://127.0.0.9", 25, "none"),
            ("smtp://[::1]:1025", 1025, "none"),
            ("smtps://localhost", 465, "tls"),
        ],
        ids=["starttls", "port", "tls", "localhost", "loopback", "ipv6", "local tls"],
    )
    def test_the_address_says_how_it_is_reached(self, url: str, port: int, security: str) -> None:
        given = {**COMPLETE, "SMTP_URL": url, "MAIL_FROM": "chase.md <alerts@x.example>"}
        settings = Settings.from_environment(given)
        assert settings.sends_mail
        server, sender = settings.mail_server, settings.mail_from
        assert server is not None
        assert sender is not None
        assert (server.port, server.security) == (port, security)
        if url == SMTP:
            assert (server.user, server.password.reveal()) == ("alerts@x.example", "s:cret")
        assert (sender.name, sender.address) == ("chase.md", "alerts@x.example")
        assert "s:cret" not in repr(settings)

    @pytest.mark.parametrize(
        ("name", "value", "other"),
        [("SMTP_URL", SMTP, "MAIL_FROM"), ("MAIL_FROM", "a@x.example", "SMTP_URL")],
        ids=["sender", "server"],
    )
    def test_one_without_the_other_is_one_sentence(self, name: str, value: str, other: str) -> None:
        [sentence] = _problems(**{name: value})
        assert sentence.startswith(f"{other} is not set, and {name} needs it: give ")

    @pytest.mark.parametrize(
        "value",
        [
            "mail.x.example:587",
            "http://mail.x.example",
            "smtp://",
            "smtp://us@mail.x.example",
            "smtp://:s3cret@mail.x.example",
            "smtp://us:s3cret#x@mail.x.example",
            "smtp://us:s3cret@mail.x.example:99999",
            "smtp://us:s3cret@mail.x.example/path",
            "smtp://us:s3cret@[::1",
            "smtp://us:s3cret\u2100@mail.x.example",
        ],
    )
    def test_a_malformed_server_is_one_sentence_without_the_password(self, value: str) -> None:
        [sentence] = _problems(SMTP_URL=value, MAIL_FROM="a@x.example")
        assert sentence.startswith("SMTP_URL is malformed: give ")
        assert "s3cret" not in sentence

    @pytest.mark.parametrize(
        "value", ["x", "a@b@c", "a@x.example, b@x.example", "A\nB <a@x.example>", "zoë@x.example"]
    )
    def test_a_malformed_sender_is_one_sentence(self, value: str) -> None:
        [sentence] = _problems(SMTP_URL=SMTP, MAIL_FROM=value)
        assert sentence.startswith("MAIL_FROM is malformed: give one address")
