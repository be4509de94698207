"""Every page over few rows and over more: what it asks, and what it weighs."""

from __future__ import annotations

import pytest

from tests.bench import pages


class TestPages:
    def test_none_asks_more_than_five_or_more_over_more_rows_or_is_heavy(
        self, database_url: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        given = ["--database", database_url, "--rows", "300", "--small", "200", "--tries", "1"]
        assert pages.main(given) == 0, capsys.readouterr().out
