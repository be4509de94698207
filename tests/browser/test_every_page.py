"""Every page, asked one thing at a time: what can be reached, read and seen there, and how."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from tests.browser.conftest import Office, seat, sign_in
from tests.browser.installation import Installation
from tests.browser.looking import complaints
from tests.browser.screens import PAGES, Visitor, inline_parts

DESK, TELEPHONE, MAGNIFIED = (1280, 900), (320, 900), (320, 256)
# Without it every rule that a page keeps comes back with all its elements.
ONLY_VIOLATIONS = {"resultTypes": ["violations"]}
KEYS = "abcdefghijklmnopqrstuvwxyz0123456789/?.,;'[]-=`"
WITH_LISTS = ("documents needing attention", "import", "settings")
COUNT_CHANGES = """
() => {
  const count = (records) => { window.changes += records.length; };
  window.changes = 0;
  new MutationObserver(count).observe(
    document.body, { attributes: true, childList: true, characterData: true, subtree: true });
}
"""
PLACE_OF_FOCUS = """
() => {
  const box = document.activeElement.getBoundingClientRect();
  return [Math.round((box.top + box.bottom) / 2 / 16), Math.round(box.left)];
}
"""
# A page for each question on which it must find something.
FAULTY = {
    "sideways": "<main><table><tr><td>1</table></main>",
    "smallTargets": "<button style='height: 20px; padding: 0'>Go</button>",
    "cutOrOverlapping": "<p style='height: 9px; overflow: hidden'>Cut<p>A<p style='margin: -2em'>B",
    "outOfOrder": "<div style='display: flex; flex-direction: column-reverse'>"
    "<a href='/1'>One</a><a href='/2'>Two</a></div>",
    "withoutRing": "<button style='outline: none'>Go</button>",
    "hiddenWhenFocused": "<a href='/1'>One</a><div style='position: fixed; inset: 0'>Over</div>",
    "moving": "<p style='transition: opacity 1s'>Slow</p>",
    "lostWithoutColour": "<span class='pill'>Red</span>",
    "wrongTimes": "<time datetime='2026-07-01T14:02:10Z'>14:02</time>",
    "codes": "<p>status is not_found</p>",
    "bareNames": "<p>شركة · 3 files</p>",
}

pytestmark = pytest.mark.timeout(180)


@pytest.fixture(scope="module")
def visitor(chromium: Browser, installation: Installation, office: Office) -> Iterator[Visitor]:
    """Somebody of the practice in which everything has happened, with live updates paused."""
    with seat(chromium) as (context, watch):
        page = context.new_page()
        sign_in(page, installation.origin, office.admin)
        # Nothing may change between two questions.
        page.get_by_role("button", name="Pause live updates").click()
        yield Visitor(page, watch, installation.origin)


@pytest.fixture(scope="module")
def addresses(office: Office) -> dict[str, str]:
    """The ids that stand in addresses."""
    draft = office.person.http.get(f"{office.person.origin}/import", timeout=20)
    names = ("run_id", "filed_id", "failed_id", "received_id", "client_id")
    return {
        "draft_id": draft.url.partition("?")[0].rpartition("/")[2],
        **{name: getattr(office, name) for name in names},
    }


@pytest.fixture(scope="module", params=PAGES)
def opened(
    request: pytest.FixtureRequest, visitor: Visitor, addresses: dict[str, str]
) -> tuple[str, str]:
    """Each page in turn, opened once: its name, and its HTML as the server sent it."""
    visitor.page.set_viewport_size({"width": DESK[0], "height": DESK[1]})
    return request.param, visitor.open(PAGES[request.param].format(**addresses))


@pytest.fixture
def page(visitor: Visitor, opened: tuple[str, str]) -> Iterator[Page]:
    """The page that is open, as wide as a desk's."""
    yield visitor.page
    visitor.page.emulate_media(color_scheme="light", forced_colors="none", reduced_motion=None)
    resize(visitor.page, DESK)


def resize(page: Page, size: tuple[int, int]) -> None:
    """Give the page a window of this width and height."""
    page.set_viewport_size({"width": size[0], "height": size[1]})


def test_each_question_finds_its_fault(chromium: Browser) -> None:
    with seat(chromium, viewport={"width": 320, "height": 256}) as (context, _watch):
        page = context.new_page()
        for question, html in FAULTY.items():
            page.set_content(f"<html lang='en' data-time-zone='Europe/London'><body>{html}")
            assert complaints(page, question) != [], question


