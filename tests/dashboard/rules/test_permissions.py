"""What was not granted, in words."""

from __future__ import annotations

from dashboard.rules.permissions import FILES, PERMISSIONS, needed_sentence, refused_sentences

ALL = [scope for permission in PERMISSIONS for scope in permission.scopes]


class TestPermissions:
    def test_a_missing_one_is_named(self) -> None:
        granted = [scope for scope in ALL if scope not in FILES.scopes]
        assert needed_sentence(granted) == "We need one more permission: Add files to Xero."
        assert refused_sentences(granted) == (
            "Connected, but without permission to add files. Documents will not be sent until you"
            " allow it.",
        )

    def test_several_are_counted(self) -> None:
        granted = ["openid", "profile", "email", "offline_access", "accounting.settings"]
        assert needed_sentence(granted) == (
            "We need 2 more permissions: Read contacts, Add files to Xero."
        )

    def test_nothing_missing_needs_no_words(self) -> None:
        assert needed_sentence(ALL) == ""
        assert refused_sentences(ALL) == ()
