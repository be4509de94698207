"""The watch finds a secret in every place where one could lie: else its silence says nothing."""

from __future__ import annotations

import base64
import http.client
import json
import logging
import smtplib
import socket
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import pytest
import redis
import requests
from flask import Flask, Response, session
from flask.testing import FlaskClient
from sqlalchemy import text
from sqlalchemy.orm import Session

from dashboard import wiring
from dashboard.config import Settings
from dashboard.embedded import free_port
from dashboard.models import Practice
from dashboard.secret import Secret
from dashboard.simulator import World
from dashboard.xero import XeroError
from jobs.queue import JsonQueue
from jobs.stopping import Stopping
from jobs.worker import ChaseWorker
from tests.flows import conftest
from tests.support.leak_watch import LeakWatch, watching

CANARY = "canary-Zk3+vQ/9uX=7pL2mN8"
TOKEN = ".".join(("eyJhbGciOiJub25lIn0", "cGF5bG9hZA" * 20, "c2lnbmF0dXJl" * 20))


@pytest.fixture
def watch() -> Iterator[LeakWatch]:
    """A watch of our own: what it finds does not fail the flow."""
    with watching() as watch:
        watch.learn("canary", CANARY)
        yield watch


def places(watch: LeakWatch) -> set[str]:
    return {leak.place for leak in watch.leaks()}


class Trouble(Exception):
    """What goes wrong with a secret in its words."""


def _fail(_values: Any = None) -> None:
    raise Trouble(f"grant_type=refresh_token&secret={CANARY}")


def _logs_traceback(logger: logging.Logger) -> None:
    try:
        _fail()
    except Trouble:
        logger.exception("it failed")


def _logs_cause(logger: logging.Logger) -> None:
    try:
        try:
            _fail()
        except Trouble as cause:
            raise ValueError("harmless") from cause
    except ValueError as problem:
        logger.info("it failed", exc_info=problem)


LOGGED: dict[str, Callable[[logging.Logger], object]] = {
    "message": lambda logger: logger.debug(CANARY),
    "argument": lambda logger: logger.debug("token %s", CANARY),
    "repr of bytes": lambda logger: logger.debug("sent %r", CANARY.encode()),
    "extra": lambda logger: logger.debug("sent", extra={"body": CANARY}),
    "traceback": _logs_traceback,
    "cause of a traceback": _logs_cause,
}
KEPT: dict[str, Callable[[redis.Redis], object]] = {
    "key": lambda there: there.set(CANARY, 1),
    "string": lambda there: there.set("a", CANARY),
    "hash": lambda there: there.hset("a", "b", CANARY),
    "list": lambda there: there.rpush("a", CANARY),
    "set": lambda there: there.sadd("a", CANARY),
    "sorted set": lambda there: there.zadd("a", {CANARY: 1}),
    "stream": lambda there: there.xadd("a", {"b": CANARY}),
    "compressed": lambda there: there.hset("a", "data", zlib.compress(CANARY.encode())),
    "compressed in base64": lambda there: there.xadd(
        "a", {"exc_string": base64.b64encode(zlib.compress(CANARY.encode()))}
    ),
}
FORMS: dict[str, Callable[[str], str | bytes]] = {
    "as it is": lambda value: f"x{value}y",
    "in an address": lambda value: quote(value, safe=""),
    "in base64": lambda value: base64.b64encode(value.encode()),
    "in base64 for addresses": lambda value: base64.urlsafe_b64encode(value.encode()),
    "in hexadecimals": lambda value: value.encode().hex(),
    "compressed": lambda value: zlib.compress(value.encode()),
    "in JSON": lambda value: json.dumps({"token": value}),
}


class TestLogs:
    @pytest.mark.parametrize("say", LOGGED.values(), ids=LOGGED.keys())
    def test_every_record_of_every_logger(
        self, watch: LeakWatch, say: Callable[[logging.Logger], object]
    ) -> None:
        logger = logging.getLogger("canaries.somewhere")
        logger.setLevel(logging.CRITICAL)
        logger.propagate = False
        say(logger)
        assert places(watch) == {"log of canaries.somewhere"}


