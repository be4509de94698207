"""Lighthouse gives every screen full marks for accessibility and best practices."""

from __future__ import annotations

import pytest
import requests

from dashboard.gallery import SCENES
from tests.browser.conftest import FLAGS
from tests.pages import judges
from tests.pages.gallery import Gallery
from tests.support import chromium as chromiums

FULL_MARKS = 100
SCREENS = [slug for slug, scene in SCENES.items() if scene.stands_for_screen]
# Lighthouse takes seconds for each page: the parts are looked at side by side.
PARTS = 4


@pytest.mark.fact(59)
@pytest.mark.timeout(judges.JUDGE_SECONDS)
@pytest.mark.parametrize("part", range(PARTS))
def test_every_screen_has_full_marks(
    gallery: Gallery, record_property: pytest.RecordProperty, part: int
) -> None:
    pages = [page_of(gallery, slug) for slug in SCREENS[part::PARTS]]
    path = chromiums.find()
    assert path is not None
    found = judges.asked("lighthouse", {"flags": FLAGS, "pages": pages}, CHROME_PATH=path)
    assert [answer["reached"] for answer in found] == [page["url"] for page in pages]
    wanting = [
        answer
        for answer in found
        if min(answer["accessibility"], answer["best_practices"]) < FULL_MARKS
    ]
    assert wanting == []
    for slug in SCREENS[part::PARTS]:
        record_property("screen", slug)


def page_of(gallery: Gallery, slug: str) -> dict[str, str]:
    """Return the address that a scene leads to and the cookie of its person."""
    with requests.Session() as browser:
        address = gallery.address_of(SCENES[slug])
        answer = browser.get(address, headers={"Accept": "text/html"}, timeout=30)
        answer.raise_for_status()
        cookie = "; ".join(f"{each.name}={each.value}" for each in browser.cookies)
        return {"url": answer.url, "cookie": cookie}
