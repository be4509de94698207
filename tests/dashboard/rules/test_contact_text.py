"""Texts cleaned to be kept and folded to be found."""

from __future__ import annotations

import pytest

from dashboard.rules.contact_text import cleaned, folded, search_text, sort_name


@pytest.mark.parametrize(
    ("text", "kept"),
    [(None, None), ("  ", None), (" a ", "a"), ("a\x00b", "ab"), ("x" * 300, "x" * 255)],
)
def test_cleaned_text_fits_every_database(text: str | None, kept: str | None) -> None:
    assert cleaned(text) == kept


@pytest.mark.parametrize(
    ("text", "found_as"),
    [
        ("  Søren  Kierkegaard ", "søren kierkegaard"),
        ("Ñandú Café", "nandu cafe"),
        ("STRASSE", "strasse"),
        ("Straße", "strasse"),
        ("שלום", "שלום"),
        ("ﬁnance", "finance"),
    ],
)
def test_folded_text_is_found_without_case_and_accents(text: str, found_as: str) -> None:
    assert folded(text) == found_as


def test_a_name_that_grows_when_folded_still_fits() -> None:
    assert len(sort_name("ß" * 255)) == 255


def test_no_search_finds_across_two_parts() -> None:
    assert "ada ltd" not in search_text("Ada", "Ltd", None, "")
