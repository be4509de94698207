from __future__ import annotations

from typing import Any

from tests.bench.matching import link, within


def row(name: str, **facts: Any) -> dict[str, Any]:
    return {"Name": name, "Phones": [], "Addresses": [], **facts}


class TestHarnessShape:
    ROWS = (
        row("Acland Joinery Ltd", EmailAddress="a@acland.example"),
        row("Marsh Haulage", Phones=[{"PhoneAreaCode": "01904", "PhoneNumber": "555123"}]),
    )

    def test_link_answers_positions_scores_and_reasons(self) -> None:
        found = link(self.ROWS, list(reversed(self.ROWS)))
        assert [(i, k) for i, k, _, _ in found] == [(0, 1), (1, 0)]
        assert all(score >= 0.9 and reasons for _, _, score, reasons in found)

    def test_within_answers_pairs_in_order(self) -> None:
        found = within([*self.ROWS, dict(self.ROWS[0])])
        assert [(i, j) for i, j, _, _ in found] == [(0, 2)]
