"""Looks for secrets wherever they could have gone: the watch of every flow test.

While a test runs, everything that leaves the product in this process is written down: log records
of every logger at DEBUG with their tracebacks, what Redis is sent, what is mailed, what browsers
are answered. At the test's end the database and Redis are dumped, and all of it is searched for
every secret that was used, as it is and in the forms in which it travels; and for what looks like a
token, should one have come from elsewhere.
"""

from __future__ import annotations

import base64
import binascii
import contextvars
import http.client
import logging
import re
import secrets
import smtplib
import sqlite3
import traceback
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import psycopg
import pytest
import redis
import requests
from flask.testing import FlaskClient
from psycopg import sql
from redis.connection import HiredisRespSerializer, PythonRespSerializer
from sqlalchemy import make_url

from dashboard.config import Settings
from dashboard.services import consent_attempts
from dashboard.simulator import grants
from dashboard.simulator.tokens import Signer

# Pieces of a JWT: a part of one is as telling as the whole.
PIECE = 40
BETWEEN = b"\n\0\n"
SHORTEST = 8
AROUND = 60
LARGEST_FILE = 5_000_000
# What a consent needs travels through the browser, so pages may hold it; nothing else may.
CONSENT_VALUE = "state, nonce or verifier"
PAGES = "response"
# Whatever these match is a secret, whoever it belongs to. The first is how JWTs begin.
TELLTALES = {
    "JWT": re.compile(rb"eyJ(?:hbGciOi|0eXAiOi|raWQiOi)[A-Za-z0-9_-]{10,}"),
    "refresh token": re.compile(rb"refresh_token['\"]?\s*[=:]\s*b?['\"]?[A-Za-z0-9_.-]{20,}"),
    "access token": re.compile(rb"access_token['\"]?\s*[=:]\s*b?['\"]?[A-Za-z0-9_.-]{20,}"),
    "authorization header": re.compile(rb"(?:Bearer|Basic) [A-Za-z0-9+/=_.-]{20,}"),
}

# Set while somebody else acts in this process: the browser at Xero's page, or the watch itself.
_looks_away: contextvars.ContextVar[bool] = contextvars.ContextVar("looks_away", default=False)


@dataclass(frozen=True, slots=True)
class Leak:
    """A secret where none should be."""

    secret: str
    place: str
    around: str

    def __str__(self) -> str:
        return f"{self.secret} in {self.place}: …{self.around}…"


