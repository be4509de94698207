"""The governor's own scripts in a real Redis, with time moved by hand."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
import redis

from dashboard.xero.errors import WaitReason, XeroMustWait
from dashboard.xero.governor import (
    CallMemory,
    Governor,
    Limits,
    Priority,
    Reserve,
    Slot,
    Spans,
    StandingWait,
)
from tests.support.virtual_redis import MICROSECONDS, VirtualRedis

TENANT, OTHER = "tenant-a", "tenant-b"
SHORT = Spans(minute=1.0, day=240.0, lease=0.5)
INSTANT = 0.000_01

MakeGovernor = Callable[..., Governor]


@pytest.fixture
def clock(store: redis.Redis) -> Iterator[VirtualRedis]:
    """The time that the governor's scripts are told."""
    clock = VirtualRedis(store)
    yield clock
    clock.close()


@pytest.fixture
def make_governor(clock: VirtualRedis) -> MakeGovernor:
    def make(
        *,
        limits: Limits | None = None,
        spans: Spans | None = None,
        reserve: Reserve | None = None,
        memory: CallMemory | None = None,
    ) -> Governor:
        return Governor(
            clock,  # type: ignore[arg-type]
            limits or Limits(),
            memory=memory,
            spans=spans or Spans(),
            reserve=reserve or Reserve.nothing(),
            jitter=lambda: 0.0,
        )

    return make


def call(governor: Governor, tenant: str | None = TENANT, *, times: int = 1, **answer) -> None:
    for _ in range(times):
        governor.release(governor.acquire(tenant, Priority.PERSON), status=200, **answer)


def refusal(
    governor: Governor, tenant: str | None = TENANT, priority: Priority = Priority.PERSON
) -> XeroMustWait:
    with pytest.raises(XeroMustWait) as caught:
        governor.acquire(tenant, priority)
    return caught.value


def fullest_window(calls: list[tuple[float, float]], window: float) -> int:
    """Return the most calls that a server could see in one window.

    A call is its send and its answer; the server may have seen it at any moment in between.
    """
    return max(
        sum(1 for other, answered in calls if other <= sent and answered > sent - window)
        for sent, _ in calls
    )


