"""What templates say about moments, sizes and counts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from babel.core import Locale
from flask import Flask, render_template_string
from flask_babel import Babel

from dashboard.views import filters
from dashboard.views.filters import Place

LONDON = ZoneInfo("Europe/London")
NOW = datetime(2026, 11, 22, 14, 4, 10, tzinfo=UTC)
HERE = Place(LONDON, NOW)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


class TestMoments:
    @pytest.mark.parametrize(
        ("moment", "words"),
        [
            ("2026-11-22T14:02:10", "22 Nov, 14:02"),
            ("2026-07-01T14:02:10", "1 Jul, 15:02"),
            ("2025-11-22T14:02:10", "22 Nov 2025, 14:02"),
        ],
    )
    def test_a_table_shows_the_year_only_when_it_is_another(self, moment: str, words: str) -> None:
        assert filters.short_time(at(moment), HERE) == words

    def test_the_year_is_the_one_of_the_practice_and_not_of_utc(self) -> None:
        auckland = Place(ZoneInfo("Pacific/Auckland"), at("2026-12-31T12:00:00"))
        assert filters.short_time(at("2026-12-31T11:30:00"), auckland) == "1 Jan, 00:30"

    @pytest.mark.parametrize(
        ("moment", "words"),
        [
            ("2026-11-22T00:00:00", "today 00:00"),
            ("2026-11-21T16:10:00", "yesterday 16:10"),
            ("2026-11-23T02:10:00", "tomorrow 02:10"),
            ("2026-11-20T16:10:00", "20 Nov, 16:10"),
        ],
    )
    def test_days_near_by_have_names(self, moment: str, words: str) -> None:
        assert filters.day_time(at(moment), HERE) == words

    @pytest.mark.parametrize(
        ("moment", "words"),
        [
            ("2026-11-22T00:00:00", "00:00"),
            ("2026-11-21T16:10:00", "16:10 yesterday"),
            ("2026-11-23T02:10:00", "02:10 tomorrow"),
            ("2026-11-24T14:02:00", "14:02 on 24 Nov"),
        ],
    )
    def test_in_a_sentence_the_clock_comes_before_the_day(self, moment: str, words: str) -> None:
        assert filters.near_time(at(moment), HERE) == words

    def test_today_begins_at_midnight_in_the_practices_zone(self) -> None:
        sydney = Place(ZoneInfo("Australia/Sydney"), NOW)
        assert filters.day_time(at("2026-11-22T12:59:00"), sydney) == "yesterday 23:59"
        assert filters.day_time(at("2026-11-22T13:00:00"), sydney) == "today 00:00"

    @pytest.mark.parametrize(
        ("distance", "words"),
        [
            (timedelta(seconds=-130), "2 minutes ago, 14:02"),
            (timedelta(seconds=-60), "1 minute ago, 14:03"),
            (timedelta(seconds=-5), "less than a minute ago, 14:04"),
            (timedelta(seconds=20), "in less than a minute, 14:04"),
            (timedelta(minutes=3), "in 3 minutes, 14:07"),
            (timedelta(hours=-3), "3 hours ago, 11:04"),
            (timedelta(days=-1), "yesterday 14:04"),
            (timedelta(days=-4), "18 Nov, 14:04"),
        ],
    )
    def test_live_panels_say_how_long_ago_and_when(self, distance: timedelta, words: str) -> None:
        assert filters.ago(NOW + distance, HERE) == words

    def test_a_timeline_says_everything(self) -> None:
        assert filters.full_time(at("2026-11-22T14:02:10"), HERE) == (
            "22 November 2026, 14:02:10 GMT"
        )

    def test_a_zone_without_an_abbreviation_says_its_offset(self) -> None:
        dubai = Place(ZoneInfo("Asia/Dubai"), NOW)
        assert filters.full_time(NOW, dubai) == "22 November 2026, 18:04:10 GMT+04"

    def test_a_live_line_shows_seconds(self) -> None:
        assert filters.clock_time(at("2026-11-22T14:02:10"), HERE) == "14:02:10"

    def test_a_date_is_the_practices_day(self) -> None:
        assert filters.long_date(at("2026-06-30T23:30:00"), HERE) == "1 July 2026"

    def test_machines_read_utc(self) -> None:
        moment = datetime(2026, 7, 1, 15, 2, 10, 999, tzinfo=LONDON)
        assert filters.utc_iso(moment) == "2026-07-01T14:02:10Z"

    @pytest.mark.parametrize("say", [filters.short_time, filters.full_time, filters.long_date])
    def test_a_moment_without_a_zone_is_refused(self, say: filters.Saying) -> None:
        with pytest.raises(ValueError, match="time zone"):
            say(NOW.replace(tzinfo=None), HERE)


@pytest.mark.fact(77)
class TestClockChange:
    def test_the_hour_that_happens_twice_is_told_apart(self) -> None:
        place = Place(LONDON, at("2026-10-25T12:00:00"))
        assert filters.short_time(at("2026-10-25T00:30:00"), place) == "25 Oct, 01:30 BST"
        assert filters.short_time(at("2026-10-25T01:30:00"), place) == "25 Oct, 01:30 GMT"

    def test_spring_shows_the_zone_on_both_sides(self) -> None:
        place = Place(LONDON, at("2026-03-29T12:00:00"))
        assert filters.clock_time(at("2026-03-29T00:59:59"), place) == "00:59:59 GMT"
        assert filters.clock_time(at("2026-03-29T01:00:00"), place) == "02:00:00 BST"

    @pytest.mark.parametrize("day", ["2026-10-23", "2026-10-27", "2026-03-27", "2026-03-31"])
    def test_two_days_away_the_zone_is_left_out(self, day: str) -> None:
        assert len(filters.hour_minute(at(f"{day}T12:00:00"), HERE)) == len("12:00")

    def test_the_footer_names_the_zone_of_now(self) -> None:
        assert filters.zone_name("Europe/London", at("2026-11-22T14:00:00")) == "GMT"
        assert filters.zone_name("Europe/London", at("2026-07-01T14:00:00")) == "BST"


class TestNumbers:
    @pytest.mark.parametrize(
        ("seconds", "words"),
        [
            (0, "under 1 s"),
            (0.4, "under 1 s"),
            (3, "3 s"),
            (60, "1 min"),
            (134, "2 min 14 s"),
            (3600, "1 h"),
            (3900.9, "1 h 5 min"),
            (93_784, "1 d 2 h"),
        ],
    )
    def test_a_duration_has_two_units_at_most(self, seconds: float, words: str) -> None:
        assert filters.duration(seconds) == words
        assert filters.duration(timedelta(seconds=seconds)) == words

    def test_counts_have_separators(self) -> None:
        assert filters.number(1516) == "1,516"
        assert filters.number(1516, Locale("de")) == "1.516"

    @pytest.mark.parametrize(("value", "words"), [(0, "0 %"), (42.9, "42 %"), (99.99, "99 %")])
    def test_a_share_is_whole_and_never_rounded_up(self, value: float, words: str) -> None:
        assert filters.percent(value) == words

    @pytest.mark.fact(78)
    @pytest.mark.parametrize(
        ("count", "words"),
        [
            (0, "0 documents need attention"),
            (1, "1 document needs attention"),
            (2, "2 documents need attention"),
            (1516, "1,516 documents need attention"),
        ],
    )
    def test_the_sentence_fits_the_count(self, count: int, words: str) -> None:
        one, other = "{n} document needs attention", "{n} documents need attention"
        assert filters.plural(count, one, other) == words


class TestNames:
    def test_they_stand_apart_and_stay_text(self) -> None:
        words = filters.set_apart("A & <b> is not linked to A.", ["A & <b>", None, "A & <b>"])
        assert words == "<bdi>A &amp; &lt;b&gt;</bdi> is not linked to A."


class TestRegister:
    @pytest.fixture
    def app(self) -> Flask:
        app = Flask(__name__)
        Babel(app, default_locale="en_GB", timezone_selector=lambda: "Europe/London")
        filters.register(app, clock=lambda: NOW)
        return app

    @pytest.mark.parametrize(
        ("template", "words"),
        [
            ("{{ moment|short_time }}", "1 Jul, 15:02"),
            ("{{ moment|full_time }}", "1 July 2026, 15:02:10 BST"),
            ("{{ moment|utc_iso }}", "2026-07-01T14:02:10Z"),
            ("{{ now()|ago }}", "less than a minute ago, 14:04"),
            ("{{ 'Europe/London'|zone_name }}", "GMT"),
            ("{{ 2400000|filesize }}", "2.4 MB"),
            ("{{ 134|duration }}", "2 min 14 s"),
            ("{{ 42|percent }}", "42 %"),
            ("{{ 1516|number }}", "1,516"),
            ("{{ 2|plural('{n} contact', '{n} contacts') }}", "2 contacts"),
        ],
    )
    def test_templates_speak_in_the_requests_zone_and_language(
        self, app: Flask, template: str, words: str
    ) -> None:
        with app.test_request_context():
            shown = render_template_string(template, moment=at("2026-07-01T14:02:10"))
        assert shown == words

    def test_an_icon_is_drawn_without_inline_style(self, app: Flask) -> None:
        with app.test_request_context():
            shown = render_template_string("{{ lucide('check', size=16, aria_hidden='true') }}")
        assert shown.startswith("<svg")
        assert 'aria-hidden="true"' in shown
        assert "style=" not in shown