@pytest.mark.fact(72)
def test_nothing_is_inline_or_reported(visitor: Visitor, opened: tuple[str, str]) -> None:
    name, html = opened
    assert inline_parts(html) == []
    if name == "no such page":
        visitor.watch.forget_missing_page()
    assert visitor.watch.troubles == []


def test_axe_finds_nothing(page: Page) -> None:
    found = Axe().run(page, options=ONLY_VIOLATIONS)
    assert found.violations_count == 0, found.generate_report()


@pytest.mark.fact(65)
def test_every_target_is_large_enough(page: Page) -> None:
    assert complaints(page, "smallTargets") == []


@pytest.mark.fact(77)
def test_times_are_those_of_the_practice(page: Page) -> None:
    assert complaints(page, "wrongTimes") == []


@pytest.mark.fact(81)
def test_codes_stay_in_technical_details(page: Page) -> None:
    assert complaints(page, "codes") == []


@pytest.mark.fact(62)
def test_tab_order_is_reading_order_with_a_ring_on_every_stop(page: Page) -> None:
    assert complaints(page, "outOfOrder") == []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        assert complaints(page, "withoutRing") == []


@pytest.mark.fact(62)
@pytest.mark.parametrize("size", [DESK, TELEPHONE])
def test_a_real_tab_walks_the_header_as_it_is_seen(visitor: Visitor, size: tuple[int, int]) -> None:
    page = visitor.page.context.new_page()
    resize(page, size)
    page.goto(f"{visitor.origin}/alerts")
    header, places = page.locator(".site-header-row"), []
    page.keyboard.press("Tab")
    for _ in range(header.locator("a, summary").count()):
        page.keyboard.press("Tab")
        places.append(page.evaluate(PLACE_OF_FOCUS))
    page.close()
    assert places == sorted(places)


@pytest.mark.fact(66)
def test_nothing_moves_for_who_asked_for_stillness(page: Page) -> None:
    page.emulate_media(reduced_motion="reduce")
    assert complaints(page, "moving") == []


@pytest.mark.fact(67)
def test_states_are_seen_in_the_readers_own_colours(page: Page) -> None:
    page.emulate_media(forced_colors="active")
    tick = page.locator("[data-tick]").first
    if tick.count():
        # Shown, not saved: the next test finds it as it was.
        tick.evaluate("box => { box.checked = true; }")
    assert complaints(page, "lostWithoutColour") == []
    assert complaints(page, "withoutRing") == []
    if tick.count():
        tick.evaluate("box => { box.checked = box.defaultChecked; }")


@pytest.mark.fact(60)
def test_a_narrow_page_never_scrolls_sideways(page: Page) -> None:
    resize(page, TELEPHONE)
    assert complaints(page, "sideways") == []
    assert complaints(page, "outOfOrder") == []


@pytest.mark.fact(61)
def test_magnified_it_hides_nothing(page: Page) -> None:
    resize(page, MAGNIFIED)
    assert complaints(page, "sideways") == []
    assert complaints(page, "hiddenWhenFocused") == []
    resize(page, DESK)
    page.evaluate("document.documentElement.style.fontSize = '200%'")
    assert complaints(page, "sideways") == []
    assert complaints(page, "cutOrOverlapping") == []
    page.evaluate("document.documentElement.style.fontSize = ''")


@pytest.mark.fact(69)
def test_no_single_key_does_anything(page: Page, opened: tuple[str, str]) -> None:
    if opened[0] not in WITH_LISTS:
        return
    page.evaluate(COUNT_CHANGES)
    address, focused = page.url, page.evaluate("document.activeElement.tagName")
    for key in KEYS:
        page.keyboard.press(key)
    assert page.evaluate("window.changes") == 0
    assert (page.url, page.evaluate("document.activeElement.tagName")) == (address, focused)


# The last one: it leaves other words behind.
@pytest.mark.fact(79)
def test_longer_words_find_room(page: Page) -> None:
    complaints(page, "lengthen")
    for size in (DESK, TELEPHONE):
        resize(page, size)
        assert complaints(page, "sideways") == []
        assert complaints(page, "cutOrOverlapping") == []
