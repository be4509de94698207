"""Every state of every screen in every look: readable for all, nothing sideways, nothing loud."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, Literal, TypeAlias

import pytest
from axe_playwright_python.base import AXE_SCRIPT, AxeResults
from playwright.sync_api import Browser, BrowserContext, Page, Response, expect

from dashboard.gallery import SCENES
from dashboard.gallery.scenes import Outside, Scene
from tests.browser.conftest import seat
from tests.browser.screens import SCHEMES, SIDEWAYS, WIDTHS, inline_parts
from tests.browser.watch import Watch
from tests.pages.gallery import Gallery
from tests.pages.tally import PICTURES

Scheme: TypeAlias = Literal["light", "dark"]
LOOKS = tuple(product(WIDTHS, SCHEMES))
AXE = "options => axe.run(document, options)"
ONLY_VIOLATIONS = {"resultTypes": ["violations"]}
ASK_NOW = "document.body.dispatchEvent(new CustomEvent('live:now'))"
HEIGHT = 900
PANELS = "**/panels/**"
PICTURE: dict[str, Any] = {"full_page": True, "animations": "disabled"}


@dataclass(frozen=True, slots=True)
class Desk:
    """A browser in which one scene after the other is opened, and what watches it."""

    context: BrowserContext
    page: Page
    watch: Watch


@pytest.fixture(scope="session")
def desk(chromium: Browser) -> Iterator[Desk]:
    """A browser that keeps what all pages share; each scene signs in as somebody else."""
    with seat(chromium, reduced_motion="reduce") as (context, watch):
        yield Desk(context, context.new_page(), watch)


@pytest.mark.fact(58, 84)
@pytest.mark.parametrize("slug", SCENES)
def test_state_is_good_in_every_look(
    gallery: Gallery, desk: Desk, record_property: pytest.RecordProperty, slug: str
) -> None:
    scene, page = SCENES[slug], desk.page
    # Away first: what the scene before still polls is refused to this one's person.
    page.goto("about:blank")
    desk.watch.forget()
    answer = opened(page, gallery.address_of(scene), desk.watch)
    assert answer.status == scene.status
    assert inline_parts(answer.text()) == []
    with brought_about(scene, desk):
        assert page.locator("h1").count() == 1
        page.evaluate(AXE_SCRIPT)
        for width, scheme in LOOKS:
            look_over(page, width, scheme)
            page.screenshot(path=picture(slug, width, scheme), **PICTURE)
            record_property("look", f"{slug} {width} {scheme}")
    assert desk.watch.troubles == []


def look_over(page: Page, width: int, scheme: Scheme) -> None:
    """Fail on whatever is wrong with the page in one look."""
    page.set_viewport_size({"width": width, "height": HEIGHT})
    page.emulate_media(color_scheme=scheme)
    assert page.evaluate(SIDEWAYS) <= 0, f"{width} px: the page scrolls sideways"
    found = AxeResults(page.evaluate(AXE, ONLY_VIOLATIONS))
    assert found.violations_count == 0, f"{width} {scheme}\n{found.generate_report()}"


def opened(page: Page, address: str, watch: Watch) -> Response:
    """Open a scene; press its button where only a form leads to it. Return the page's answer."""
    answer = page.goto(address)
    assert answer is not None
    form = page.locator("form[data-gallery-press]")
    if form.count():
        watch.forget()
        with page.expect_navigation() as navigation:
            form.get_by_role("button").click()
        answer = navigation.value
    watch.forget_page(answer)
    return answer


@contextmanager
def brought_about(scene: Scene, desk: Desk) -> Iterator[None]:
    """Let that happen outside which the scene needs, until the page says so; undo it after.

    What the browser itself says of unanswered requests is part of it, and no trouble.
    """
    if scene.outside not in CAUSES:
        yield
        return
    begin, end, words = CAUSES[scene.outside]
    try:
        begin(desk)
        expect(desk.page.get_by_text(words).first).to_be_visible()
        yield
    finally:
        end(desk)
    desk.watch.forget_unanswered()


def _cut(desk: Desk) -> None:
    desk.page.route(PANELS, lambda route: route.abort("connectionrefused"))
    desk.page.evaluate(ASK_NOW)


def _mend(desk: Desk) -> None:
    # Away first: a page that is still there would ask again.
    desk.page.goto("about:blank")
    desk.page.unroute(PANELS)


def _go_offline(desk: Desk) -> None:
    desk.context.set_offline(True)
    desk.page.get_by_role("checkbox", name="Bluebell Nursery").click()


def _come_back(desk: Desk) -> None:
    desk.page.goto("about:blank")
    desk.context.set_offline(False)


def _end_session(desk: Desk) -> None:
    desk.context.clear_cookies()
    desk.page.evaluate(ASK_NOW)


Act: TypeAlias = Callable[[Desk], None]
# How each cause is brought about and ended, and what the page then says.
CAUSES: dict[Outside | None, tuple[Act, Act, re.Pattern[str]]] = {
    Outside.SILENT: (_cut, _mend, re.compile("^Not updating. Last updated")),
    Outside.OFFLINE: (_go_offline, _come_back, re.compile("Not saved. You are offline.")),
    Outside.SIGNED_OUT: (_end_session, _mend, re.compile("^You have been signed out.")),
}


def picture(slug: str, width: int, scheme: str) -> Path:
    """Return where the picture of a state in one look belongs."""
    return PICTURES / f"{width}-{scheme}" / f"{slug}.png"
