"""Lighthouse gives every screen full marks for accessibility and best practices."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser

from tests.browser.conftest import FLAGS, Office, seat, sign_in
from tests.browser.installation import Installation
from tests.browser.test_pages import PAGES
from tests.pages import judges
from tests.support import chromium as chromiums

FULL_MARKS = 100
# Lighthouse does not look at a page that answers with an error.
SCREENS = {name: path for name, path in PAGES.items() if name != "no such page"}


@pytest.mark.timeout(judges.JUDGE_SECONDS)
def test_every_screen_has_full_marks(
    chromium: Browser, installation: Installation, office: Office, addresses: dict[str, str]
) -> None:
    with seat(chromium) as (context, _):
        sign_in(context.new_page(), installation.origin, office.admin)
        cookie = "; ".join(f"{each['name']}={each['value']}" for each in context.cookies())
    urls = [installation.origin + path.format(**addresses) for path in SCREENS.values()]
    path = chromiums.find()
    assert path is not None
    found = [
        *judges.asked(
            "lighthouse", {"cookie": cookie, "flags": FLAGS, "urls": urls}, CHROME_PATH=path
        ),
        *judges.asked(
            "lighthouse",
            {"cookie": "", "flags": FLAGS, "urls": [f"{installation.origin}/sign-in"]},
            CHROME_PATH=path,
        ),
    ]
    print(f"\n{len(found)} screens")
    for answer in found:
        marks = answer["accessibility"], answer["best_practices"]
        print(f"  {marks[0]:>3} {marks[1]:>3}  {answer['url']}  {'; '.join(answer['failed'])}")
    assert {answer["reached"].partition("?")[0] for answer in found} >= {
        url.partition("?")[0] for url in urls
    }
    wanting = [
        answer
        for answer in found
        if min(answer["accessibility"], answer["best_practices"]) < FULL_MARKS
    ]
    assert wanting == []