class LeakWatch:
    """Knows secrets and texts, and finds the ones in the others."""

    def __init__(self) -> None:
        self._needles: dict[bytes, str] = {}
        self._texts: dict[str, list[bytes]] = {}

    def learn(self, kind: str, value: str | bytes) -> None:
        """From now on *value* is a secret of that *kind*, in each form in which it may travel."""
        for needle in _forms(value):
            if len(needle) >= SHORTEST:
                self._needles.setdefault(needle, kind)

    def forget(self) -> None:
        """Forget every text; the secrets stay known."""
        self._texts.clear()

    def note(self, place: str, text: str | bytes, *, may_be_folded: bool = False) -> None:
        """Write down what was seen at *place*; what RQ keeps there may be compressed."""
        raw = text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape")
        self._texts.setdefault(place, []).append(raw)
        if may_be_folded:
            self._texts[place] += unfolded(raw)

    def leaks(self) -> list[Leak]:
        """Return every secret that was seen, once for each place."""
        return [
            leak
            for place, texts in self._texts.items()
            for leak in self._leaks_in(place, BETWEEN.join(texts))
        ]

    def _leaks_in(self, place: str, text: bytes) -> Iterator[Leak]:
        told: set[str] = set()
        for needle, kind in self._needles.items():
            if kind in told or (kind == CONSENT_VALUE and place.startswith(PAGES)):
                continue
            at = text.find(needle)
            if at >= 0:
                told.add(kind)
                yield Leak(kind, place, _around(text, at))
        for kind, looks_like in TELLTALES.items():
            match = looks_like.search(text)
            if match:
                yield Leak(f"what looks like a {kind}", place, _around(text, match.start()))

    # -- what is known beforehand -------------------------------------------------------------

    def learn_settings(self, settings: Settings) -> None:
        """Learn the secrets of an installation's settings."""
        self.learn("SECRET_KEY", settings.secret_key.reveal())
        self.learn("client secret", settings.xero_client_secret.reveal())
        pair = f"{settings.xero_client_id}:{settings.xero_client_secret.reveal()}"
        self.learn("client secret", base64.b64encode(pair.encode()))
        for key in settings.token_master_keys:
            self.learn(f"master key {key.key_id}", key.key.reveal())
            self.learn(f"master key {key.key_id}", key.raw())

    # -- what is seen on the way --------------------------------------------------------------

    def follow(self, patch: pytest.MonkeyPatch, *, prints_headers: bool) -> None:
        """Write down everything from now on, until *patch* is undone."""
        self._follow_issued_tokens(patch)
        self._follow_logs(patch)
        self._follow_redis(patch)
        self._follow_mail(patch)
        self._follow_browsers(patch)
        if prints_headers:
            # Prints every head and body of plain HTTP connections to standard output.
            patch.setattr(http.client.HTTPConnection, "debuglevel", 1)
        self._leave_out_consent_pages(patch)

    def _follow_issued_tokens(self, patch: pytest.MonkeyPatch) -> None:
        def urlsafe(kind: str) -> Callable[[int], str]:
            def made(size: int) -> str:
                value = secrets.token_urlsafe(size)
                self.learn(kind, value)
                return value

            return made

        for module, kind in ((grants, "code or refresh token"), (consent_attempts, CONSENT_VALUE)):
            shim = SimpleNamespace(token_urlsafe=urlsafe(kind), token_hex=secrets.token_hex)
            patch.setattr(module, "secrets", shim)
        sign = Signer.sign

        def signed(signer: Signer, claims: dict[str, Any]) -> str:
            token = sign(signer, claims)
            self.learn("access token or id_token", token)
            return token

        patch.setattr(Signer, "sign", signed)

    def _follow_logs(self, patch: pytest.MonkeyPatch) -> None:
        was_enabled, handle = logging.Logger.isEnabledFor, logging.Logger.handle

        def handled(logger: logging.Logger, record: logging.LogRecord) -> None:
            if not _looks_away.get():
                self.note(f"log of {record.name}", shown_record(record))
            if was_enabled(logger, record.levelno):
                handle(logger, record)

        patch.setattr(logging.Logger, "isEnabledFor", lambda _logger, _level: True)
        patch.setattr(logging.Logger, "handle", handled)

    def _follow_redis(self, patch: pytest.MonkeyPatch) -> None:
        for packer in (PythonRespSerializer, HiredisRespSerializer):
            patch.setattr(packer, "pack", self._noting(packer.pack))

    def _noting(self, pack: Callable[..., Any]) -> Callable[..., Any]:
        def packed(packer: object, *words: Any) -> Any:
            self._note_words(words)
            return pack(packer, *words)

        return packed

    def _note_words(self, words: Any) -> None:
        for word in words if not _looks_away.get() else ():
            if isinstance(word, bytes | str) and len(word) >= SHORTEST:
                self.note("what Redis was sent", word, may_be_folded=True)

    def _follow_mail(self, patch: pytest.MonkeyPatch) -> None:
        send = smtplib.SMTP.send

        def sent(server: smtplib.SMTP, text: Any) -> None:
            self.note("email", text if isinstance(text, bytes) else str(text))
            send(server, text)

        patch.setattr(smtplib.SMTP, "send", sent)

    def _follow_browsers(self, patch: pytest.MonkeyPatch) -> None:
        ask = FlaskClient.open

        def asked(browser: FlaskClient, *args: Any, **kwargs: Any) -> Any:
            answer = ask(browser, *args, **kwargs)
            asked_for = answer.request.path
            for name, value in answer.headers.items():
                self.note(f"{PAGES} header of {asked_for}", f"{name}: {value}")
                if name == "Set-Cookie":
                    self.note(f"{PAGES} cookie of {asked_for}", _session_in(value))
            self.note(f"{PAGES} to {asked_for}", answer.get_data())
            return answer

        patch.setattr(FlaskClient, "open", asked)

    @staticmethod
    def _leave_out_consent_pages(patch: pytest.MonkeyPatch) -> None:
        """A test that presses Allow at the pretend Xero is the browser, and may know the code."""
        request = requests.api.request

        def asked_by_browser(*args: Any, **kwargs: Any) -> requests.Response:
            token, level = _looks_away.set(True), http.client.HTTPConnection.debuglevel
            http.client.HTTPConnection.debuglevel = 0
            try:
                return request(*args, **kwargs)
            finally:
                http.client.HTTPConnection.debuglevel = level
                _looks_away.reset(token)

        patch.setattr(requests.api, "request", asked_by_browser)

    # -- what is left at the end --------------------------------------------------------------

    def note_database(self, url: str) -> None:
        """Write down every value of every table; on SQLite the bytes of its files too."""
        if url.startswith("sqlite"):
            self._note_sqlite(Path(make_url(url).database or ""))
            return
        with psycopg.connect(url.replace("postgresql+psycopg://", "postgresql://")) as connection:
            connection.execute("SET bytea_output = 'escape'")
            tables = connection.execute(
                "SELECT tablename FROM pg_tables WHERE schemaname = current_schema()"
            ).fetchall()
            for (table,) in tables:
                rows = sql.SQL("SELECT t::text FROM {} AS t").format(sql.Identifier(table))
                for (row,) in connection.execute(rows):
                    self.note(f"table {table}", row)

    def _note_sqlite(self, file: Path) -> None:
        if not file.is_file():
            return
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as connection:
            tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            for (table,) in tables.fetchall():
                for row in connection.execute(f'SELECT * FROM "{table}"'):  # noqa: S608 - ours
                    for value in row:
                        if isinstance(value, bytes | str):
                            self.note(f"table {table}", value, may_be_folded=True)
        for part in (file, *file.parent.glob(f"{file.name}-*")):
            self.note(f"database file {part.name}", part.read_bytes())

    def note_redis(self, url: str) -> None:
        """Write down every key and value, failed jobs and their tracebacks among them."""
        token = _looks_away.set(True)
        try:
            with closing(redis.Redis.from_url(url)) as connection:
                for key in _keys_of(connection):
                    self.note("key in Redis", key)
                    for value in _values_of(connection, key):
                        place = f"value of {key.decode(errors='replace')} in Redis"
                        self.note(place, value, may_be_folded=True)
        finally:
            _looks_away.reset(token)

    def note_files(self, folder: Path) -> None:
        """Write down the files of a folder."""
        for file in folder.rglob("*"):
            if file.is_file() and file.stat().st_size < LARGEST_FILE:
                self.note(f"file {file.relative_to(folder)}", file.read_bytes())


