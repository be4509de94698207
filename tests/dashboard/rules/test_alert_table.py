"""Every cause stands in the table once, and the words of its emails are there."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from dashboard.models import AlertCause
from dashboard.rules import alert_letters, alert_mails
from dashboard.rules.alert_table import IN_DIGEST, TABLE, kind_of, seriousness

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


class TestTable:
    def test_it_knows_every_cause_once(self) -> None:
        assert sorted(kind.cause for kind in TABLE) == sorted(AlertCause)

    def test_the_banner_goes_to_the_most_serious(self) -> None:
        banners = [kind.cause for kind in TABLE if kind.is_banner]
        assert banners == [
            "disconnected_in_xero",
            "reconnect_needed",
            "connection_problem",
            "permission_needed",
            "sync_held",
            "day_limit",
            "pushes_need_attention",
        ]
        assert sorted(banners, key=seriousness) == banners

    def test_what_everybody_must_know_is_a_banner_and_staff_read_whom_to_ask(self) -> None:
        for kind in TABLE:
            assert kind.is_banner == (kind.seen_by == "everybody")
            assert kind.is_banner or not kind.only_admins_act

    def test_whatever_is_mailed_has_a_subject(self) -> None:
        mailed = {kind.cause for kind in TABLE if kind.mailed_after}
        assert set(alert_letters.SUBJECTS) == mailed
        assert not mailed & set(IN_DIGEST)

    def test_nobody_is_mailed_about_what_ends_by_itself(self) -> None:
        kind = kind_of("day_limit")
        assert (kind.mailed_after, kind.in_digest) == ((), False)


class TestMoments:
    def test_reconnecting_is_asked_for_at_once_and_after_3_and_7_days(self) -> None:
        due = alert_mails.due_moments(NOON, kind_of("reconnect_needed").mailed_after)
        assert due == (NOON, NOON + timedelta(days=3), NOON + timedelta(days=7))

    def test_eight_o_clock_itself_is_followed_by_tomorrows(self) -> None:
        eight = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
        assert alert_mails.next_digest(eight - timedelta(seconds=1), "Europe/London") == eight
        assert alert_mails.next_digest(eight, "Europe/London") == eight + timedelta(days=1)

    def test_a_day_that_a_country_left_out_is_left_out(self) -> None:
        # Samoa went from 29 to 31 December 2011.
        before = datetime(2011, 12, 29, 18, 30, tzinfo=UTC)
        assert alert_mails.next_digest(before, "Pacific/Apia") > before

    def test_pauses_double_up_to_an_hour(self) -> None:
        minutes = [alert_mails.retry_after(n).total_seconds() / 60 for n in (0, 1, 2, 3, 6, 7, 999)]
        assert minutes == [1, 1, 2, 4, 32, 60, 60]

    @pytest.mark.parametrize(
        ("zone", "words"),
        [
            ("Europe/London", "22 November 2026, 12:00 GMT"),
            ("Asia/Dubai", "22 November 2026, 16:00 GMT+04"),
            ("../../etc/passwd", "22 November 2026, 12:00 UTC"),
            ("", "22 November 2026, 12:00 UTC"),
        ],
        ids=["abbreviation", "offset", "path", "empty"],
    )
    def test_moments_are_those_of_the_practices_clocks(self, zone: str, words: str) -> None:
        assert alert_mails.moment_in_words(NOON, zone) == words


class TestLetters:
    @pytest.mark.parametrize(
        ("on_hold", "subject"),
        [
            (0, "Xero needs reconnecting"),
            (1, "Xero needs reconnecting: 1 document is on hold"),
            (1516, "Xero needs reconnecting: 1,516 documents are on hold"),
        ],
        ids=["none", "one", "many"],
    )
    def test_the_subject_holds_the_number(self, on_hold: int, subject: str) -> None:
        letter = alert_letters.about("reconnect_needed", "Title", "Text.", on_hold=on_hold)
        assert letter.subject == subject

    def test_only_causes_that_hold_documents_speak_of_them(self) -> None:
        letter = alert_letters.about("not_confirmed", "Title", "Text.", on_hold=7)
        assert letter.subject == "Xero has not answered for 6 hours"
        assert letter.sections[0].text == "Text."

    @pytest.mark.parametrize(
        ("attention", "on_hold", "subject"),
        [
            (1, 0, "Filing did not work for 1 document"),
            (0, 1, "1 document has been on hold for over 3 days"),
            (0, 2, "2 documents have been on hold for over 3 days"),
            (1, 2, "Filing did not work for 1 document, 2 on hold for over 3 days"),
        ],
        ids=["1-0", "0-1", "0-2", "1-2"],
    )
    def test_the_digest_counts_both(self, attention: int, on_hold: int, subject: str) -> None:
        letter = alert_letters.digest(attention=attention, on_hold=on_hold)
        assert letter is not None
        assert letter.subject == subject
        assert len(letter.sections) == bool(attention) + bool(on_hold)

    def test_without_anything_there_is_no_digest(self) -> None:
        assert alert_letters.digest(attention=0, on_hold=0) is None
