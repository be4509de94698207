"""What runs and imports say when something stood in the way."""

from __future__ import annotations

from datetime import UTC, datetime

from dashboard.rules import import_sentences, run_sentences


class TestRuns:
    def test_no_answer_names_the_next_check_in_the_practices_time(self) -> None:
        next_at = datetime(2026, 7, 1, 13, 15, tzinfo=UTC)
        said = run_sentences.no_answer(done=0, next_at=next_at, time_zone="Europe/London")
        assert said == "Xero did not answer. Nothing was changed. Next check: 14:15."
        some = run_sentences.no_answer(done=2_000, next_at=next_at, time_zone="Europe/London")
        assert some.startswith("Xero stopped answering after 2,000 contacts. Those are kept.")

    def test_cancelling_names_the_person_and_what_is_kept(self) -> None:
        said = run_sentences.cancelled(kind="import", by="Priya Shah", done=640, total=1_516)
        assert said == "Cancelled by Priya Shah after 640 of 1,516. Those are kept."
        read = run_sentences.cancelled(kind="contact_sync", by="Priya", done=5, total=None)
        assert read == "Cancelled by Priya after reading 5 contacts. Those are kept."


class TestImports:
    def test_a_contact_is_available_only_when_active_and_named(self) -> None:
        assert import_sentences.unavailable("Ada", "ACTIVE") is None
        assert import_sentences.unavailable("", "ACTIVE") == import_sentences.NO_NAME
        assert import_sentences.unavailable("Ada", "ARCHIVED") == import_sentences.ARCHIVED
        assert import_sentences.unavailable("Ada", "GDPRREQUEST") == import_sentences.ERASED

    def test_one_problem_and_many_are_told_apart(self) -> None:
        assert import_sentences.problems(1).startswith("1 contact of the last import needs")
        assert import_sentences.problems(1_200).startswith("1,200 contacts of the last import need")