class TestMinuteLimit:
    def test_the_call_after_the_last_allowed_one_must_wait(self, make_governor: MakeGovernor):
        governor = make_governor(limits=Limits(minute=3))
        call(governor, times=3)
        must_wait = refusal(governor)
        assert must_wait.reason == WaitReason.MINUTE
        assert 59 < must_wait.seconds <= 60.06

    def test_another_organisation_is_not_affected(self, make_governor: MakeGovernor):
        governor = make_governor(limits=Limits(minute=1))
        call(governor)
        call(governor, OTHER)

    def test_a_call_counts_for_one_window_from_its_answer(
        self, make_governor: MakeGovernor, clock: VirtualRedis
    ):
        governor = make_governor(limits=Limits(minute=1), spans=SHORT)
        slot = governor.acquire(TENANT, Priority.PERSON)
        clock.advance(0.3)
        governor.release(slot, status=200)
        must_wait = refusal(governor)
        assert 1.0 <= must_wait.seconds <= 1.001
        clock.advance(1.0 - INSTANT)
        refusal(governor)
        clock.advance(must_wait.seconds - 1.0 + INSTANT)
        call(governor)

    def test_a_refusal_takes_nothing(self, make_governor: MakeGovernor, store: redis.Redis):
        governor = make_governor(limits=Limits(minute=1))
        call(governor)
        before = sorted(store.keys())
        counted = store.zcard("xero:minute"), store.hgetall("xero:tenant-a:day")
        for _ in range(5):
            refusal(governor)
        assert (store.zcard("xero:minute"), store.hgetall("xero:tenant-a:day")) == counted
        assert sorted(store.keys()) == before

    def test_a_call_that_never_left_counts_for_nothing(self, make_governor: MakeGovernor):
        governor = make_governor(limits=Limits(minute=1, day=1))
        for _ in range(3):
            governor.release(governor.acquire(TENANT, Priority.PERSON), sent=False)
        left = governor.calls_left(TENANT)
        assert (left.minute, left.day) == (1, 1)

    def test_no_rolling_window_ever_holds_more_than_the_limit(self, store: redis.Redis):
        # The judge is strict: it sees a call anywhere between its send and its answer.
        limit, window = 8, 0.4
        governor = Governor(
            store,
            Limits(minute=limit, concurrent=3),
            spans=Spans(minute=window, day=240.0, lease=0.5),
            reserve=Reserve.nothing(),
        )
        calls: list[tuple[float, float]] = []

        def work(number: int) -> None:
            while len(calls) < 3 * limit:
                try:
                    slot = governor.acquire(TENANT, Priority.PERSON)
                except XeroMustWait as must_wait:
                    time.sleep(min(must_wait.seconds, 0.02))
                    continue
                sent_at = time.monotonic()
                time.sleep(0.005 * number)
                calls.append((sent_at, time.monotonic()))
                governor.release(slot, status=200)

        threads = [threading.Thread(target=work, args=(n,)) for n in range(1, 6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert fullest_window(calls, window) <= limit


class TestConcurrentLimit:
    def test_the_sixth_at_once_must_wait_a_moment(self, governor: Governor):
        slots = [governor.acquire(TENANT, Priority.PERSON) for _ in range(5)]
        must_wait = refusal(governor)
        assert (must_wait.reason, must_wait.seconds) == (WaitReason.CONCURRENT, 0.5)
        governor.release(slots[0], status=200)
        governor.acquire(TENANT, Priority.PERSON)

    def test_a_crashed_caller_frees_its_place_when_its_lease_ends(
        self, make_governor: MakeGovernor, clock: VirtualRedis
    ):
        governor = make_governor(limits=Limits(concurrent=1), spans=SHORT)
        governor.acquire(TENANT, Priority.PERSON)
        assert refusal(governor).seconds == 0.5
        clock.advance(0.5)
        governor.acquire(TENANT, Priority.PERSON)

    def test_a_crashed_callers_call_counts_until_lease_and_window_are_over(
        self, make_governor: MakeGovernor, clock: VirtualRedis
    ):
        governor = make_governor(limits=Limits(minute=1), spans=SHORT)
        governor.acquire(TENANT, Priority.PERSON)
        clock.advance(1.5)
        assert refusal(governor).reason == WaitReason.MINUTE
        clock.advance(0.001)
        governor.acquire(TENANT, Priority.PERSON)


class TestDayLimit:
    def test_the_day_ends_when_its_calls_are_a_day_old(
        self, make_governor: MakeGovernor, clock: VirtualRedis
    ):
        spans = Spans(minute=0.1, day=1.2, lease=0.1)
        governor = make_governor(limits=Limits(day=2), spans=spans)
        call(governor, times=2)
        must_wait = refusal(governor)
        assert must_wait.reason == WaitReason.DAY
        # A bucket is a 24th of the day and counts until its last call is a day old.
        assert 1.2 < must_wait.seconds <= 1.2 + 0.05 + 0.1
        clock.advance(must_wait.seconds)
        call(governor)

    def test_the_longest_wait_is_the_one_that_is_told(self, make_governor: MakeGovernor):
        governor = make_governor(limits=Limits(minute=1, day=1, concurrent=1))
        governor.acquire(TENANT, Priority.PERSON)
        assert refusal(governor).reason == WaitReason.DAY


class TestAppMinute:
    def test_all_organisations_share_it(self, make_governor: MakeGovernor):
        governor = make_governor(limits=Limits(app_minute=2))
        call(governor, "one")
        call(governor, "two")
        assert refusal(governor, "three").reason == WaitReason.APP_MINUTE

    def test_connections_calls_count_in_it_and_in_nothing_else(
        self, make_governor: MakeGovernor, store: redis.Redis
    ):
        governor = make_governor(limits=Limits(minute=1, concurrent=1, day=1, app_minute=3))
        call(governor, None, times=3)
        assert refusal(governor, None).reason == WaitReason.APP_MINUTE
        assert sorted(store.keys()) == [b"xero:epoch", b"xero:minute"]


class TestReserve:
    @pytest.mark.parametrize(
        ("priority", "granted"),
        [
            (Priority.SYNC, 50),
            (Priority.PUSH, 55),
            (Priority.PERSON, 60),
        ],
    )
    def test_of_the_minute_each_leaves_something_to_what_is_more_urgent(
        self, make_governor: MakeGovernor, priority: Priority, granted: int
    ):
        governor = make_governor(reserve=Reserve())
        for _ in range(granted):
            governor.release(governor.acquire(TENANT, priority), status=200)
        assert refusal(governor, priority=priority).reason == WaitReason.MINUTE

    @pytest.mark.parametrize(
        ("used", "waits", "goes"),
        [
            (250, Priority.PUSH, Priority.SYNC),
            (275, Priority.SYNC, Priority.PERSON),
            (295, Priority.PERSON, Priority.DISCONNECT),
            (298, Priority.DISCONNECT, Priority.TOKEN),
        ],
    )
    def test_of_the_apps_minute_a_backlog_of_documents_leaves_most(
        self, make_governor: MakeGovernor, used: int, waits: Priority, goes: Priority
    ):
        governor = make_governor(limits=Limits(app_minute=300), reserve=Reserve())
        for _ in range(used):
            governor.release(governor.acquire(None, Priority.TOKEN), status=200)
        assert refusal(governor, None, waits).reason == WaitReason.APP_MINUTE
        governor.acquire(None, goes)

    def test_background_work_leaves_one_connection_of_five_alone(self, make_governor: MakeGovernor):
        governor = make_governor(reserve=Reserve())
        sync = [governor.acquire(TENANT, Priority.SYNC) for _ in range(3)]
        assert refusal(governor, priority=Priority.SYNC).reason == WaitReason.CONCURRENT
        governor.acquire(TENANT, Priority.PUSH)
        assert refusal(governor, priority=Priority.PUSH).reason == WaitReason.CONCURRENT
        governor.acquire(TENANT, Priority.PERSON)
        assert refusal(governor, priority=Priority.PERSON).reason == WaitReason.CONCURRENT
        governor.release(sync[0], status=200)
        governor.acquire(TENANT, Priority.PERSON)

    def test_documents_leave_a_tenth_of_the_day_alone_and_contacts_two(
        self, make_governor: MakeGovernor
    ):
        governor = make_governor(limits=Limits(day=20), reserve=Reserve())
        for priority, calls in ((Priority.SYNC, 16), (Priority.PUSH, 2), (Priority.PERSON, 2)):
            for _ in range(calls):
                governor.release(governor.acquire(TENANT, priority), status=200)
            assert refusal(governor, priority=priority).reason == WaitReason.DAY

    def test_of_a_smaller_day_the_reserve_is_a_smaller_part(self, make_governor: MakeGovernor):
        # The settings say 5,000; Xero's first answer says that it is the Starter tier's 1,000.
        governor = make_governor(limits=Limits(minute=10_000, app_minute=10_000), reserve=Reserve())
        call(governor, headers={"X-DayLimit-Remaining": "999"})
        for _ in range(899):
            governor.release(governor.acquire(TENANT, Priority.PUSH), status=200)
        assert refusal(governor, priority=Priority.PUSH).reason == WaitReason.DAY
        assert governor.calls_left(TENANT).day == 100
        call(governor, times=100)
        assert refusal(governor).reason == WaitReason.DAY


class TestRateLimited:
    """What a 429 changes; the headers are those of Xero's gateway."""

    @staticmethod
    def limited(governor: Governor, **headers: str) -> None:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        slot = governor.acquire(TENANT, Priority.PERSON)
        governor.release(slot, status=429, headers=named)

    @pytest.mark.parametrize(
        ("headers", "reason", "seconds"),
        [
            ({"Retry_After": "22", "X_Rate_Limit_Problem": "minute"}, "blocked", 22.5),
            ({"retry_after": "22", "x_rate_limit_problem": "Minute"}, "blocked", 22.5),
            ({"X_Rate_Limit_Problem": "minute"}, "blocked", 60),
            ({"Retry_After": "7"}, "blocked", 7.5),
            ({}, "blocked", 60),
            ({"X_Rate_Limit_Problem": "something-new"}, "blocked", 60),
            ({"X_Rate_Limit_Problem": "concurrent"}, "blocked", 1.0),
            ({"Retry_After": "30000", "X_Rate_Limit_Problem": "day"}, "day", 30000.5),
            ({"X_Rate_Limit_Problem": "day"}, "day", 3600),
            ({"Retry_After": "999999999", "X_Rate_Limit_Problem": "day"}, "day", 86400.5),
            ({"Retry_After": "9", "X_Rate_Limit_Problem": "appminute"}, "app-minute", 9.5),
            ({"Retry_After": "9", "X_Rate_Limit_Problem": "app-minute"}, "app-minute", 9.5),
        ],
    )
    def test_the_organisation_is_left_alone_as_long_as_xero_says(
        self, governor: Governor, headers: dict[str, str], reason: str, seconds: float
    ):
        self.limited(governor, **headers)
        must_wait = refusal(governor)
        assert must_wait.reason == reason
        assert must_wait.seconds == pytest.approx(seconds, abs=0.01)

    def test_others_go_on_unless_it_is_the_apps_own_limit(self, governor: Governor):
        self.limited(governor, Retry_After="22", X_Rate_Limit_Problem="minute")
        call(governor, OTHER)
        call(governor, None)
        governor.release(
            governor.acquire(OTHER, Priority.PERSON),
            status=429,
            headers={"Retry-After": "5", "X-Rate-Limit-Problem": "appminute"},
        )
        assert refusal(governor, "third").reason == WaitReason.APP_MINUTE
        assert refusal(governor, None).reason == WaitReason.APP_MINUTE

    @pytest.mark.parametrize(
        "headers",
        [
            {},
            {"Retry_After": "30000"},
            {"X_DayLimit_Remaining": "0", "X_MinLimit_Remaining": "44"},
        ],
    )
    def test_while_the_day_is_over_nothing_is_left_of_it(
        self, governor: Governor, headers: dict[str, str]
    ):
        self.limited(governor, X_Rate_Limit_Problem="day", **headers)
        left = governor.calls_left(TENANT)
        assert (left.minute, left.day) == (0, 0)
        assert left.resumes_at is not None

    def test_after_a_day_whose_end_xero_did_not_name_the_own_count_holds_again(
        self, store: redis.Redis, make_governor: MakeGovernor
    ):
        governor = make_governor(limits=Limits(day=10))
        self.limited(governor, X_Rate_Limit_Problem="day")
        # The hour is over.
        store.delete("xero:tenant-a:block")
        assert governor.calls_left(TENANT).day == 9

    def test_a_later_and_shorter_wait_does_not_cut_a_longer_one(self, governor: Governor):
        first, second = (governor.acquire(TENANT, Priority.PERSON) for _ in range(2))
        governor.release(first, status=429, headers={"Retry-After": "40"})
        governor.release(second, status=429, headers={"X-Rate-Limit-Problem": "concurrent"})
        assert refusal(governor).seconds == pytest.approx(40.5, abs=0.01)

    def test_calls_are_admitted_within_a_second_of_the_end(
        self, governor: Governor, clock: VirtualRedis
    ):
        self.limited(governor, Retry_After="1", X_MinLimit_Remaining="0")
        clock.advance(1.0)
        refusal(governor)
        clock.advance(1.0)
        call(governor)

    def test_guesses_do_not_outlast_the_end_that_xero_named(self, make_governor: MakeGovernor):
        governor = make_governor(limits=Limits(minute=10))
        ahead = [governor.acquire(TENANT, Priority.PERSON) for _ in range(2)]
        # Somebody else has used the rest of the minute, says the first answer.
        governor.release(ahead[0], status=200, headers={"X-MinLimit-Remaining": "0"})
        governor.release(
            ahead[1],
            status=429,
            headers={"Retry-After": "3", "X-Rate-Limit-Problem": "minute"},
        )
        assert refusal(governor).seconds == pytest.approx(3.5, abs=0.01)

    def test_a_day_that_xero_ended_begins_anew_when_xero_says(
        self, make_governor: MakeGovernor, clock: VirtualRedis
    ):
        governor = make_governor(limits=Limits(day=3))
        slots = [governor.acquire(TENANT, Priority.PERSON) for _ in range(3)]
        governor.release(
            slots[0], status=429, headers={"Retry-After": "0", "X-Rate-Limit-Problem": "day"}
        )
        assert refusal(governor).reason == WaitReason.DAY
        clock.advance(0.5)
        call(governor)


class TestRemainingHeaders:
    """Xero knows better than we do how much is left."""

    def test_less_left_than_we_think_is_believed(self, governor: Governor):
        call(
            governor,
            headers={"x-minlimit-remaining": "7", "x-daylimit-remaining": "4000"},
        )
        left = governor.calls_left(TENANT)
        assert (left.minute, left.day) == (7, 4000)

    def test_a_starter_organisation_is_recognised_by_its_first_answer(self, governor: Governor):
        call(governor, headers={"X-DayLimit-Remaining": "999"})
        assert governor.calls_left(TENANT).day == 999
        call(governor, headers={"X-DayLimit-Remaining": "998"})
        assert governor.calls_left(TENANT).day == 998

    def test_calls_that_ended_while_an_answer_came_are_nobody_elses(
        self, make_governor: MakeGovernor, clock: VirtualRedis
    ):
        spans = Spans(minute=0.3, day=240.0, lease=0.5)
        governor = make_governor(limits=Limits(minute=10), spans=spans)
        call(governor, times=4)
        clock.advance(0.2)
        slow = governor.acquire(TENANT, Priority.PERSON)
        # Xero counts five and answers late: the first four are a minute old by then.
        clock.advance(0.2)
        governor.release(slow, status=200, headers={"X-MinLimit-Remaining": "5"})
        assert governor.calls_left(TENANT).minute == 9

    def test_what_xero_told_of_the_day_is_renewed_by_each_answer(
        self, make_governor: MakeGovernor, clock: VirtualRedis
    ):
        spans = Spans(minute=0.05, day=0.8, lease=0.05)
        governor = make_governor(limits=Limits(day=50), spans=spans)
        call(governor, headers={"X-DayLimit-Remaining": "9"})
        clock.advance(0.5)
        call(governor, headers={"X-DayLimit-Remaining": "8"})
        clock.advance(0.5)
        assert governor.calls_left(TENANT).day <= 9

    def test_more_left_in_the_minute_than_we_think_is_not_believed(
        self, make_governor: MakeGovernor
    ):
        governor = make_governor(limits=Limits(minute=5))
        call(governor, times=4, headers={"X-MinLimit-Remaining": "5"})
        assert governor.calls_left(TENANT).minute == 1

    def test_answers_that_overtake_one_another_change_nothing(self, governor: Governor):
        slots = [governor.acquire(TENANT, Priority.PERSON) for _ in range(5)]
        for slot, remaining in zip(slots, (4995, 4999, 4996, 4998, 4997), strict=True):
            governor.release(slot, status=200, headers={"X-DayLimit-Remaining": str(remaining)})
        assert governor.calls_left(TENANT).day == 4995

    def test_a_new_day_at_xero_is_noticed(self, governor: Governor):
        call(governor, headers={"X-DayLimit-Remaining": "3"})
        call(governor, headers={"X-DayLimit-Remaining": "4999"})
        # All but the few calls that may be under way.
        assert governor.calls_left(TENANT).day == 4989

    def test_what_xero_told_is_forgotten_after_a_day(
        self, make_governor: MakeGovernor, clock: VirtualRedis
    ):
        spans = Spans(minute=0.05, day=0.6, lease=0.05)
        governor = make_governor(limits=Limits(day=50), spans=spans)
        call(governor, headers={"X-DayLimit-Remaining": "0"})
        assert governor.calls_left(TENANT).day == 0
        clock.advance(0.75)
        assert governor.calls_left(TENANT).day == 50
        call(governor, headers={"X-DayLimit-Remaining": "49"})
        assert governor.calls_left(TENANT).day == 49

    def test_the_apps_own_minute_is_learnt_too(self, make_governor: MakeGovernor):
        governor = make_governor(limits=Limits(app_minute=50))
        call(governor, headers={"X-AppMinLimit-Remaining": "0"})
        assert refusal(governor, OTHER).reason == WaitReason.APP_MINUTE

    @pytest.mark.parametrize("nonsense", ["", "many", "-3", "1.5", "²"])
    def test_nonsense_is_ignored(self, governor: Governor, nonsense: str):
        headers = dict.fromkeys(
            ("X-MinLimit-Remaining", "X-DayLimit-Remaining", "X-AppMinLimit-Remaining"), nonsense
        )
        call(governor, headers=headers)
        left = governor.calls_left(TENANT)
        assert (left.minute, left.day) == (59, 4999)


class TestCallsLeft:
    def test_nothing_holds_an_unused_organisation_back(self, governor: Governor):
        left = governor.calls_left(TENANT)
        assert (left.minute, left.day, left.resumes_at) == (60, 5000, None)

    def test_looking_takes_nothing(self, governor: Governor, store: redis.Redis):
        for _ in range(3):
            governor.calls_left(TENANT)
        assert store.keys() == []

    def test_it_says_when_background_work_carries_on(
        self, make_governor: MakeGovernor, clock: VirtualRedis
    ):
        governor = make_governor(limits=Limits(minute=2))
        call(governor, times=2)
        left = governor.calls_left(TENANT)
        assert left.minute == 0
        assert left.resumes_at is not None
        now = clock.now / MICROSECONDS
        assert left.resumes_at.timestamp() - now == pytest.approx(60, abs=0.1)

    def test_connections_in_use_are_not_worth_a_word(self, governor: Governor):
        for _ in range(5):
            governor.acquire(TENANT, Priority.PERSON)
        assert governor.calls_left(TENANT).resumes_at is None


@dataclass
class Memory(CallMemory):
    """What a database would say."""

    recent: set[str] = field(default_factory=set)
    calls: int = 0
    wait: StandingWait | None = None
    asked: list[str] = field(default_factory=list)
    announced: list[str] = field(default_factory=list)

    def called_recently(self, tenant_id: str) -> bool:
        self.asked.append(tenant_id)
        return tenant_id in self.recent

    def calls_in_last_day(self, tenant_id: str) -> int:
        return self.calls

    def standing_wait(self, tenant_id: str) -> StandingWait | None:
        return self.wait

    def about_to_call(self, tenant_id: str, priority: Priority) -> None:
        self.announced.append(tenant_id)


class TestSafeStart:
    def test_an_organisation_called_just_before_the_loss_waits_one_window(
        self, make_governor: MakeGovernor, clock: VirtualRedis
    ):
        governor = make_governor(spans=SHORT, memory=Memory(recent={TENANT}))
        must_wait = refusal(governor)
        assert must_wait.reason == WaitReason.SAFE_START
        assert must_wait.seconds <= 1.001
        call(governor, OTHER)
        clock.advance(must_wait.seconds)
        call(governor)

    def test_the_database_is_asked_once_and_not_about_our_own_new_calls(
        self, make_governor: MakeGovernor
    ):
        memory = Memory()
        governor = make_governor(memory=memory)
        call(governor)
        # After the first call the database would say yes.
        memory.recent.add(TENANT)
        call(governor, times=2)
        assert memory.asked == [TENANT]

    def test_one_window_after_the_loss_it_does_not_matter_who_was_called(
        self, make_governor: MakeGovernor, clock: VirtualRedis
    ):
        memory = Memory(recent={TENANT})
        governor = make_governor(spans=SHORT, memory=memory)
        call(governor, None)
        clock.advance(1.01)
        call(governor)
        assert memory.asked == []

    def test_the_day_is_counted_on_from_what_the_database_has(self, make_governor: MakeGovernor):
        governor = make_governor(limits=Limits(day=50), memory=Memory(calls=48))
        call(governor, times=2)
        assert refusal(governor).reason == WaitReason.DAY
        assert governor.calls_left(TENANT).day == 0

    def test_xero_knows_the_day_better_than_the_database(self, make_governor: MakeGovernor):
        governor = make_governor(memory=Memory(calls=4990))
        call(governor, headers={"X-DayLimit-Remaining": "4000"})
        assert governor.calls_left(TENANT).day == 3990

    @pytest.mark.parametrize(
        ("wait", "calls", "may_call"),
        [
            (StandingWait(500, WaitReason.DAY), 10, False),
            (StandingWait(500, WaitReason.BLOCKED), 4700, False),
            # Our own background work used its part up: people still have theirs.
            (StandingWait(500, WaitReason.DAY), 4700, True),
        ],
    )
    def test_a_wait_that_xero_asked_for_outlives_redis(
        self, make_governor: MakeGovernor, wait: StandingWait, calls: int, may_call: bool
    ):
        governor = make_governor(reserve=Reserve(), memory=Memory(calls=calls, wait=wait))
        if may_call:
            call(governor)
            return
        must_wait = refusal(governor)
        assert must_wait.reason == wait.reason
        assert must_wait.seconds == pytest.approx(500, abs=0.5)
        assert refusal(governor).seconds <= must_wait.seconds
        call(governor, None)

    def test_a_call_is_announced_before_it_leaves(self, make_governor: MakeGovernor):
        memory = Memory()
        governor = make_governor(limits=Limits(minute=1), memory=memory)
        governor.acquire(TENANT, Priority.PUSH)
        refusal(governor)
        governor.acquire(None, Priority.PERSON)
        assert memory.announced == [TENANT]

    def test_a_call_that_could_not_be_announced_takes_nothing(self, make_governor: MakeGovernor):
        class Forgetful(CallMemory):
            def about_to_call(self, tenant_id: str, priority: Priority) -> None:
                raise ConnectionError

        governor = make_governor(memory=Forgetful())
        with pytest.raises(ConnectionError):
            governor.acquire(TENANT, Priority.PUSH)
        left = governor.calls_left(TENANT)
        assert (left.minute, left.day) == (60, 5000)

    def test_a_flush_in_the_middle_lets_no_window_overflow(
        self, make_governor: MakeGovernor, store: redis.Redis, clock: VirtualRedis
    ):
        governor = make_governor(
            limits=Limits(minute=3), spans=SHORT, memory=Memory(recent={TENANT})
        )
        refusal(governor)
        clock.advance(1.01)
        call(governor, times=2)
        under_way = governor.acquire(TENANT, Priority.PERSON)
        store.flushdb()
        governor.release(under_way, status=200)
        must_wait = refusal(governor)
        assert must_wait.seconds >= 1.0
        clock.advance(must_wait.seconds)
        call(governor)


class TestRedisTrouble:
    @pytest.fixture
    def severed(self, tmp_path) -> Governor:
        client = redis.Redis(unix_socket_path=str(tmp_path / "nobody"), retry=None)
        return Governor(client, Limits())

    def test_no_call_leaves_without_redis(self, severed: Governor):
        assert refusal(severed).reason == WaitReason.LIMITER_UNAVAILABLE
        assert refusal(severed, None).reason == WaitReason.LIMITER_UNAVAILABLE
        with pytest.raises(XeroMustWait):
            severed.calls_left(TENANT)

    def test_giving_a_slot_back_never_fails(self, severed: Governor, caplog):
        severed.release(Slot("lost", TENANT), status=200)
        assert "lost was not given back" in caplog.text

    def test_an_acquisition_whose_answer_was_lost_takes_one_place(self, store: redis.Redis):
        ids = itertools.repeat("same")
        governor = Governor(
            store,
            Limits(minute=5),
            new_slot_id=lambda: next(ids),
        )
        for _ in range(3):
            governor.acquire(TENANT, Priority.PERSON)
        assert store.zcard("xero:tenant-a:minute") == 1
        assert governor.calls_left(TENANT).day == 4999

    def test_a_restarted_redis_gets_the_scripts_again(self, store: redis.Redis):
        governor = Governor(store, Limits())
        call(governor)
        store.script_flush()
        call(governor)


class TestKeys:
    def test_every_key_expires(self, governor: Governor, store: redis.Redis):
        call(governor, headers={"X-MinLimit-Remaining": "3", "X-DayLimit-Remaining": "3"})
        governor.release(
            governor.acquire(TENANT, Priority.PERSON), status=429, headers={"Retry-After": "5"}
        )
        ttls = {key.decode(): store.pttl(key) for key in store.scan_iter()}
        assert len(ttls) == 5
        assert all(ttl > 0 for ttl in ttls.values()), ttls
        assert ttls["xero:tenant-a:minute"] <= 92_000
        assert ttls["xero:tenant-a:day"] <= 86_400_000 + 3_700_000

    def test_the_log_holds_no_more_than_the_limit(self, governor: Governor, store: redis.Redis):
        call(governor, headers={"X-MinLimit-Remaining": "0"})
        assert store.zcard("xero:tenant-a:minute") == 60
