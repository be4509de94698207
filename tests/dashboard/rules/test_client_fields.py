"""Who wins when Xero and the practice both change a field."""

from __future__ import annotations

import pytest

from dashboard.rules.client_fields import (
    follow_contact,
    kept_sentence,
    main_phone,
    would_sentences,
)

SAME = {"name": "Ada", "email": "a@a.example"}


class TestFollowContact:
    @pytest.mark.parametrize(
        ("ours", "before", "after", "taken", "kept"),
        [
            ("x", "x", "y", {"email": ("x", "y")}, ()),
            ("x", "x", None, {"email": ("x", None)}, ()),
            (None, None, "y", {"email": (None, "y")}, ()),
            ("", None, "y", {"email": (None, "y")}, ()),
            ("mine", "x", "y", {}, ("email",)),
            ("mine", "x", "x", {}, ()),
            ("y", "x", "y", {}, ()),
        ],
    )
    def test_a_field_follows_only_while_nobody_edited_it_here(
        self,
        ours: str | None,
        before: str | None,
        after: str | None,
        taken: dict[str, tuple[str | None, str | None]],
        kept: tuple[str, ...],
    ) -> None:
        found = follow_contact(
            {**SAME, "email": ours}, {**SAME, "email": before}, {**SAME, "email": after}
        )
        assert (found.taken, found.kept) == (taken, kept)

    def test_a_name_is_never_emptied(self) -> None:
        assert follow_contact(SAME, SAME, {**SAME, "name": None}).taken == {}


class TestSentences:
    def test_kept_fields_are_named(self) -> None:
        assert kept_sentence(["name", "email", "tax_number"]) == (
            "Edited here, so the name, email and tax number in Xero was not taken over."
        )

    def test_what_would_change_is_said_from_what_to_what(self) -> None:
        theirs = {"name": "Ada Ltd", "email": None, "phone": "1"}
        changes = follow_contact({**SAME, "phone": None}, {**SAME, "phone": None}, theirs)
        assert would_sentences(changes) == [
            "The name Ada would become Ada Ltd.",
            "The email a@a.example would go.",
            "The phone, empty now, would become 1.",
        ]


class TestMainPhone:
    def test_a_fax_is_never_shown_and_blanks_are_passed_over(self) -> None:
        phones = [
            {"kind": "FAX", "number": "1"},
            {"kind": "DEFAULT", "number": ""},
            {"kind": "DDI", "number": "2"},
            {"kind": "MOBILE", "number": "3"},
        ]
        assert main_phone(phones) == "3"
        assert main_phone([]) is None