@contextmanager
def watching(*, prints_headers: bool = False) -> Iterator[LeakWatch]:
    """Watch until the end of the block."""
    watch = LeakWatch()
    with pytest.MonkeyPatch.context() as patch:
        watch.follow(patch, prints_headers=prints_headers)
        yield watch


def shown_record(record: logging.LogRecord) -> str:
    """Return everything that a formatter could make of *record*."""
    parts = [record.getMessage(), repr(record.args), repr(record.__dict__)]
    if record.exc_info and record.exc_info[1] is not None:
        parts += traceback.format_exception(record.exc_info[1])
    return "\n".join((*parts, record.stack_info or ""))


def unfolded(text: bytes) -> Iterator[bytes]:
    """Yield what *text* holds if it is compressed, perhaps in base64, as RQ does."""
    for folded in (text, _from_base64(text)):
        try:
            yield zlib.decompress(folded)
        except zlib.error:
            continue


def _from_base64(text: bytes) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        return b""


def _forms(value: str | bytes) -> Iterator[bytes]:
    raw = value if isinstance(value, bytes) else value.encode()
    yield from _pieces(raw)
    yield quote(raw, safe="").encode()
    yield base64.b64encode(raw).rstrip(b"=")
    yield base64.urlsafe_b64encode(raw).rstrip(b"=")
    yield raw.hex().encode()


def _pieces(raw: bytes) -> Iterator[bytes]:
    parts = raw.split(b".")
    if len(parts) != 3 or len(raw) < PIECE * 3:
        yield raw
        return
    # The head is the same in all of them. Two pieces of the rest, as a page of a file may end
    # anywhere.
    for part in parts[1:]:
        middle = len(part) // 2
        yield part[middle - PIECE : middle]
        yield part[-PIECE:]


def _around(text: bytes, at: int) -> str:
    return text[max(0, at - AROUND) : at + AROUND].decode("utf-8", "replace")


def _session_in(cookie: str) -> bytes:
    """Return what a session cookie holds: it is signed, not locked."""
    packed = cookie.partition("=")[2].partition(";")[0]
    payload = packed.lstrip(".").partition(".")[0]
    try:
        raw = base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))
        return zlib.decompress(raw) if packed.startswith(".") else raw
    except (binascii.Error, zlib.error, ValueError):
        return b""


def _keys_of(connection: redis.Redis) -> list[bytes]:
    try:
        return list(connection.scan_iter())
    except redis.RedisError:
        # A test that kills its Redis leaves nothing to look at.
        return []


def _values_of(connection: redis.Redis, key: bytes) -> Iterator[bytes]:
    kind = connection.type(key)
    read: dict[bytes, Callable[[], Any]] = {
        b"string": lambda: [connection.get(key)],
        b"hash": lambda: [each for pair in connection.hgetall(key).items() for each in pair],  # type: ignore[union-attr]
        b"list": lambda: connection.lrange(key, 0, -1),
        b"set": lambda: connection.smembers(key),
        b"zset": lambda: connection.zrange(key, 0, -1),
        b"stream": lambda: [
            each
            for _id, fields in connection.xrange(key)  # type: ignore[union-attr]
            for pair in fields.items()
            for each in pair
        ],
    }
    for value in read.get(kind, lambda: [])():  # type: ignore[call-overload]
        if value is not None:
            yield value
