"""The ways in which Xero writes a moment."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.xero.wire_dates import header_moment, modified_since, moment

MARCH = datetime(2017, 3, 1, 20, 20, 22, 280000, UTC)


class TestMoment:
    @pytest.mark.parametrize(
        ("written", "meant"),
        [
            ("/Date(1488399622280)/", MARCH),
            ("/Date(1488399622280+0000)/", MARCH),
            # The number is UTC already; the offset is only information.
            ("/Date(1488399622280+1300)/", MARCH),
            ("/Date(-1000)/", datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC)),
            ("2017-03-01T20:20:22.2800000", MARCH),
            ("2017-03-01T20:20:22.280", MARCH),
            ("2017-03-01T20:20:22.28Z", MARCH),
            ("2017-03-02T09:20:22.2800000+13:00", MARCH),
            ("2017-03-01T20:20:22", MARCH.replace(microsecond=0)),
        ],
    )
    def test_each_way_is_read_as_utc(self, written: str, meant: datetime):
        read = moment(written)
        assert read == meant
        assert read is not None
        assert read.utcoffset() == timedelta(0)

    @pytest.mark.parametrize(
        "written",
        [
            None,
            "",
            7,
            "soon",
            "/Date()/",
            "/Date(x)/",
            "/Date(99999999999999999999)/",
            "2017-13-01",
        ],
    )
    def test_what_cannot_be_read_is_nothing(self, written: object):
        assert moment(written) is None

    @given(st.integers(600_000_000_000_000, 4_000_000_000_000_000))
    def test_seven_digits_lose_nothing(self, microseconds: int):
        meant = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)
        written = meant.strftime("%Y-%m-%dT%H:%M:%S.%f") + "0"
        assert moment(written) == meant


class TestHeaders:
    def test_modified_since_is_utc_in_whole_seconds_without_a_zone(self):
        local = datetime(2025, 7, 1, 1, 2, 3, 999999, timezone(timedelta(hours=-5)))
        assert modified_since(local) == "2025-07-01T06:02:03"

    def test_a_moment_without_a_zone_is_refused(self):
        with pytest.raises(ValueError, match="zone"):
            modified_since(datetime(2025, 7, 1))  # noqa: DTZ001

    @pytest.mark.parametrize("written", [None, "", "soon"])
    def test_no_date_header_is_no_moment(self, written: str | None):
        assert header_moment(written) is None

    def test_a_date_header_is_utc(self):
        read = header_moment("Wed, 01 Mar 2017 20:20:22 GMT")
        assert read == MARCH.replace(microsecond=0)
