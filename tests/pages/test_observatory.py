"""The HTTP Observatory's scorer gives every answer with HTML an A+, errors included."""

from __future__ import annotations

import dataclasses

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from dashboard.config import Settings
from dashboard.models import User
from tests.dashboard.views.test_live import Office, office
from tests.pages import judges
from tests.support.browser import Browser

__all__ = ["office"]

ORIGIN = "https://chase.example"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Settings of an installation behind a proxy that ends TLS, with the real Xero."""
    return dataclasses.replace(settings, public_url=ORIGIN, xero_login_url=Settings.xero_login_url)


def pages_of(office: Office) -> list[str]:
    """Return the address of every page that answers with HTML to somebody who is signed in."""
    return [
        "/",
        "/settings",
        "/settings/disconnect",
        "/import",
        f"/import/{office.draft.id}",
        f"/import/{office.draft.id}/review",
        "/sync-history",
        f"/sync-history/{office.run.id}",
        "/documents",
        "/documents/new",
        f"/documents/new?client_id={office.document.client_id}",
        f"/documents/{office.document.id}",
        "/clients",
        "/clients/new",
        f"/clients/{office.document.client_id}",
        f"/clients/{office.document.client_id}/link",
        "/alerts",
        "/alerts?state=closed",
        "/no-such-page",
        "/documents?tab=no-such-tab",
    ]


def as_sent(path: str, answer: TestResponse) -> dict[str, object]:
    """Return an answer as the judge reads it."""
    headers: dict[str, list[str]] = {}
    for name, value in answer.headers:
        headers.setdefault(name.lower(), []).append(value)
    return {
        "url": ORIGIN + path,
        "status": answer.status_code,
        "headers": headers,
        "body": answer.text,
    }


def fails(*_anything: object) -> None:
    raise RuntimeError("a fault of our own")


@pytest.mark.timeout(judges.FETCH_SECONDS)
def test_every_page_has_an_a_plus(
    visitor: FlaskClient,
    colleague: User,
    office: Office,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    app, asks_https = visitor.application, {"base_url": ORIGIN}
    browser, staff = Browser(app.test_client()), Browser(app.test_client())
    browser.enter_as(office.admin, **asks_https)
    staff.enter_as(colleague, **asks_https)
    answers = [as_sent(path, browser.get(path, **asks_https)) for path in pages_of(office)]
    assert [each["url"] for each in answers if each["status"] == 303] == [f"{ORIGIN}/import"]
    answers.append(as_sent("/sign-in", visitor.get("/sign-in", **asks_https)))
    # What people meet when something is wrong.
    form = {"headers": {"Accept": "text/html"}, **asks_https}
    answers.append(as_sent("/sign-in", visitor.post("/sign-in", **form)))
    answers.append(as_sent("/documents", visitor.post("/documents", **form)))
    answers.append(as_sent("/alerts", visitor.put("/alerts", **form)))
    answers.append(as_sent("/settings/folder", staff.get("/settings/folder", **form)))
    app.config["PROPAGATE_EXCEPTIONS"] = False
    monkeypatch.setitem(app.view_functions, "alerts.page", fails)
    answers.append(as_sent("/alerts", browser.get("/alerts", **asks_https)))
    html = [each for each in answers if "text/html" in str(each["headers"])]
    assert {200, 303, 403, 404, 405, 500} == {each["status"] for each in html}
    found = judges.asked("observatory", html)
    worst = min(answer["score"] for answer in found)
    print(f"\n{len(found)} pages, the lowest score is {worst}")
    assert [answer for answer in found if answer["grade"] != "A+"] == []
