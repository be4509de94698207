"""Names as people have them: long, from right to left, with pictures, and made of markup."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect
from sqlalchemy import select

from dashboard.clock import utcnow
from dashboard.database import db
from dashboard.models import DocumentStatus, ImportDraft, Practice, PushStatus
from tests import factories
from tests.browser.conftest import seat, sign_in
from tests.browser.installation import Installation
from tests.browser.looking import complaints
from tests.browser.screens import Visitor

MARKUP = "<img src=x onerror=alert(1)>"
NAMES = (
    "Wolfeschlegelsteinhausenbergerdorff und Söhne Verwaltungs GmbH",
    "LlanfairpwllgwyngyllgogerychwyrndrobwllllantysiliogogogochCIC",
    "شركة النور للمحاسبة والتدقيق المحدودة",
    "👩‍👩‍👧‍👦 Família Ñandú & Töchter 🥐🧾",
    MARKUP,
)
WIDTHS = (1280, 320)
PRACTICE = "Names & Co"

pytestmark = pytest.mark.timeout(180)


@pytest.fixture(scope="module")
def visitor(chromium: Browser, installation: Installation) -> Iterator[Visitor]:
    """The admin of a practice in which everybody has such a name."""
    admin = installation.new_practice(PRACTICE, "nadia@names.example")
    with seat(chromium) as (context, watch):
        page = context.new_page()
        sign_in(page, installation.origin, admin)
        yield Visitor(page, watch, installation.origin)


@pytest.fixture(scope="module")
def paths(installation: Installation, visitor: Visitor) -> dict[str, str]:
    """The pages of the visitor's practice that show such names."""
    with installation.app.app_context():
        practice = db.session.scalars(select(Practice).where(Practice.name == PRACTICE)).one()
        connection = factories.make_connection(
            practice, xero_org_name=MARKUP, last_sync_at=utcnow(), matched_at=utcnow()
        )
        for name in NAMES:
            client = factories.make_client(practice, name=name)
            meant = [{"client_id": str(client.id), "score": 0.7, "reasons": ["Same name"]}]
            possible = factories.make_contact(
                connection, name=name, match="possible", candidates=meant, groups=[{"name": name}]
            )
            factories.make_contact(connection, name=f"New {name}", match="new")
            document = factories.make_document(
                client, file_name=f"{name}.pdf", status=DocumentStatus.ACCEPTED
            )
            factories.make_push(connection, document, status=PushStatus.FAILED, cause="refused")
        draft = ImportDraft(practice_id=practice.id, xero_connection_id=connection.id)
        db.session.add(draft)
        db.session.flush()
        found = {
            "list": f"/import/{draft.id}?type=",
            "compare": f"/import/{draft.id}/contacts/{possible.xero_contact_id}?type=",
            "clients": "/clients",
            "client": f"/clients/{client.id}",
            "documents": "/documents",
            "document": f"/documents/{document.id}",
            "settings": "/settings",
            "overview": "/",
        }
        db.session.commit()
        db.session.remove()
    return found


@pytest.mark.fact(76, 82)
@pytest.mark.parametrize(
    "where",
    ["list", "compare", "clients", "client", "documents", "document", "settings", "overview"],
)
def test_they_break_no_row_and_are_text(
    visitor: Visitor, paths: dict[str, str], where: str
) -> None:
    visitor.open(paths[where])
    page = visitor.page
    expect(page.get_by_role("main")).to_contain_text(MARKUP)
    assert page.locator("img").count() == 0
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        for question in ("sideways", "cutOrOverlapping", "bareNames"):
            assert complaints(page, question) == [], f"{question} at {width} px"
    assert visitor.watch.troubles == []
    if where == "compare":
        expect(page).to_have_title(f"Compare {MARKUP} – chase.md")
