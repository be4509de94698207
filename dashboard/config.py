"""Settings: read once from the environment, checked, and then never changed."""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from dashboard.mail_settings import (
    EXAMPLE_SENDER,
    EXAMPLE_SMTP,
    MailServer,
    Sender,
    parse_mail_from,
    parse_smtp_url,
)
from dashboard.secret import Secret

PROJECT = Path(__file__).resolve().parent.parent
INSTANCE = PROJECT / "instance"
CALLBACK_PATH = "/api/integrations/xero/callback"
KEY_BYTES = 32
KEY_ID_MAX = 255
LONGEST_NUMBER = 9

T = TypeVar("T")


class SettingsError(Exception):
    """Settings are missing or malformed; `problems` holds one sentence for each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class MasterKey:
    """One master key for tokens: its id (1-255) and 32 bytes in base64."""

    key_id: int
    key: Secret

    def raw(self) -> bytes:
        """Return the key's 32 bytes."""
        return base64.b64decode(self.key.reveal())


@dataclass(frozen=True)
class Settings:
    """Everything this installation was told from outside."""

    database_url: str
    redis_url: str
    secret_key: Secret
    token_master_keys: tuple[MasterKey, ...]
    xero_client_id: str
    xero_client_secret: Secret
    xero_login_url: str = "https://login.xero.com"
    xero_identity_url: str = "https://identity.xero.com"
    xero_api_url: str = "https://api.xero.com"
    xero_pkce: bool = False
    public_url: str = "http://localhost:8000"
    xero_minute_limit: int = 60
    xero_concurrent_limit: int = 5
    xero_day_limit: int = 5000
    xero_app_minute_limit: int = 10000
    document_store_url: str = ""
    clamd_url: str | None = None
    reconcile_lag: float = 15.0
    mail_server: MailServer | None = None
    mail_from: Sender | None = None
    gallery: bool = False

    @property
    def redirect_uri(self) -> str:
        """The address Xero sends people back to; register exactly this in the Xero app."""
        return self.public_url + CALLBACK_PATH

    @property
    def is_https(self) -> bool:
        """Whether browsers reach us over TLS, so that cookies may be `__Host-` and Secure."""
        return self.public_url.startswith("https://")

    @property
    def sends_mail(self) -> bool:
        """Whether alerts are told by email too, and not on the pages only."""
        return self.mail_server is not None and self.mail_from is not None

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Settings:
        """Return the settings in *environ*, or raise `SettingsError` with every problem."""
        read = _Reader(environ)
        settings = cls(
            database_url=read.optional(
                "DATABASE_URL", _database_url, f"sqlite:///{INSTANCE / 'chase.sqlite3'}"
            ),
            redis_url=read.required("REDIS_URL", _redis_url, EXAMPLE_REDIS),
            secret_key=read.required("SECRET_KEY", _secret_key, EXAMPLE_SECRET),
            token_master_keys=read.required("TOKEN_MASTER_KEYS", _master_keys, EXAMPLE_KEYS),
            xero_client_id=read.required("XERO_CLIENT_ID", _text, EXAMPLE_APP),
            xero_client_secret=read.required("XERO_CLIENT_SECRET", _secret, EXAMPLE_APP),
            xero_login_url=read.optional("XERO_LOGIN_URL", _origin, cls.xero_login_url),
            xero_identity_url=read.optional("XERO_IDENTITY_URL", _origin, cls.xero_identity_url),
            xero_api_url=read.optional("XERO_API_URL", _origin, cls.xero_api_url),
            xero_pkce=read.optional("XERO_PKCE", _switch, cls.xero_pkce),
            public_url=read.optional("PUBLIC_URL", _public_url, cls.public_url),
            xero_minute_limit=read.optional("XERO_MINUTE_LIMIT", _count, cls.xero_minute_limit),
            xero_concurrent_limit=read.optional(
                "XERO_CONCURRENT_LIMIT", _count, cls.xero_concurrent_limit
            ),
            xero_day_limit=read.optional("XERO_DAY_LIMIT", _count, cls.xero_day_limit),
            xero_app_minute_limit=read.optional(
                "XERO_APP_MINUTE_LIMIT", _count, cls.xero_app_minute_limit
            ),
            document_store_url=read.optional(
                "DOCUMENT_STORE_URL", _store_url, f"file://{INSTANCE / 'documents'}"
            ),
            clamd_url=read.optional("CLAMD_URL", _clamd_url, None),
            reconcile_lag=read.optional("RECONCILE_LAG", _seconds, cls.reconcile_lag),
            mail_server=read.optional("SMTP_URL", parse_smtp_url, None),
            mail_from=read.optional("MAIL_FROM", parse_mail_from, None),
            gallery=read.optional("GALLERY", _switch, cls.gallery),
        )
        if settings.gallery and settings.is_https:
            # Opening a scene signs in whoever asks.
            read.problems.append("GALLERY is on, and PUBLIC_URL is https: it is for development.")
        read.both_or_none("SMTP_URL", EXAMPLE_SMTP, "MAIL_FROM", EXAMPLE_SENDER)
        if read.problems:
            raise SettingsError(read.problems)
        return settings


