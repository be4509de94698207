"""A run in words: time left, steps, folding, and what is said aloud."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask

from dashboard.queries.sync_runs import RunRow
from dashboard.views.run_view import (
    Folded,
    Heard,
    RunView,
    folded,
    heard_at_load,
    heard_of,
    milestone,
)

NOW = datetime(2026, 11, 22, 14, 5, tzinfo=UTC)


def row(**values: Any) -> RunRow:
    """Return a run as the query gives it."""
    given = {
        "id": uuid4(),
        "connection_id": uuid4(),
        "kind": "import",
        "status": "running",
        "total": 100,
        "done": 0,
        "created": 0,
        "linked": 0,
        "updated": 0,
        "skipped": 0,
        "problems": 0,
        "created_at": NOW - timedelta(minutes=2),
        "started_at": NOW - timedelta(minutes=2),
        "finished_at": None,
        "updated_at": NOW,
        "not_before": None,
        "error": None,
        "started_by_id": uuid4(),
        "started_by_name": "Priya Shah",
        "organisation_name": "Demo Company (UK)",
        "technical_details": None,
    }
    return RunRow(**{**given, **values})


class TestTimeLeft:
    def test_it_is_rounded_to_minutes(self) -> None:
        assert RunView(row(done=40), NOW).time_left == "about 3 minutes left"
        assert RunView(row(done=95), NOW).time_left == "less than a minute left"

    @pytest.mark.parametrize(
        "values",
        [
            {"done": 9},
            {"done": 50, "total": None},
            {"done": 50, "status": "waiting_for_xero"},
            {"done": 50, "started_at": NOW - timedelta(seconds=9)},
            {"done": 50, "started_at": None},
        ],
    )
    def test_it_is_not_guessed_too_early_or_while_waiting(self, values: dict[str, Any]) -> None:
        assert RunView(row(**values), NOW).time_left is None


class TestTempo:
    def test_it_slows_down_after_a_minute_and_ends(self) -> None:
        young = row(created_at=NOW - timedelta(seconds=59))
        assert RunView(young, NOW).every == "2s"
        assert RunView(row(), NOW).every == "5s"
        assert RunView(row(status="cancelled"), NOW).every is None


class TestSteps:
    def test_an_import_begins_with_what_was_read_and_matched(self) -> None:
        assert [state for _, state in RunView(row(), NOW).steps] == ["done", "done", "now"]
        finished = RunView(row(status="finished"), NOW)
        assert {state for _, state in finished.steps} == {"done"}

    def test_a_contact_check_reads_then_updates_clients_then_matches(self) -> None:
        states = {
            step: [state for _, state in RunView(row(kind="contact_sync", step=step), NOW).steps]
            for step in ("read", "follow", "match")
        }
        assert states == {
            "read": ["now", "next", "next"],
            "follow": ["done", "now", "next"],
            "match": ["done", "done", "now"],
        }


class TestFolded:
    def test_quiet_automatic_neighbours_are_one_row(self) -> None:
        quiet = {"kind": "contact_sync", "status": "finished", "started_by_id": None}
        runs = [
            row(**quiet, created_at=NOW),
            row(**quiet, created_at=NOW - timedelta(minutes=15)),
            row(),
            row(**quiet, created_at=NOW - timedelta(minutes=45)),
        ]
        rows = folded(runs, NOW)
        assert [type(one) for one in rows] == [Folded, RunView, Folded]
        assert rows[0] == Folded(2, NOW - timedelta(minutes=15), NOW)

    def test_a_check_that_somebody_started_or_that_found_something_stands_alone(self) -> None:
        quiet = {"kind": "contact_sync", "status": "finished"}
        runs = [row(**quiet), row(**quiet, started_by_id=None, contacts_new=1)]
        assert [type(one) for one in folded(runs, NOW)] == [RunView, RunView]


class TestMilestones:
    def hear(self, run: RunRow, heard: Heard | None, *, now: datetime = NOW) -> str | None:
        """Return what is said."""
        return milestone(run, heard, now).sentence

    def test_the_start_is_said_once(self) -> None:
        waiting = row(status="waiting", total=1516)
        assert heard_at_load(waiting, NOW) is None
        assert self.hear(waiting, None) is None
        started = milestone(row(total=1516), None, NOW)
        assert started.sentence == "Import started, 1,516 contacts."
        later = NOW + timedelta(minutes=1)
        assert self.hear(row(total=1516), heard_of(started.heard or ""), now=later) is None

    @pytest.mark.parametrize(
        ("values", "sentence"),
        [
            ({"done": 50}, "Half done, 50 of 100."),
            ({"done": 24}, None),
            ({"done": 24, "problems": 1}, "1 contact needs attention."),
            ({"status": "waiting_for_xero"}, "Xero asked us to slow down."),
        ],
    )
    def test_news_are_said(self, values: dict[str, Any], sentence: str | None) -> None:
        assert self.hear(row(**values), Heard(0, False, False)) == sentence

    def test_going_on_after_a_wait_is_said(self) -> None:
        heard = Heard(0, False, True)
        assert self.hear(row(done=10), heard) == "Carried on, 10 of 100."

    def test_when_it_goes_on_is_said_in_the_practices_time(self, app: Flask) -> None:
        run = row(status="waiting_for_xero", not_before=datetime(2026, 7, 1, 13, 32, tzinfo=UTC))
        with app.test_request_context("/"):
            sentence = self.hear(run, Heard(0, False, False))
        assert sentence == "Xero asked us to slow down. Carries on at 14:32."

    def test_two_things_are_fifteen_seconds_apart(self) -> None:
        just_now = Heard(25, False, False, int(NOW.timestamp()) - 14)
        said = milestone(row(done=50), just_now, NOW)
        assert (said.sentence, said.heard) == (None, just_now.text)
        assert self.hear(row(done=50), just_now, now=NOW + timedelta(seconds=1)) is not None

    def test_the_end_is_always_said(self) -> None:
        just_now = Heard(75, False, False, int(NOW.timestamp()))
        end = row(status="finished_with_problems", created=1204, linked=309, problems=3)
        sentence = "Import finished. 1,204 created, 309 linked, 3 need attention."
        assert self.hear(end, just_now) == sentence
        failed = row(status="failed", error="Stopped: Xero needs reconnecting.")
        assert self.hear(failed, just_now) == "Stopped: Xero needs reconnecting."

    def test_a_long_import_says_little(self) -> None:
        sentences, heard = [], None
        for done in range(0, 1501, 5):
            run = row(total=1500, done=done, problems=done // 500)
            said = milestone(run, heard_of(heard or ""), NOW + timedelta(seconds=done))
            heard = said.heard
            sentences += [said.sentence] if said.sentence else []
        end = milestone(row(status="finished", total=1500, done=1500), heard_of(heard or ""), NOW)
        assert len([*sentences, end.sentence]) <= 8

    @pytest.mark.parametrize("text", ["", "x", "50", "50.", "42.1", "50pw.1234567890123"])
    def test_an_unreadable_address_counts_as_nothing_heard(self, text: str) -> None:
        assert heard_of(text) is None
