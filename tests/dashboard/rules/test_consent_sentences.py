"""What is said of a consent that came to nothing, and who has to act."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from dashboard.rules.consent_sentences import (
    APP_REFUSED,
    CANCELLED,
    LIMIT_REACHED,
    NOT_FINISHED,
    ConsentSentence,
    clock_sentence,
    clocks_differ,
    refusal_sentence,
)

NOON = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)


class TestRefusedConsent:
    @pytest.mark.parametrize(
        ("error", "description", "sentence"),
        [
            ("access_denied", "", CANCELLED),
            ("access_denied", "The user cancelled.", CANCELLED),
            ("server_error", "", NOT_FINISHED),
            ("temporarily_unavailable", "Too many requests", NOT_FINISHED),
            ("", "", NOT_FINISHED),
            ("unauthorized_client", "Unknown client", APP_REFUSED),
            ("invalid_scope", "", APP_REFUSED),
            ("unauthorized_client", "Maximum number of connections exceeded", LIMIT_REACHED),
            ("too_many_connections", "", LIMIT_REACHED),
            ("access_denied", "App has reached its tenant limit", LIMIT_REACHED),
        ],
    )
    def test_each_has_its_own(
        self, error: str, description: str, sentence: ConsentSentence
    ) -> None:
        assert refusal_sentence(error, description) is sentence

    def test_only_what_nobody_in_a_practice_can_mend_is_for_the_operator(self) -> None:
        assert LIMIT_REACHED.is_for_operator
        assert APP_REFUSED.is_for_operator
        assert not CANCELLED.is_for_operator
        assert not NOT_FINISHED.is_for_operator

    def test_clocks_are_told_with_the_day(self) -> None:
        xeros = NOON + timedelta(days=1)
        assert clock_sentence(NOON, xeros).text == (
            "This installation’s clock is off: it says 22 Nov 2026, 12:00:00 UTC, Xero says"
            " 23 Nov 2026, 12:00:00 UTC. Nothing was saved."
        )
        assert clocks_differ(NOON, xeros)
        assert not clocks_differ(NOON, NOON + timedelta(seconds=5))
