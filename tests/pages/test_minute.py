"""A minute on live pages: what changes arrives, and nobody's place, focus or ticks are lost."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Request
from sqlalchemy import select, update

from dashboard.clock import utcnow
from dashboard.database import db
from dashboard.gallery import SCENES
from dashboard.models import PushStatus, RunStatus, SyncRun, User, XeroFilePush
from tests.browser.conftest import seat
from tests.browser.watch import Watch
from tests.pages.gallery import Gallery

SECONDS = 60
STEP_SECONDS = 4
SCROLLED = 40
# Small, so that every page can be scrolled.
VIEWPORT = {"width": 1280, "height": 420}
# Long enough for the first polls, after which nothing is new any more.
SETTLED_MILLISECONDS = 7_000

CHANGED = (
    "run-running",
    "sync-history-with-a-running-import",
    "import-reading",
    "import-read-again-while-ticking",
    "documents-one-in-each-state",
)
UNCHANGED = (
    "settings-connected",
    "settings-reading-contacts-for-the-first-time",
    "run-waiting-for-xero",
    "sync-history-polls-not-answered",
    "import-reading-slowed-down",
    "documents-waiting-for-xero",
    "document-uploading",
    "document-on-hold",
    "alerts-open",
)
FINAL = ("run-finished", "document-filed", "documents-nothing-needs-attention")
HIDDEN = "document-linking-to-the-contact"

OBSERVE = """
([scrolled, tick]) => {
  const seen = window.seen = { shift: 0, focus: 0, changes: [] };
  const box = tick && document.querySelector("input[data-tick]");
  if (box) box.click();
  document.querySelector(".site-nav a").focus();
  window.scrollTo({ top: scrolled, behavior: "instant" });
  seen.scrolled = window.scrollY;
  seen.live = document.getElementById("live");
  document.addEventListener("focusin", () => { seen.focus += 1; });
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) seen.shift += entry.value;
  }).observe({ type: "layout-shift" });
  // htmx marks what shows that it asks; ours is the invisible head.
  new MutationObserver((records) => {
    for (const record of records)
      if (record.target !== document.head) seen.changes.push(`${record.type} ${record.target.id}`);
  }).observe(document, { attributes: true, characterData: true, childList: true, subtree: true });
}
"""
FOUND = """
() => ({
  shift: seen.shift,
  focus: seen.focus,
  changes: seen.changes,
  moved: window.scrollY - seen.scrolled,
  focused: document.activeElement.textContent.trim(),
  sameLive: seen.live === document.getElementById("live"),
  ticked: document.querySelectorAll("input[data-tick]:checked").length,
})
"""
HIDE = """
(hidden) => {
  Object.defineProperty(document, "hidden", { configurable: true, get: () => hidden });
  document.dispatchEvent(new Event("visibilitychange"));
}
"""


@dataclass
class Reader:
    """Somebody who looks at one page, and what their browser asked for."""

    slug: str
    page: Page
    watch: Watch
    polls: list[str] = field(default_factory=list)

    def note(self, request: Request) -> None:
        """Count a poll of the page's own panels; the header's is another matter."""
        if "/panels/" in request.url and "/panels/frame" not in request.url:
            self.polls.append(request.url)

    def found(self) -> dict[str, Any]:
        """Return what the page has noticed."""
        seen: dict[str, Any] = self.page.evaluate(FOUND)
        return seen


@pytest.fixture
def readers(chromium: Browser, gallery: Gallery) -> Iterator[dict[str, Reader]]:
    """One reader for each page, each with a browser of their own."""
    with ExitStack() as stack:
        found = {}
        for slug in (*CHANGED, *UNCHANGED, *FINAL, HIDDEN):
            context, watch = stack.enter_context(seat(chromium, viewport=VIEWPORT))
            reader = Reader(slug, context.new_page(), watch)
            reader.page.on("request", reader.note)
            reader.page.goto(gallery.address_of(SCENES[slug]))
            found[slug] = reader
        yield found


@pytest.mark.fact(3, 6, 9, 10)
@pytest.mark.timeout(300)
def test_a_minute_disturbs_nobody(gallery: Gallery, readers: dict[str, Reader]) -> None:
    pump = readers[HIDDEN].page
    pump.wait_for_timeout(SETTLED_MILLISECONDS)
    began = utcnow()
    for reader in readers.values():
        reader.page.evaluate(OBSERVE, [SCROLLED, reader.slug.endswith("ticking")])
    pump.evaluate(HIDE, True)
    for reader in readers.values():
        reader.polls.clear()
    for step in range(SECONDS // STEP_SECONDS):
        change(gallery, step)
        pump.wait_for_timeout(STEP_SECONDS * 1000)
    assert readers[HIDDEN].polls == []
    with pump.expect_request(lambda request: "/panels/push" in request.url):
        pump.evaluate(HIDE, False)
    # At a full hour the card about calls counts anew, and that is news.
    is_news = began.hour != utcnow().hour
    still = [slug for slug in UNCHANGED if not (is_news and slug.startswith("settings"))]
    assert_calm(readers, still)


def assert_calm(readers: dict[str, Reader], still: list[str]) -> None:
    """Fail on whatever a minute of polling has disturbed, on any page."""
    found = {slug: reader.found() for slug, reader in readers.items()}
    calm = {"shift": 0, "focus": 0, "moved": 0, "focused": "Clients", "sameLive": True}
    assert {slug: seen for slug, seen in found.items() if {**seen, **calm} != seen} == {}
    assert {slug: found[slug]["changes"] for slug in still if found[slug]["changes"]} == {}
    assert [slug for slug in CHANGED if not found[slug]["changes"]] == []
    assert found["import-read-again-while-ticking"]["ticked"] == 1
    assert [slug for slug in FINAL if readers[slug].polls] == []
    assert [slug for slug in (*CHANGED, *UNCHANGED) if not readers[slug].polls] == ["alerts-open"]
    troubles = {slug: reader.watch.troubles for slug, reader in readers.items()}
    assert {slug: found for slug, found in troubles.items() if found} == {}


def change(gallery: Gallery, step: int) -> None:
    """Let runs go on and documents move, as workers would have it."""
    statuses = (PushStatus.PENDING, PushStatus.UPLOADING, PushStatus.UPLOADED)
    with gallery.app.app_context():
        emails = [SCENES[slug].email for slug in CHANGED]
        practices = select(User.practice_id).where(User.email.in_(emails))
        db.session.execute(
            update(SyncRun)
            .where(SyncRun.practice_id.in_(practices), SyncRun.status == RunStatus.RUNNING)
            .values(done=SyncRun.done + 7, updated_at=utcnow())
        )
        db.session.execute(
            update(XeroFilePush)
            .where(
                XeroFilePush.practice_id.in_(practices),
                XeroFilePush.status.in_(statuses),
                XeroFilePush.cause.is_(None),
            )
            .values(status=statuses[step % len(statuses)], updated_at=utcnow())
        )
        db.session.commit()
        db.session.remove()
