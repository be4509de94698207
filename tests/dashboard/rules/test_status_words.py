from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from lucide import _load_icon

from dashboard.rules import status_words
from dashboard.rules.status_words import (
    PushFacts,
    StatusWord,
    connection_word,
    document_word,
    link_word,
    match_word,
    push_word,
    run_word,
    scan_word,
)

NOW = datetime(2026, 11, 22, 14, 2, 10, tzinfo=UTC)


def connection(status: str | None, minutes_ago: float | None = 5, **facts: object) -> StatusWord:
    good = None if minutes_ago is None else NOW - timedelta(minutes=minutes_ago)
    return connection_word(status, last_good_call_at=good, now=NOW, **facts)  # type: ignore[arg-type]


class TestConnection:
    @pytest.mark.parametrize(
        ("status", "word", "tone"),
        [
            (None, "Not connected", "neutral"),
            ("active", "Connected", "success"),
            ("token_expired", "Reconnect needed", "danger"),
            ("error", "Problem", "danger"),
            ("disconnected", "Disconnected", "neutral"),
        ],
    )
    def test_each_stored_status_has_its_word(
        self, status: str | None, word: str, tone: str
    ) -> None:
        found = connection(status)
        assert (found.word, found.tone) == (word, tone)

    def test_connected_means_a_good_call_within_two_hours(self) -> None:
        assert connection("active", minutes_ago=119.9).word == "Connected"
        assert connection("active", minutes_ago=120).word == "Not confirmed"
        assert connection("active", minutes_ago=None).word == "Not confirmed"

    def test_one_error_in_a_row_is_doubt(self) -> None:
        assert connection("active", consecutive_errors=1).word == "Not confirmed"

    def test_a_wait_that_xero_asked_for_is_no_doubt(self) -> None:
        resumes = NOW + timedelta(seconds=40)
        found = connection("active", minutes_ago=300, consecutive_errors=2, resumes_at=resumes)
        assert found.word == "Waiting for Xero"

    def test_a_wait_that_is_over_is_forgotten(self) -> None:
        assert connection("active", resumes_at=NOW).word == "Connected"

    def test_a_missing_permission_comes_before_a_wait(self) -> None:
        found = connection("active", missing_scopes={"files"}, resumes_at=NOW + timedelta(1))
        assert (found.word, found.icon) == ("Permission needed", "key")

    def test_a_dead_token_is_never_connected(self) -> None:
        assert connection("token_expired", minutes_ago=1).word == "Reconnect needed"

    def test_an_unknown_status_is_an_error_not_a_guess(self) -> None:
        with pytest.raises(KeyError):
            connection("expired")


READY = PushFacts(
    document_accepted=True,
    sending_on=True,
    client_mapped=True,
    connection_usable=True,
    status="pending",
)
LATER = NOW + timedelta(minutes=5)


class TestPush:
    @pytest.mark.parametrize(
        ("changes", "word", "tone"),
        [
            ({"status": None, "document_accepted": False}, "Not sent yet", "neutral"),
            ({"status": None, "sending_on": False}, "Sending is off", "neutral"),
            ({"status": None, "client_mapped": False}, "No Xero contact", "warning"),
            ({}, "Waiting", "neutral"),
            ({"connection_usable": False}, "On hold", "warning"),
            ({"next_attempt_at": LATER}, "Waiting for Xero", "info"),
            ({"status": "uploading"}, "Uploading", "info"),
            ({"status": "uploaded"}, "Linking to contact", "info"),
            (
                {"status": "uploaded", "association_failed": True},
                "In Xero, not on contact",
                "warning",
            ),
            ({"status": "associated"}, "Filed in Xero", "success"),
            ({"status": "failed", "next_attempt_at": LATER}, "Trying again", "warning"),
            ({"status": "failed"}, "Needs attention", "danger"),
        ],
    )
    def test_each_line_of_the_table(self, changes: dict[str, object], word: str, tone: str) -> None:
        found = push_word(replace(READY, **changes), now=NOW)  # type: ignore[arg-type]
        assert (found.word, found.tone) == (word, tone)

    def test_uploaded_is_not_success(self) -> None:
        assert push_word(replace(READY, status="uploaded"), now=NOW).tone != "success"

    def test_what_holds_a_pending_push_is_worked_out(self) -> None:
        assert push_word(replace(READY, client_mapped=False), now=NOW).code == "no_contact"
        assert push_word(replace(READY, sending_on=False), now=NOW).code == "sending_off"

    def test_a_filed_document_stays_filed_whatever_happens_later(self) -> None:
        facts = replace(READY, status="associated", connection_usable=False, sending_on=False)
        assert push_word(facts, now=NOW).code == "filed"

    def test_three_retries_are_the_end(self) -> None:
        facts = replace(READY, status="failed", next_attempt_at=LATER, retry_count=3)
        assert push_word(facts, now=NOW).code == "needs_attention"

    def test_only_what_moves_by_itself_is_polled(self) -> None:
        polled = {
            word.code
            for word in vars(status_words).values()
            if isinstance(word, StatusWord) and not word.is_final
        }
        assert {"waiting", "on_hold", "uploading", "linking", "trying_again"} <= polled
        assert polled.isdisjoint({"filed", "needs_attention", "no_contact", "not_on_contact"})


class TestOtherWords:
    def test_every_run_status_has_a_word(self) -> None:
        codes = "waiting running waiting_for_xero finished finished_with_problems failed cancelled"
        assert [run_word(code).word for code in codes.split()] == [
            "Waiting",
            "Running",
            "Waiting for Xero",
            "Finished",
            "Finished with problems",
            "Failed",
            "Cancelled",
        ]

    def test_every_match_has_a_word(self) -> None:
        codes = "exact possible clash new linked skipped unavailable"
        assert [match_word(code).word for code in codes.split()] == [
            "Exact match",
            "Possible match",
            "Clash",
            "New",
            "Already linked",
            "Skipped",
            "Cannot import",
        ]

    def test_documents_and_their_virus_checks_have_words(self) -> None:
        assert document_word("rejected").word == "Rejected"
        assert scan_word("infected").tone == "danger"

    @pytest.mark.parametrize(
        ("is_linked", "contact_status", "code", "word", "tone"),
        [
            (False, None, "not_linked", "Not linked", "neutral"),
            (True, "ACTIVE", "linked", "Linked", "success"),
            (True, None, "linked", "Linked", "success"),
            (True, "ARCHIVED", "archived", "Contact archived", "warning"),
            (True, "GDPRREQUEST", "erased", "Contact erased", "warning"),
        ],
    )
    def test_a_link_has_a_word_for_every_contact(
        self, is_linked: bool, contact_status: str | None, code: str, word: str, tone: str
    ) -> None:
        found = link_word(contact_status, is_linked=is_linked)
        assert (found.code, found.word, found.tone) == (code, word, tone)

    def test_a_merged_contact_is_called_merged_although_xero_archives_it(self) -> None:
        assert link_word("ARCHIVED", is_linked=True, is_merged=True).word == "Contact merged"

    def test_every_icon_exists(self) -> None:
        words = [w for w in vars(status_words).values() if isinstance(w, StatusWord)]
        for table in ("_RUN_WORDS", "_MATCH_WORDS", "_DOCUMENT_WORDS", "_SCAN_WORDS"):
            words += vars(status_words)[table].values()
        for word in words:
            assert _load_icon(word.icon) is not None
