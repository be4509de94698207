"""Xero's limits on calls, judged by an exact window at arrival."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from dashboard.simulator import LimitRules, World, create_simulator
from dashboard.simulator.admin import perform
from dashboard.simulator.seed import SECOND_NAME
from tests.dashboard.simulator.caller import CONTACTS, FILES, Caller

FOLDERS = f"{FILES}/Folders"


def use_up(app: Caller, calls: int) -> None:
    """Make that many calls that all work."""
    assert {app.get(FOLDERS).status_code for _ in range(calls)} == {200}


class TestMinute:
    def test_the_sixty_first_call_is_429_with_an_empty_body(self, app: Caller) -> None:
        use_up(app, 60)
        answer = app.get(FOLDERS)
        assert (answer.status_code, answer.data) == (429, b"")
        assert answer.headers["X-Rate-Limit-Problem"] == "minute"
        assert answer.headers["Retry-After"] == "60"
        assert answer.headers["X-MinLimit-Remaining"] == "0"
        assert answer.headers["X-DayLimit-Remaining"] == "4940"
        assert answer.headers["Content-Length"] == "0"

    def test_the_window_rolls_with_each_call(self, app: Caller) -> None:
        use_up(app, 30)
        app.world.shift_clock(30)
        use_up(app, 30)
        app.world.shift_clock(29)
        assert app.get(FOLDERS).headers["Retry-After"] == "1"
        app.world.shift_clock(1)
        use_up(app, 30)
        assert app.get(FOLDERS).headers["Retry-After"] == "30"

    def test_refused_calls_do_not_count(self, app: Caller) -> None:
        use_up(app, 60)
        assert {app.get(FOLDERS).status_code for _ in range(20)} == {429}
        app.world.shift_clock(60)
        use_up(app, 60)
        assert app.world.limits.refused["minute"] == 20

    def test_a_fixed_window_can_be_had_and_lets_two_bursts_meet(self, app: Caller) -> None:
        app.world.limits.rules.window = "fixed"
        app.world.limits.reset()
        use_up(app, 1)
        app.world.shift_clock(59)
        use_up(app, 59)
        assert app.get(FOLDERS).headers["Retry-After"] == "1"
        app.world.shift_clock(1)
        use_up(app, 60)

    def test_organisations_have_windows_of_their_own(self, caller: Caller) -> None:
        caller.let_in()
        caller.let_in(caller.choice("Amira", SECOND_NAME))
        use_up(caller, 60)
        assert caller.get(FOLDERS).status_code == 429
        caller.tenant_id = caller.world.organisation(SECOND_NAME).tenant_id
        use_up(caller, 60)

    def test_identity_and_connections_cost_nothing(self, app: Caller) -> None:
        for _ in range(5):
            app.wire.get("/connections", headers=app.bearer())
        assert app.get(FOLDERS).headers["X-MinLimit-Remaining"] == "59"


class TestDay:
    def test_the_starter_tier_allows_a_thousand(self, app: Caller) -> None:
        perform(app.world, "change_tier", {"tier": "starter"})
        assert app.get(FOLDERS).headers["X-DayLimit-Remaining"] == "999"

    def test_a_used_up_day_is_429_day_until_the_first_call_is_a_day_old(self, app: Caller) -> None:
        app.world.limits.rules.day = 3
        use_up(app, 3)
        app.world.shift_clock(1000)
        answer = app.get(FOLDERS)
        assert answer.headers["X-Rate-Limit-Problem"] == "day"
        assert answer.headers["Retry-After"] == str(24 * 3600 - 1000)
        assert answer.headers["X-DayLimit-Remaining"] == "0"


class TestApp:
    def test_all_organisations_share_the_limit_of_the_app(self, caller: Caller) -> None:
        caller.world.limits.rules.app_minute = 4
        caller.let_in()
        caller.let_in(caller.choice("Amira", SECOND_NAME))
        use_up(caller, 2)
        caller.tenant_id = caller.world.organisation(SECOND_NAME).tenant_id
        use_up(caller, 2)
        answer = caller.get(FOLDERS)
        assert answer.headers["X-Rate-Limit-Problem"] == "appminute"
        assert answer.headers["X-AppMinLimit-Remaining"] == "0"
        assert answer.headers["X-MinLimit-Remaining"] == "58"


class TestConcurrency:
    def test_a_sixth_call_at_once_is_429_without_retry_after(
        self, app: Caller, world: World
    ) -> None:
        full, go_on = threading.Barrier(6), threading.Event()

        def hold(seconds: float) -> None:
            full.wait(10)
            go_on.wait(10)

        world.pause = hold
        world.faults.arm("slow", times=5)

        def call() -> int:
            mine = Caller(create_simulator(world).test_client(), world)
            mine.tokens = app.tokens
            return mine.get(FOLDERS).status_code

        with ThreadPoolExecutor(5) as people:
            held = [people.submit(call) for _ in range(5)]
            full.wait(10)
            sixth = app.get(CONTACTS)
            go_on.set()
            assert {answer.result() for answer in held} == {200}
        assert sixth.status_code == 429
        assert sixth.headers["X-Rate-Limit-Problem"] == "concurrent"
        assert "Retry-After" not in sixth.headers
        assert world.limits.peaks()[app.tenant_id] == 5
        assert app.get(FOLDERS).status_code == 200

    @pytest.mark.parametrize("kind", ["reset", "store-then-reset", "half-body", "500-html"])
    def test_a_call_that_goes_wrong_gives_its_place_back(self, app: Caller, kind: str) -> None:
        app.world.faults.arm(kind, times=6)
        for _ in range(6):
            try:
                app.get(FOLDERS)
            except ConnectionResetError:
                continue
        assert app.get(FOLDERS).status_code == 200


class TestRules:
    def test_a_test_may_shrink_everything(self) -> None:
        rules = LimitRules(minute=2, concurrent=1, day=3, app_minute=4, minute_seconds=6)
        assert rules.window == "rolling"

    def test_the_human_page_can_change_a_limit(self, app: Caller) -> None:
        perform(app.world, "set_limit", {"name": "minute", "value": "2"})
        use_up(app, 2)
        assert app.get(FOLDERS).status_code == 429
