"""The filter of the import preview as it stands in a URL."""

from __future__ import annotations

import pytest

from dashboard.rules.preview_filter import PreviewFilter, UnknownFilter, preview_filter


def test_what_is_missing_means_any() -> None:
    assert preview_filter({}).is_empty
    assert preview_filter({"match": "", "q": "  ", "page": "3"}).is_empty


def test_everything_is_read_and_trimmed() -> None:
    wanted = preview_filter(
        {"match": "possible", "q": " Smith ", "group": "VAT", "type": "likely", "selected": "1"}
    )
    assert wanted == PreviewFilter("possible", "Smith", "VAT", "likely", True)
    assert wanted.without_match().match == ""
    assert PreviewFilter(q="Café ").needle == "cafe"


@pytest.mark.parametrize("arguments", [{"match": "Exact"}, {"type": "client"}, {"selected": "yes"}])
def test_a_mistyped_word_is_refused_with_the_words_there_are(arguments: dict[str, str]) -> None:
    with pytest.raises(UnknownFilter) as refused:
        preview_filter(arguments)
    assert " or " in str(refused.value)
