"""Puts the questions of `looking.js` to the page that is open."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Page

QUESTIONS = Path(__file__).with_suffix(".js").read_text()


def complaints(page: Page, question: str) -> list[str]:
    """Return what is wrong with the page, by one of the questions; empty when all is well."""
    found: list[str] = page.evaluate(f"{QUESTIONS.rstrip().rstrip(';')}.{question}()")
    return found
