from __future__ import annotations

import re

import pytest

from dashboard.rules import status_words
from dashboard.rules.push_sentences import (
    Cause,
    Fix,
    PushCause,
    PushStory,
    cause_sentence,
    push_sentence,
)

STORY = PushStory(
    client_name="Hartley & Co Ltd",
    folder_path="chase.md / 2026",
    size=2_400_000,
    ahead=3,
    at="14:20",
    retry_count=1,
    cause=Cause(PushCause.XERO_DOWN, at="14:15"),
)
NO_BUTTON = {Fix.REPLACE, Fix.CONVERT, Fix.CONTACT_SUPPORT}


class TestStateSentences:
    @pytest.mark.parametrize(
        ("word", "text", "fix"),
        [
            (status_words.NOT_SENT, "It is sent to Xero when it is accepted.", Fix.ACCEPT),
            (status_words.WAITING, "In line to be sent. 3 before it.", Fix.NONE),
            (
                status_words.PUSH_WAITING,
                "Xero asked us to slow down. Sent at about 14:20.",
                Fix.NONE,
            ),
            (status_words.UPLOADING, "Sending 2.4 MB to Xero Files.", Fix.NONE),
            (
                status_words.LINKING,
                "The file is in Xero. Putting it on Hartley & Co Ltd.",
                Fix.NONE,
            ),
            (
                status_words.FILED,
                "Filed 14:20 in chase.md / 2026, on Hartley & Co Ltd.",
                Fix.OPEN_IN_XERO,
            ),
            (
                status_words.TRYING_AGAIN,
                "Attempt 2 of 4 did not work: Xero had a problem of its own. Next at 14:20.",
                Fix.TRY_NOW,
            ),
            (
                status_words.NOT_ON_CONTACT,
                "The file is in Xero Files, but we could not put it on the contact.",
                Fix.PUT_ON_CONTACT,
            ),
        ],
    )
    def test_a_state_says_what_happens_and_what_to_do(
        self, word: status_words.StatusWord, text: str, fix: Fix
    ) -> None:
        found = push_sentence(word, STORY)
        assert (found.text, found.fix) == (text, fix)

    def test_a_held_document_offers_reconnecting_only_to_who_may(self) -> None:
        admin = PushStory("Hartley", can_reconnect=True)
        staff = PushStory("Hartley", admin_name="Priya Shah")
        assert push_sentence(status_words.ON_HOLD, admin).fix is Fix.RECONNECT
        asked = push_sentence(status_words.ON_HOLD, staff)
        assert asked.fix is Fix.NONE
        assert "Priya Shah" in asked.advice

    def test_an_unlinked_client_is_named(self) -> None:
        found = push_sentence(status_words.NO_CONTACT, STORY)
        assert found.text.startswith("Hartley & Co Ltd is not linked to a Xero contact")
        assert found.fix is Fix.LINK_CLIENT

    def test_needing_attention_says_the_cause(self) -> None:
        story = PushStory("Hartley", cause=Cause(PushCause.FOLDER_GONE))
        found = push_sentence(status_words.NEEDS_ATTENTION, story)
        assert found.text == "The folder chase.md is no longer in Xero."


class TestCauseSentences:
    def test_a_large_file_names_its_size_and_the_limit(self) -> None:
        found = cause_sentence(Cause(PushCause.TOO_LARGE, size=31_000_000))
        assert found.text == "This file is 31 MB. Xero takes up to 10 MB."
        assert found.advice == "Replace it with a smaller file."

    def test_a_refusal_quotes_xero(self) -> None:
        cause = Cause(PushCause.REFUSED, xero_said="Object is not a Contact", reference="ab12")
        found = cause_sentence(cause)
        assert found.text == "Xero refused the file. Xero said: “Object is not a Contact”."
        reference = "with the reference in the technical details"
        assert found.advice == f"Retry, or contact support {reference}."

    def test_xero_down_counts_the_attempts(self) -> None:
        found = cause_sentence(Cause(PushCause.XERO_DOWN, at="14:35"))
        assert found.text == "Xero had a problem of its own 4 times, last at 14:35."

    def test_only_silence_is_called_no_answer(self) -> None:
        def said(code: PushCause) -> str:
            story = PushStory("Hartley", cause=Cause(code))
            tried = push_sentence(status_words.TRYING_AGAIN, story).text
            return f"{tried} {cause_sentence(Cause(code)).text}"

        assert said(PushCause.NO_ANSWER).count("Xero did not answer") == 2
        assert "did not answer" not in said(PushCause.XERO_DOWN)

    @pytest.mark.parametrize("code", list(PushCause))
    def test_every_cause_has_a_sentence_and_a_way_out(self, code: PushCause) -> None:
        found = cause_sentence(Cause(code))
        assert found.text.endswith(".")
        assert found.fix is not Fix.NONE
        assert found.advice.endswith(".") or not found.advice
        assert found.advice or found.fix not in NO_BUTTON
        for text in (found.text, found.advice):
            assert not re.search(r"!|Oops|[Pp]lease|\b[45]\d\d\b", text)
