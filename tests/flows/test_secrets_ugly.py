"""Calls that fail in ugly ways: whatever Xero, or something on the way, repeats of what it was sent
stays out of pages, rows, Redis and logs. The watch of every flow does the looking."""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from html import escape
from typing import Any

import pytest
import redis
import requests
from flask import Flask
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from dashboard.clock import utcnow
from dashboard.config import Settings
from dashboard.models import (
    Client,
    ConnectionStatus,
    Practice,
    XeroConnection,
    XeroFilePush,
)
from dashboard.simulator import World
from jobs.queue import poke
from jobs.stopping import Stopping
from jobs.worker import ChaseWorker
from tests.flows.test_connect import API, come_back, connect, start
from tests.flows.test_reconnecting import accepted, linked_client
from tests.support import pretend_xero
from tests.support.browser import Browser
from tests.support.leak_watch import LeakWatch
from tests.support.pretend_xero import give_consent

TOKEN_PATH = "/connect/token"
API_PATHS = ("/api.xro/", "/files.xro/", "/connections")
HTML, TEXT, JSON = "text/html", "text/plain", "application/json"
PAGES = ("/", "/settings", "/documents", "/clients", "/alerts", "/sync-history")

Answered = tuple[str, list[tuple[str, str]], bytes]
# What was sent and what Xero would have answered become what is answered.
Making = Callable[[str, Answered], Answered]


def _repeats(status: str, kind: str, body: Callable[[str], str], **headers: str) -> Making:
    def made(sent: str, _real: Answered) -> Answered:
        named = [
            (name.replace("_", "-"), value.format(sent[:300])) for name, value in headers.items()
        ]
        return status, [("Content-Type", kind), *named], body(sent).encode()

    return made


def _broken_off(_sent: str, real: Answered) -> Answered:
    status, headers, body = real
    return status, [pair for pair in headers if pair[0] != "Content-Length"], body[: len(body) - 9]


def _of_wrong_types(_sent: str, real: Answered) -> Answered:
    body = json.loads(real[2])
    wrong = {name: [value, {"was": value}] for name, value in body.items()}
    return real[0], [("Content-Type", JSON)], json.dumps(wrong).encode()


def _in_a_list(_sent: str, real: Answered) -> Answered:
    return real[0], [("Content-Type", JSON)], b"[" + real[2] + b"]"


def _as_error(_sent: str, real: Answered) -> Answered:
    body = {"error": real[2].decode(), "error_description": real[2].decode()}
    return "400 Bad Request", [("Content-Type", JSON)], json.dumps(body).encode()


def _page(sent: str) -> str:
    return f"<html><h1>Server Error</h1><pre>{escape(sent)}</pre></html>"


def _problem(sent: str) -> str:
    words = ("Title", "Detail", "Message", "error_description", "Instance", "instance")
    elements = [{"ValidationErrors": [{"Message": sent}]}]
    return json.dumps(dict.fromkeys(words, sent) | {"Elements": elements})


REPEATED: dict[str, Making] = {
    "500 page": _repeats("500 Internal Server Error", HTML, _page),
    "500 text": _repeats("500 Internal Server Error", TEXT, str),
    "503 text": _repeats("503 Service Unavailable", TEXT, str),
    "500 json": _repeats("500 Internal Server Error", JSON, _problem),
    "400 text": _repeats("400 Bad Request", TEXT, str),
    "400 json": _repeats("400 Bad Request", JSON, _problem),
    "404 text": _repeats("404 Not Found", TEXT, str),
    "413 json": _repeats("413 Request Entity Too Large", JSON, _problem),
    "429": _repeats("429 Too Many Requests", TEXT, str, X_Rate_Limit_Problem="{}"),
    "302": _repeats("302 Found", TEXT, str, Location="/elsewhere?{}"),
    "200 page": _repeats("200 OK", HTML, _page),
    "200 text": _repeats("200 OK", TEXT, str),
}
TO_IDENTITY: dict[str, Making] = REPEATED | {
    "error word": _repeats("400 Bad Request", JSON, lambda sent: json.dumps({"error": sent})),
    "401 with description": _repeats(
        "401 Unauthorized",
        JSON,
        lambda sent: json.dumps({"error": "invalid_client", "error_description": sent}),
    ),
    "tokens in an error": _as_error,
    "broken off": _broken_off,
    "of wrong types": _of_wrong_types,
    "in a list": _in_a_list,
}
TO_API: dict[str, Making] = REPEATED | {
    "403 text": _repeats("403 Forbidden", TEXT, str),
    "401 text": _repeats("401 Unauthorized", TEXT, str),
}


