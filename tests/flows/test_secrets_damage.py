"""Stored tokens that cannot be opened become a state that people can read and mend."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from dashboard import wiring
from dashboard.clock import utcnow
from dashboard.config import MasterKey
from dashboard.crypto import TokenCipher
from dashboard.doctor import check_master_keys
from dashboard.models import (
    Alert,
    AlertCause,
    ConnectionStatus,
    OAuthAttempt,
    PracticeSalt,
    XeroConnection,
)
from dashboard.services.refusals import ConnectionNotUsable
from dashboard.simulator import World
from dashboard.xero import Priority, XeroNoAnswer
from jobs.token_refresh import refresh_token
from tests.flows.test_connect import API, come_back, connect, start, words_of
from tests.support.browser import Browser
from tests.support.pretend_xero import give_consent
from tests.support.vault import master_key

UNREADABLE = "The stored access to Xero cannot be read."
ACCESS, REFRESH = "access_token_encrypted", "refresh_token_encrypted"


@pytest.fixture
def connection(app: Flask, browser: Browser, world: World, session: Session) -> XeroConnection:
    """A connection made by a real consent, on an installation that knows its keys."""
    session.rollback()
    check_master_keys(app)
    connect(browser, world)
    session.rollback()
    return session.scalars(select(XeroConnection)).one()


def _flipped(stored: str) -> str:
    raw = bytearray(base64.b64decode(stored))
    raw[-1] ^= 1
    return base64.b64encode(raw).decode()


def _of_another_key(stored: str) -> str:
    raw = bytearray(base64.b64decode(stored))
    raw[1] = 99
    return base64.b64encode(raw).decode()


DAMAGES: dict[str, Callable[[str], str]] = {
    "one bit": _flipped,
    "cut short": lambda stored: stored[:-4],
    "another key's name": _of_another_key,
    "no ciphertext at all": lambda _stored: "eaten by mice",
}


def damage(session: Session, how: Callable[[str], str], *columns: str) -> None:
    session.rollback()
    row = session.scalars(select(XeroConnection)).one()
    changed = {column: how(getattr(row, column)) for column in columns}
    session.execute(update(XeroConnection).values(**changed))
    session.commit()


def state(session: Session) -> XeroConnection:
    session.rollback()
    session.expire_all()
    return session.scalars(select(XeroConnection)).one()


def open_alerts(session: Session) -> list[Alert]:
    return list(session.scalars(select(Alert).where(Alert.closed_at.is_(None))))


def call(connection: XeroConnection) -> None:
    with wiring.xero_auth().calling(connection.practice_id, Priority.PERSON) as xero:
        xero.xero.accounting.organisation()


class TestDamage:
    @pytest.mark.parametrize("how", DAMAGES.values(), ids=DAMAGES.keys())
    def test_it_is_told_and_reconnecting_mends_it(
        self,
        browser: Browser,
        connection: XeroConnection,
        world: World,
        session: Session,
        how: Callable[[str], str],
    ) -> None:
        damage(session, how, ACCESS, REFRESH)
        before = len(world.calls.last())
        answer = browser.post("/settings/check")
        assert answer.status_code == 303
        assert len(world.calls.last()) == before
        assert state(session).status == ConnectionStatus.TOKEN_EXPIRED
        status = browser.get_json(f"{API}/status")
        assert (status["status"], status["last_error"]) == ("token_expired", UNREADABLE)
        [alert] = open_alerts(session)
        assert alert.cause == AlertCause.RECONNECT_NEEDED
        assert alert.text.startswith(UNREADABLE)
        for path in ("/settings", "/documents", "/"):
            page = browser.get(path)
            assert page.status_code == 200
            assert UNREADABLE in page.text, path
            assert "stopped accepting" not in page.text
            assert ">Connected<" not in page.text
        assert "Reconnect to Xero" in browser.get("/settings").text
        connect(browser, world)
        assert state(session).status == ConnectionStatus.ACTIVE
        assert open_alerts(session) == []
        call(connection)

    def test_a_refresh_finds_it_too(self, connection: XeroConnection, session: Session) -> None:
        damage(session, _flipped, REFRESH)
        session.execute(update(XeroConnection).values(refresh_due_at=utcnow()))
        session.commit()
        with pytest.raises(ConnectionNotUsable, match=UNREADABLE):
            refresh_token(str(connection.id))
        after = state(session)
        assert (after.status, after.last_error) == (ConnectionStatus.TOKEN_EXPIRED, UNREADABLE)
        assert after.refresh_lease_owner is None

    def test_a_lost_salt_is_the_same(self, connection: XeroConnection, session: Session) -> None:
        session.execute(delete(PracticeSalt))
        session.commit()
        with pytest.raises(ConnectionNotUsable, match=UNREADABLE):
            call(connection)
        assert state(session).status == ConnectionStatus.TOKEN_EXPIRED

    def test_disconnecting_still_works(
        self, browser: Browser, connection: XeroConnection, session: Session
    ) -> None:
        damage(session, _flipped, ACCESS, REFRESH)
        answer = browser.send_json("POST", f"{API}/disconnect")
        assert answer.status_code == 200
        assert answer.json["confirmed_by_xero"] is False
        after = state(session)
        assert after.status == ConnectionStatus.DISCONNECTED
        assert after.access_token_encrypted is None
        assert after.refresh_token_encrypted is None

    def test_documents_are_kept_on_hold(
        self, browser: Browser, connection: XeroConnection, session: Session
    ) -> None:
        damage(session, _flipped, ACCESS, REFRESH)
        client = browser.send_json("POST", "/api/clients", {"name": "Ada Ltd"}).json
        fields = {"client_id": client["id"], "document_type": "P60", "tax_year": "2025-26"}
        document = browser.http.post(
            "/api/documents",
            data=fields | {"file": (io.BytesIO(b"%PDF-1.4\n%%EOF\n"), "p60.pdf")},
            headers={"Accept": "application/json", "X-CSRFToken": browser.csrf_token},
        ).json
        accepted = browser.send_json("POST", f"/api/documents/{document['id']}/accept")
        assert accepted.status_code == 200
        wiring.xero_files().drain(connection.practice_id, 5)
        assert browser.get_json(f"/api/documents/{document['id']}")["push"]["status"] == "pending"

    def test_a_consent_whose_values_were_changed_starts_again(
        self, browser: Browser, world: World, session: Session
    ) -> None:
        address = give_consent(world, start(browser))
        session.execute(update(OAuthAttempt).values(nonce_encrypted="changed"))
        session.commit()
        place = come_back(browser, address)
        assert "too old to accept" in words_of(browser, place)


class TestKeys:
    """A key that is missing or wrong is the operator's, and no practice's connection is lost."""

    @pytest.fixture(params=["checked", "never checked"])
    def connection(
        self, app: Flask, browser: Browser, world: World, session: Session, request: Any
    ) -> XeroConnection:
        """A connection; the database was away when a process started that never saw its keys."""
        session.rollback()
        if request.param == "checked":
            check_master_keys(app)
        connect(browser, world)
        return state(session)

    @pytest.mark.parametrize(
        "listed",
        [(master_key(9),), (master_key(9), master_key(1, "other bytes"))],
        ids=["missing", "other bytes"],
    )
    def test_nobody_is_told_to_reconnect(
        self,
        app: Flask,
        browser: Browser,
        connection: XeroConnection,
        session: Session,
        listed: tuple[MasterKey, ...],
    ) -> None:
        own = app.config["SETTINGS"].token_master_keys
        list_keys(app, listed)
        with pytest.raises(XeroNoAnswer, match="lacks the key"):
            call(connection)
        after = state(session)
        assert after.status == ConnectionStatus.ACTIVE
        assert after.consecutive_errors == 1
        assert after.refresh_lease_owner is None
        assert open_alerts(session) == []
        assert ">Connected<" not in browser.get("/settings").text
        assert browser.post("/settings/check").status_code == 303
        assert browser.get("/settings").status_code == 200
        list_keys(app, own)
        call(connection)
        assert state(session).consecutive_errors == 0


def list_keys(app: Flask, keys: tuple[MasterKey, ...]) -> None:
    app.config["SETTINGS"] = replace(app.config["SETTINGS"], token_master_keys=keys)
    wiring.outside().cipher = TokenCipher(keys)