class TestStores:
    def test_a_table(
        self, watch: LeakWatch, app: Flask, session: Session, settings: Settings
    ) -> None:
        session.add(Practice(name=CANARY))
        session.commit()
        watch.forget()
        watch.note_database(settings.database_url)
        assert "table practices" in places(watch)
        if settings.database_url.startswith("sqlite"):
            session.execute(text("DELETE FROM practices"))
            session.commit()
            watch.forget()
            watch.note_database(settings.database_url)
            # What was deleted lies in the file until it is overwritten.
            assert any(place.startswith("database file") for place in places(watch))

    @pytest.mark.parametrize("keep", KEPT.values(), ids=KEPT.keys())
    def test_redis(
        self, watch: LeakWatch, empty_redis: str, keep: Callable[[redis.Redis], object]
    ) -> None:
        with closing(redis.Redis.from_url(empty_redis)) as there:
            keep(there)
            watch.forget()
            watch.note_redis(empty_redis)
            assert len(places(watch)) == 1
            there.flushall()

    def test_what_redis_was_sent_and_has_forgotten(
        self, watch: LeakWatch, empty_redis: str
    ) -> None:
        with closing(redis.Redis.from_url(empty_redis)) as there:
            there.set("a", CANARY)
            there.flushall()
        watch.note_redis(empty_redis)
        assert places(watch) == {"what Redis was sent"}

    def test_a_job_that_failed(
        self, watch: LeakWatch, app: Flask, settings: Settings, leak_watch: LeakWatch
    ) -> None:
        with closing(redis.Redis.from_url(settings.redis_url)) as there:
            JsonQueue(connection=there).enqueue("tests.flows.test_secrets_watch._fail", "x")
            ChaseWorker(app, there, Stopping(leave=lambda _code: None)).serve(burst=True)
            watch.forget()
            watch.note_redis(settings.redis_url)
            assert any(place.startswith("value of rq:") for place in places(watch))

    def test_a_file(self, watch: LeakWatch, tmp_path: Path) -> None:
        (tmp_path / "core").write_text(CANARY)
        watch.note_files(tmp_path)
        assert places(watch) == {"file core"}
        (tmp_path / "core").unlink()


class TestPages:
    @pytest.fixture
    def client(self) -> FlaskClient:
        app = Flask("canaries")
        app.secret_key = "k" * 40

        @app.get("/body")
        def _body() -> str:
            return f"<p>{CANARY}</p>"

        @app.get("/header")
        def _header() -> Response:
            return Response("", headers={"Location": f"/?code={quote(CANARY, safe='')}"})

        @app.get("/cookie")
        def _cookie() -> str:
            session["token"] = CANARY
            return ""

        return app.test_client()

    @pytest.mark.parametrize(
        ("path", "place"),
        [
            ("/body", "response to /body"),
            ("/header", "response header of /header"),
            ("/cookie", "response cookie of /cookie"),
        ],
    )
    def test_every_part_of_an_answer(
        self, watch: LeakWatch, client: FlaskClient, path: str, place: str
    ) -> None:
        client.get(path)
        assert places(watch) == {place}


class TestOutlets:
    def test_mail(self, watch: LeakWatch) -> None:
        port = free_port()
        with socket.create_server(("127.0.0.1", port)) as server:
            threading.Thread(target=_greet, args=(server,), daemon=True).start()
            with closing(smtplib.SMTP("127.0.0.1", port, timeout=5)) as mail:
                mail.docmd("NOOP", CANARY)
        assert "email" in places(watch)

    def test_what_the_test_and_its_processes_print(self, watch: LeakWatch) -> None:
        report = SimpleNamespace(sections=[("Captured stderr call", f"boom {CANARY}")])
        others = conftest.Others()
        others.last_words.append(f"traceback {CANARY}")
        item = SimpleNamespace(
            stash={conftest.WATCH: watch, conftest.REPORTS: [report]},
            funcargs={"other_processes": others},
        )
        leaks = conftest._leaks_of(item)  # type: ignore[arg-type]
        assert len(leaks) == 2
        assert any("captured stderr call" in leak for leak in leaks)
        assert any("what a process wrote" in leak for leak in leaks)

    def test_http_clients_own_debug_output(
        self, app: Flask, world: World, xero_url: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Whoever raises the level of `http.client` reads whole requests; never the product's."""
        assert http.client.HTTPConnection.debuglevel == 1
        with requests.Session() as plain:
            plain.get(f"{xero_url}/connections", headers={"Authorization": "Basic of a test"})
        assert "Basic of a test" in capsys.readouterr().out
        with pytest.raises(XeroError):
            wiring.outside().oauth.refresh(Secret("not-a-token-of-anybody"))
        assert capsys.readouterr().out == ""


class TestForms:
    @pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())
    def test_a_secret_is_known_in_each_of_its_forms(
        self, watch: LeakWatch, form: Callable[[str], str | bytes]
    ) -> None:
        watch.note("somewhere", form(CANARY), may_be_folded=True)
        assert places(watch) == {"somewhere"}

    def test_a_part_of_a_token_is_a_leak(self) -> None:
        watch = LeakWatch()
        watch.learn("token", TOKEN)
        watch.note("end", TOKEN[-60:])
        watch.note("middle", TOKEN[60:180])
        watch.note("head", "eyJ0eXAiOiJKV1QiLCJhbGciOiJub25lIn0")
        watch.note("nothing", "eyJ and other words")
        assert places(watch) == {"end", "middle", "head"}

    def test_a_token_of_whoever_is_a_leak(self) -> None:
        watch = LeakWatch()
        watch.note("body", f"grant_type=refresh_token&refresh_token={'r' * 43}")
        watch.note("head", f"Authorization: Bearer {'a' * 43}")
        watch.note("repr", repr({"access_token": "t" * 43}))
        watch.note("column", "UPDATE xero_connections SET refresh_token_encrypted=?")
        assert places(watch) == {"body", "head", "repr"}


def _greet(server: socket.socket) -> None:
    with suppress(OSError):
        caller, _ = server.accept()
        with caller:
            caller.sendall(b"220 here\r\n")
            caller.recv(1000)
            caller.sendall(b"250 yes\r\n")
