"""What a spreadsheet would take for a formula is text in our files."""

from __future__ import annotations

import pytest

from dashboard.rules.csv_cells import cell


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("=HYPERLINK(1)", "'=HYPERLINK(1)"),
        ("+44 20", "'+44 20"),
        ("-1", "'-1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'\t=1"),
        ("\r=1", "'\r=1"),
        ("Ada & Co = good", "Ada & Co = good"),
        ("שלום", "שלום"),
        (None, ""),
        (7, "7"),
    ],
)
def test_a_cell_never_starts_a_formula(value: object, written: str) -> None:
    assert cell(value) == written
