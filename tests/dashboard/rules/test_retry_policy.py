from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.rules.retry_policy import (
    MAX_LOOKS,
    Action,
    NextStep,
    Outcome,
    attempt_in_words,
    has_tries_left,
    is_poison,
    look_after_seconds,
    next_step,
)


def after(outcome: Outcome, *, retries: int = 0, looks: int = 0, wait: float = 0) -> NextStep:
    return next_step(outcome, retry_count=retries, looks=looks, chance=0.5, wait_seconds=wait)


class TestThreeCases:
    def test_a_refusal_is_final_at_once(self) -> None:
        assert after(Outcome.REFUSED).action is Action.FAIL

    @pytest.mark.parametrize("retries", [0, 1, 2])
    def test_a_server_error_is_counted_and_tried_in_five_minutes_with_a_new_key(
        self, retries: int
    ) -> None:
        expected = NextStep(Action.TRY_AGAIN, 300.0, counted=True, new_key=True)
        assert after(Outcome.ANSWERED_5XX, retries=retries) == expected

    def test_the_fourth_server_error_is_the_last(self) -> None:
        assert after(Outcome.ANSWERED_5XX, retries=3).action is Action.FAIL

    def test_no_answer_is_looked_into_within_thirty_seconds_and_not_counted(self) -> None:
        step = after(Outcome.NO_ANSWER)
        assert step.action is Action.LOOK
        assert step.after_seconds is not None
        assert step.after_seconds <= 30
        assert not step.counted
        assert not step.new_key

    def test_no_answer_spends_no_retries(self) -> None:
        assert after(Outcome.NO_ANSWER, retries=3).action is Action.LOOK

    def test_looking_ends_after_twelve_times(self) -> None:
        assert after(Outcome.NO_ANSWER, looks=MAX_LOOKS - 1).action is Action.LOOK
        assert after(Outcome.NO_ANSWER, looks=MAX_LOOKS).action is Action.FAIL

    def test_waiting_for_xero_is_no_failure(self) -> None:
        assert after(Outcome.MUST_WAIT, wait=41) == NextStep(Action.WAIT, 41.0)

    def test_a_lost_connection_holds_the_document(self) -> None:
        assert after(Outcome.CONNECTION_LOST) == NextStep(Action.HOLD)


class TestLooks:
    @given(st.integers(0, 40), st.floats(0, 1), st.floats(0, 60))
    def test_a_look_comes_between_its_floor_and_fifteen_minutes(
        self, looks: int, chance: float, lag: float
    ) -> None:
        seconds = look_after_seconds(looks, chance=chance, lag_seconds=lag)
        assert min(30, max(5, lag)) <= seconds <= 900

    def test_looks_spread_and_slow_down(self) -> None:
        roofs = [look_after_seconds(looks, chance=1) for looks in range(7)]
        assert roofs == [30, 60, 120, 240, 480, 900, 900]
        assert look_after_seconds(6, chance=0) == 5

    def test_no_look_comes_before_xero_lists_a_file(self) -> None:
        assert look_after_seconds(0, chance=0, lag_seconds=15) == 15


class TestWords:
    def test_attempts_are_counted_from_one_to_four(self) -> None:
        assert [attempt_in_words(n) for n in range(4)] == [
            "Attempt 1 of 4",
            "Attempt 2 of 4",
            "Attempt 3 of 4",
            "Attempt 4 of 4",
        ]

    def test_a_push_without_a_moment_is_not_tried_again(self) -> None:
        moment = datetime(2026, 1, 1, tzinfo=UTC)
        assert has_tries_left(2, moment)
        assert not has_tries_left(2, None)
        assert not has_tries_left(3, moment)

    def test_the_third_dead_worker_makes_poison(self) -> None:
        assert [is_poison(deaths) for deaths in range(4)] == [False, False, False, True]