EXAMPLE_REDIS = "give an address such as redis://localhost:6379/0"
EXAMPLE_SECRET = "give at least 16 random characters, such as `openssl rand -hex 32` prints"  # noqa: S105
EXAMPLE_KEYS = "give `1:` and 32 random bytes in base64, such as `openssl rand -base64 32` prints"
EXAMPLE_APP = "it is shown on the app's page at developer.xero.com"
SECRET_KEY_MIN = 16


class _Reader:
    """Reads variables one by one and collects what is wrong with them."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self.problems: list[str] = []

    def required(self, name: str, parse: Callable[[str], T], hint: str) -> T:
        value = self._environ.get(name, "").strip()
        if not value:
            self.problems.append(f"{name} is not set: {hint}.")
            return None  # type: ignore[return-value]  # never used: problems raise
        return self._parse(name, value, parse)

    def optional(self, name: str, parse: Callable[[str], T], default: T) -> T:
        value = self._environ.get(name, "").strip()
        return self._parse(name, value, parse) if value else default

    def both_or_none(self, one: str, one_hint: str, other: str, other_hint: str) -> None:
        """Note what is wrong when only one of two variables is set that need each other."""
        given = {name for name in (one, other) if self._environ.get(name, "").strip()}
        if given == {one}:
            self.problems.append(f"{other} is not set, and {one} needs it: {other_hint}.")
        elif given == {other}:
            self.problems.append(f"{one} is not set, and {other} needs it: {one_hint}.")

    def _parse(self, name: str, value: str, parse: Callable[[str], T]) -> T:
        try:
            return parse(value)
        except ValueError as problem:
            # The value itself is not repeated: it may be a secret.
            self.problems.append(f"{name} is malformed: {problem}.")
            return None  # type: ignore[return-value]  # never used: problems raise


def _text(value: str) -> str:
    return value


def _secret(value: str) -> Secret:
    return Secret(value)


def _secret_key(value: str) -> Secret:
    if len(value) < SECRET_KEY_MIN:
        raise ValueError(EXAMPLE_SECRET)
    return Secret(value)


def _master_keys(value: str) -> tuple[MasterKey, ...]:
    keys = tuple(_master_key(part.strip()) for part in value.split(","))
    if len({key.key_id for key in keys}) != len(keys):
        raise ValueError("the same key id stands twice")
    return keys


def _master_key(part: str) -> MasterKey:
    key_id, _, encoded = part.partition(":")
    if not 1 <= _whole(key_id) <= KEY_ID_MAX:
        raise ValueError(f"each key is `id:base64` with an id from 1 to {KEY_ID_MAX}")
    # Keys made for addresses are written with - and _, and often without their padding.
    encoded = encoded.translate(str.maketrans("-_", "+/")).rstrip("=")
    encoded += "=" * (-len(encoded) % 4)
    try:
        raw = base64.b64decode(encoded, validate=True)
    except binascii.Error:
        raw = b""
    if len(raw) != KEY_BYTES:
        raise ValueError(f"key {key_id} is not {KEY_BYTES} bytes in base64")
    return MasterKey(int(key_id), Secret(encoded))


def _database_url(value: str) -> str:
    if value.startswith(("sqlite:///", "postgresql+psycopg://")):
        return value
    if value.startswith(("postgresql://", "postgres://")):
        return "postgresql+psycopg://" + value.partition("://")[2]
    raise ValueError("give postgresql+psycopg://… or sqlite:///…")


def _redis_url(value: str) -> str:
    if not value.startswith(("redis://", "rediss://", "unix://")):
        raise ValueError("give redis://…, rediss://… or unix://…")
    return value


def _origin(value: str) -> str:
    parts = urlsplit(value)
    try:
        _ = parts.port
    except ValueError:
        raise ValueError("the port is not a number from 0 to 65535") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("give an address that starts with https://")
    if parts.path not in {"", "/"} or parts.query or parts.fragment or parts.username:
        raise ValueError("give scheme and host alone, without a path")
    return value.rstrip("/")


def _public_url(value: str) -> str:
    origin = _origin(value)
    # Xero refuses plain http redirect addresses except for the name localhost.
    # https://developer.xero.com/documentation/guides/oauth2/auth-flow
    if origin.startswith("http://") and urlsplit(origin).hostname != "localhost":
        raise ValueError("Xero accepts https:// or http://localhost only")
    return origin


def _store_url(value: str) -> str:
    if "://" not in value:
        raise ValueError("give file:///folder or s3://bucket/prefix")
    return value.rstrip("/")


def _clamd_url(value: str) -> str:
    if not value.startswith(("tcp://", "unix://")):
        raise ValueError("give tcp://host:3310 or unix:///path/to/clamd.sock")
    return value


def _count(value: str) -> int:
    number = _whole(value)
    if number < 1:
        raise ValueError("give a whole number above 0")
    return number


def _whole(value: str) -> int:
    """Return the whole number that *value* says in up to nine digits, else 0."""
    return int(value) if value.isdecimal() and len(value) <= LONGEST_NUMBER else 0


def _seconds(value: str) -> float:
    try:
        number = float(value)
    except ValueError:
        number = -1.0
    # Written so that "nan", which is neither below nor above, is refused too.
    if not 0 <= number < math.inf:
        raise ValueError("give a number of seconds")
    return number


def _switch(value: str) -> bool:
    words = {"1": True, "true": True, "on": True, "0": False, "false": False, "off": False}
    if value.lower() not in words:
        raise ValueError("give on or off")
    return words[value.lower()]
