"""The pages that tests walk through, and what they are opened with and looked at for."""

from __future__ import annotations

from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Literal

from playwright.sync_api import Page

from tests.browser.watch import Watch

WIDTHS = (1280, 320)
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
SIDEWAYS = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
PAGES = {
    "overview": "/",
    "settings": "/settings",
    "disconnect": "/settings/disconnect",
    "folder": "/settings/folder",
    "import": "/import/{draft_id}?per=25",
    "possible matches": "/import/{draft_id}?match=possible",
    "review": "/import/{draft_id}/review",
    "sync history": "/sync-history?all=1",
    "run": "/sync-history/{run_id}",
    "undo": "/sync-history/{run_id}/undo",
    "documents": "/documents",
    "documents needing attention": "/documents?tab=attention",
    "retry documents": "/documents/retry?cause=refused",
    "filed document": "/documents/{filed_id}",
    "failed document": "/documents/{failed_id}",
    "received document": "/documents/{received_id}",
    "choose a client": "/documents/new",
    "add a document": "/documents/new?client_id={client_id}",
    "clients": "/clients",
    "add a client": "/clients/new",
    "client": "/clients/{client_id}",
    "link a client": "/clients/{client_id}/link",
    "alerts": "/alerts",
    "closed alerts": "/alerts?state=closed",
    "no such page": "/no-such-page",
}


@dataclass(frozen=True, slots=True)
class Visitor:
    """A page to look at things with, and what watches it."""

    page: Page
    watch: Watch
    origin: str

    def open(self, path: str) -> str:
        """Go to *path* and return its HTML as the server sent it."""
        self.watch.forget()
        answer = self.page.goto(self.origin + path)
        assert answer is not None
        return answer.text()


class _InlineParts(HTMLParser):
    """Collects what the content policy would refuse: inline scripts, styles and handlers."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _value in attrs]
        if tag == "style" or (tag == "script" and "src" not in names):
            self.found.append(f"<{tag}>")
        self.found += [f"<{tag} {name}>" for name in names if name == "style" or name[:2] == "on"]


def inline_parts(html: str) -> list[str]:
    """Return the inline scripts, styles and handlers of a page."""
    reader = _InlineParts()
    reader.feed(html)
    return reader.found
