"""Templates parse, and hold no script, style or handler of their own."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from jinja2 import Environment

TEMPLATES = Path(__file__).resolve().parents[2] / "templates"
PAGES = sorted(TEMPLATES.rglob("*.html"))
NOT_HTML = re.compile(r"{#.*?#}|{%.*?%}|{{.*?}}", re.DOTALL)
FORBIDDEN = {
    "inline script": r"<script(?![^>]*\bsrc=)",
    "inline style": r"<style|\sstyle=",
    "inline handler": r"\son[a-z]+=",
    "htmx handler": r"\shx-on|\bjs:",
    "trigger filter": r'hx-trigger="[^"]*\[',
    "meta refresh": r"http-equiv=.?refresh",
}


def _name(path: Path) -> str:
    return str(path.relative_to(TEMPLATES))


@pytest.mark.parametrize("path", PAGES, ids=_name)
def test_it_parses(path: Path) -> None:
    Environment(autoescape=True).parse(path.read_text())


@pytest.mark.parametrize("path", PAGES, ids=_name)
@pytest.mark.parametrize("what", FORBIDDEN)
def test_it_keeps_the_content_policy(path: Path, what: str) -> None:
    html = NOT_HTML.sub("", path.read_text())
    assert not re.search(FORBIDDEN[what], html, re.IGNORECASE), what


@pytest.mark.parametrize("path", PAGES, ids=_name)
def test_every_form_that_posts_carries_its_token(path: Path) -> None:
    if path.is_relative_to(TEMPLATES / "simulator"):
        return
    for form in re.findall(r"<form[^>]*method=.post.*?</form>", path.read_text(), re.DOTALL):
        assert "csrf()" in form or "csrf_token" in form
