"""When a contact's field and a client's field say the same."""

from __future__ import annotations

import pytest

from dashboard.rules import field_comparison as compare
from dashboard.rules.field_comparison import compared


@pytest.mark.parametrize(
    ("tidied", "theirs", "ours", "verdict"),
    [
        (compare.name, ["Hartley & Co Ltd"], "HARTLEY AND CO LIMITED", "Same"),
        (compare.name, ["Zoë Brontë"], "Zoe Bronte", "Same"),
        (compare.name, ["Acland Properties 2 Ltd"], "Acland Properties 3 Ltd", "Differs"),
        (compare.name, ["John Smith Jr"], "John Smith Sr", "Differs"),
        (compare.name, ["😀"], "😀", "Same"),
        (compare.email, ["Rob+xero@Smith.example"], "rob@smith.example", "Same"),
        (compare.email, ["rob@smith.example"], "bob@smith.example", "Differs"),
        (compare.phone, ["020 7946 0000", "+44 7700 900123"], "07700 900123", "Same"),
        (compare.number, ["GB 123 4567 89"], "123456789", "Same"),
        (compare.email, [None], "rob@smith.example", "Missing in Xero"),
        (compare.email, ["rob@smith.example"], "", "Missing in chase.md"),
        (compare.email, [""], None, ""),
    ],
)
def test_only_what_matters_is_compared(
    tidied: object, theirs: list[str | None], ours: str | None, verdict: str
) -> None:
    assert compared("Field", theirs, ours, tidied).verdict == verdict  # type: ignore[arg-type]