class Ugly:
    """Stands before the pretend Xero and spoils the answers to some paths."""

    def __init__(self) -> None:
        self.paths: tuple[str, ...] = ()
        self.making: Making = _broken_off
        self.made: Counter[str] = Counter()

    def spoil(self, making: Making, *paths: str) -> None:
        """From now on answers below *paths* are made by *making*."""
        self.paths, self.making = paths, making

    def before(self, app: Callable[..., Iterable[bytes]]) -> Callable[..., Iterable[bytes]]:
        """Return *app* with us before it."""

        def answer(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
            path = next((each for each in self.paths if environ["PATH_INFO"].startswith(each)), "")
            if not path:
                return app(environ, start)
            body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            environ["wsgi.input"] = io.BytesIO(body)
            said: list[Any] = []
            real = b"".join(
                app(environ, lambda status, headers, *_: said.extend((status, headers)))
            )
            sent = f"{environ.get('HTTP_AUTHORIZATION', '')} {body.decode(errors='replace')}"
            status, headers, spoilt = self.making(sent, (said[0], said[1], real))
            self.made[path] += 1
            start(status, [*headers, ("Content-Length", str(len(spoilt)))])
            return [spoilt]

        return answer


@pytest.fixture
def ugly() -> Ugly:
    """What spoils answers; it waits."""
    return Ugly()


@pytest.fixture
def xero_url(world: World, ugly: Ugly, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Where the pretend Xero answers, or what stands before it."""
    create = pretend_xero.create_simulator

    def spoilt(world: World) -> Flask:
        app = create(world)
        app.wsgi_app = ugly.before(app.wsgi_app)  # type: ignore[method-assign]
        return app

    monkeypatch.setattr(pretend_xero, "create_simulator", spoilt)
    with pretend_xero.served(world) as url:
        yield url


def look_at_every_page(browser: Browser) -> None:
    for path in PAGES:
        assert browser.get(path).status_code == 200, path
    for path in ("status", "sync-history"):
        browser.get_json(f"{API}/{path}")


@dataclass
class Installed:
    """An installation, its admin's browser, and a worker that is called when it is wanted."""

    app: Flask
    browser: Browser
    settings: Settings
    session: Session

    def work(self) -> None:
        """Perform every job that waits, as a worker does; those that fail stay in Redis."""
        self.session.rollback()
        with closing(redis.Redis.from_url(self.settings.redis_url)) as connection:
            ChaseWorker(self.app, connection, Stopping(leave=lambda _code: None)).serve(burst=True)

    def forget_redis(self) -> None:
        """Let Redis lose everything."""
        with closing(redis.Redis.from_url(self.settings.redis_url)) as connection:
            connection.flushall()


@pytest.fixture
def installed(app: Flask, browser: Browser, settings: Settings, session: Session) -> Installed:
    """The installation."""
    return Installed(app, browser, settings, session)


@pytest.fixture
def client(browser: Browser, world: World, practice: Practice, session: Session) -> Client:
    """A client that is linked to a contact of the connected organisation."""
    connect(browser, world)
    return linked_client(world, practice, session)


class TestConsent:
    def test_an_exchange_that_fails_says_nothing_secret(
        self, browser: Browser, world: World, ugly: Ugly, leak_watch: LeakWatch
    ) -> None:
        for name, making in TO_IDENTITY.items():
            address = give_consent(world, start(browser))
            ugly.spoil(making, TOKEN_PATH)
            assert "/settings" in come_back(browser, address), name
            ugly.spoil(making)
            browser.get("/settings")
            assert leak_watch.leaks() == [], name
        assert ugly.made == {TOKEN_PATH: len(TO_IDENTITY)}
        look_at_every_page(browser)
        assert browser.get_json(f"{API}/status")["status"] == "not_connected"

    def test_what_follows_the_exchange_says_nothing_either(
        self, browser: Browser, world: World, ugly: Ugly, leak_watch: LeakWatch
    ) -> None:
        # In this order: keys that were once read are kept for an hour.
        paths = ("/.well-known/openid-configuration", "/connections")
        for path in paths:
            for name, making in TO_API.items():
                address = give_consent(world, start(browser))
                ugly.spoil(making, path)
                assert "/settings" in come_back(browser, address), name
                ugly.spoil(making)
            look_at_every_page(browser)
            assert leak_watch.leaks() == [], path
        assert min(ugly.made[path] for path in paths) > 0

    def test_a_fault_in_the_middle_keeps_its_words_to_itself(
        self, browser: Browser, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """As when a library below us breaks and says in its words what it was about to send."""
        broken = 0

        def breaks(_adapter: object, request: requests.PreparedRequest, **_more: object) -> None:
            nonlocal broken
            broken += 1
            raise RuntimeError(f"cannot send {request.headers} {request.body!r}")

        address = give_consent(world, start(browser))
        monkeypatch.setattr(requests.adapters.HTTPAdapter, "send", breaks)
        assert "/settings" in come_back(browser, address)
        assert broken
        look_at_every_page(browser)


class TestWork:
    def test_a_refresh_that_fails(self, installed: Installed, client: Client, ugly: Ugly) -> None:
        session = installed.session
        installed.work()
        connection_id = session.scalars(select(XeroConnection.id)).one()
        for making in TO_IDENTITY.values():
            ago = utcnow() - timedelta(minutes=1)
            session.execute(update(XeroConnection).values(refresh_due_at=ago, token_expires_at=ago))
            session.commit()
            ugly.spoil(making, TOKEN_PATH)
            poke("token-refresh", connection_id)
            installed.work()
        assert ugly.made[TOKEN_PATH] == len(TO_IDENTITY)
        look_at_every_page(installed.browser)
        session.rollback()
        assert session.scalar(select(XeroConnection.status)) == ConnectionStatus.ACTIVE

    def test_reading_and_filing_that_fail(
        self, installed: Installed, client: Client, ugly: Ugly, leak_watch: LeakWatch
    ) -> None:
        browser, session = installed.browser, installed.session
        for making in TO_API.values():
            session.rollback()
            session.execute(
                update(XeroConnection).values(
                    status=ConnectionStatus.ACTIVE, waits_until=None, consecutive_errors=0
                )
            )
            session.commit()
            ugly.spoil(making, *API_PATHS)
            document_id = accepted(browser, client)
            browser.send_json("POST", f"{API}/sync")
            browser.post("/settings/check")
            installed.work()
            assert browser.get(f"/documents/{document_id}").status_code == 200
            # Seen now: the next round begins with a limiter that has blocked nobody.
            leak_watch.note_redis(installed.settings.redis_url)
            installed.forget_redis()
        assert min(ugly.made[path] for path in API_PATHS) > 0
        look_at_every_page(browser)
        errors = session.scalar(
            select(func.count()).select_from(XeroFilePush).where(XeroFilePush.error.is_not(None))
        )
        assert errors
