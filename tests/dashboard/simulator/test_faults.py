"""Faults on order, as a real HTTP client meets them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from dashboard.simulator import World
from dashboard.simulator.faults import KINDS, Faults
from tests.dashboard.simulator.caller import CLIENT_ID, CLIENT_SECRET, CONTACTS, FILES, Caller
from tests.support.pretend_xero import served

FOLDERS = f"{FILES}/Folders"
MAINTENANCE = "The Xero API is currently offline for maintenance"


@pytest.fixture
def url(world: World) -> Iterator[str]:
    """The simulator on a real wire."""
    with served(world) as address:
        yield address


class Wire:
    """A real HTTP client with the tokens of an app."""

    def __init__(self, url: str, app: Caller) -> None:
        self.url = url
        self.headers = app.bearer() | {
            "xero-tenant-id": app.tenant_id,
            "Accept": "application/json",
        }

    def get(self, path: str = FOLDERS, timeout: float = 10) -> requests.Response:
        """GET with the usual headers."""
        return requests.get(self.url + path, headers=self.headers, timeout=timeout)

    def folder(self, key: str, timeout: float = 10) -> requests.Response:
        """Make a folder named as its key."""
        headers = self.headers | {"Idempotency-Key": key}
        body = {"Name": key}
        return requests.post(self.url + FOLDERS, json=body, headers=headers, timeout=timeout)


@pytest.fixture
def live(url: str, app: Caller) -> Wire:
    """A client of the simulator on a real wire."""
    return Wire(url, app)


class TestAnswersOnOrder:
    @pytest.mark.parametrize(
        ("kind", "problem", "retry_after"),
        [
            ("429-minute", "minute", "22"),
            ("429-day", "day", "22"),
            ("429-app-minute", "appminute", "22"),
            ("429-concurrent", "concurrent", None),
        ],
    )
    def test_429(
        self, app: Caller, live: Wire, kind: str, problem: str, retry_after: str | None
    ) -> None:
        app.world.faults.arm(kind, retry_after=22)
        answer = live.get()
        assert (answer.status_code, answer.content) == (429, b"")
        assert answer.headers["X-Rate-Limit-Problem"] == problem
        assert answer.headers.get("Retry-After") == retry_after
        assert live.get().status_code == 200

    @pytest.mark.parametrize(
        ("kind", "status", "body"),
        [
            ("503-maintenance", 503, ("text/plain", MAINTENANCE)),
            ("503-temporarily", 503, ("text/plain", "temporarily unavailable")),
            ("503-organisation", 503, ("text/plain", "The Organisation is offline")),
            ("500-html", 500, ("text/html", "<html>")),
            ("500-json", 500, ("application/json", "An error occurred")),
            ("413-html", 413, ("text/html", "too large")),
            ("413-json", 413, ("application/json", "PayloadTooLarge")),
            ("400-array", 400, ("application/json", '[{"type": "Validation"')),
            ("400-object", 400, ("application/json", '{"type": "Validation"')),
            ("200-html", 200, ("text/html", "spruce")),
            ("401-expired", 401, ("application/json", "TokenExpired: token expired at 04/07/2026")),
            ("403-disconnected", 403, ("application/json", "AuthenticationUnsuccessful")),
        ],
    )
    def test_others(
        self, app: Caller, live: Wire, kind: str, status: int, body: tuple[str, str]
    ) -> None:
        kind_of_body, words = body
        app.world.faults.arm(kind)
        answer = live.get()
        assert answer.status_code == status
        assert answer.headers["Content-Type"].startswith(kind_of_body)
        assert words in answer.text
        assert app.world.faults.injected == {kind: 1}

    @pytest.mark.parametrize("kind", ["invalid_grant", "invalid_client"])
    def test_the_token_endpoint_refuses_on_order(self, app: Caller, url: str, kind: str) -> None:
        app.world.faults.arm(kind)
        form = {"grant_type": "refresh_token", "refresh_token": app.tokens["refresh_token"]}
        answers = [
            requests.post(
                f"{url}/connect/token", data=form, auth=(CLIENT_ID, CLIENT_SECRET), timeout=10
            )
            for _ in range(2)
        ]
        assert (answers[0].status_code, answers[0].json()) == (400, {"error": kind})
        assert answers[1].status_code == 200

    def test_a_lost_token_answer_has_replaced_the_token_all_the_same(
        self, app: Caller, url: str
    ) -> None:
        app.world.faults.arm("store-then-reset", path="/connect/token")
        form = {"grant_type": "refresh_token", "refresh_token": app.tokens["refresh_token"]}
        with pytest.raises(requests.ConnectionError):
            requests.post(
                f"{url}/connect/token", data=form, auth=(CLIENT_ID, CLIENT_SECRET), timeout=10
            )
        old = app.world.state.refresh_tokens[app.tokens["refresh_token"]]
        assert old.replaced_at is not None
        assert app.refresh(app.tokens["refresh_token"]).status_code == 200

    @pytest.mark.parametrize(("kind", "status"), [("500-html", 500), ("200-html", 200)])
    def test_the_token_endpoint_may_answer_html(self, app: Caller, kind: str, status: int) -> None:
        app.world.faults.arm(kind, path="/connect/token")
        answer = app.refresh(app.tokens["refresh_token"])
        assert (answer.status_code, answer.mimetype) == (status, "text/html")


class TestCutConnections:
    def test_a_reset_before_storing_stores_nothing(self, app: Caller, live: Wire) -> None:
        app.world.faults.arm("reset")
        with pytest.raises(requests.ConnectionError, match="reset by peer"):
            live.folder("a")
        assert app.world.folder_named(app.tenant_id, "a") is None

    def test_a_reset_after_storing_has_stored(self, app: Caller, live: Wire) -> None:
        app.world.faults.arm("store-then-reset")
        with pytest.raises(requests.ConnectionError):
            live.folder("a")
        assert app.world.folder_named(app.tenant_id, "a")

    def test_the_lost_answer_can_be_had_again_with_the_same_key(
        self, app: Caller, live: Wire
    ) -> None:
        app.world.faults.arm("store-then-reset")
        with pytest.raises(requests.ConnectionError):
            live.folder("a")
        made = app.world.folder_named(app.tenant_id, "a")
        assert made
        assert live.folder("a").json()["Id"] == made.folder_id

    def test_half_a_body_is_noticed(self, app: Caller, live: Wire) -> None:
        app.world.faults.arm("half-body")
        with pytest.raises(requests.exceptions.ChunkedEncodingError, match="IncompleteRead"):
            live.get(CONTACTS)
        assert live.get(CONTACTS).status_code == 200

    def test_the_log_says_that_the_connection_was_cut(self, app: Caller, live: Wire) -> None:
        app.world.faults.arm("store-then-reset")
        with pytest.raises(requests.ConnectionError):
            live.get()
        assert app.world.calls.last(1)[0].wire == "reset"
        assert app.world.calls.last(1)[0].fault == "store-then-reset"


class TestWaiting:
    def test_slow_answers_late_and_whole(
        self, app: Caller, live: Wire, pauses: list[float]
    ) -> None:
        app.world.faults.arm("slow", seconds=31)
        assert live.get().status_code == 200
        assert pauses == [31]

    def test_a_hanging_call_has_stored_and_answers_nothing(
        self, app: Caller, live: Wire, pauses: list[float]
    ) -> None:
        app.world.faults.arm("store-then-hang", seconds=40)
        with pytest.raises(requests.ConnectionError):
            live.folder("a")
        assert pauses == [40]
        assert app.world.folder_named(app.tenant_id, "a")

    def test_a_client_that_gives_up_finds_its_work_done(self, app: Caller, live: Wire) -> None:
        world = app.world
        world.pause = world.ending.wait
        world.faults.arm("store-then-hang", seconds=30)
        with pytest.raises(requests.ReadTimeout):
            live.folder("a", timeout=0.3)
        assert world.folder_named(app.tenant_id, "a")


class TestStoredErrors:
    def test_a_stored_500_is_replayed_for_its_key_and_not_for_the_next(
        self, app: Caller, live: Wire
    ) -> None:
        app.world.faults.arm("store-then-500")
        assert live.folder("a").status_code == 500
        assert live.folder("a").status_code == 500
        assert live.folder("b").status_code == 200
        names = [folder.name for folder in app.world.main.folders.values()]
        assert sorted(names) == ["Contracts", "Inbox", "a", "b"]

    def test_a_500_that_stored_nothing_is_replayed_too(self, app: Caller, live: Wire) -> None:
        app.world.faults.arm("500-html")
        assert [live.folder("a").status_code for _ in range(2)] == [500, 500]
        assert app.world.folder_named(app.tenant_id, "a") is None

    @pytest.mark.parametrize("kind", ["429-minute", "503-temporarily", "401-expired", "413-html"])
    def test_what_the_gateway_says_is_not_kept(self, app: Caller, live: Wire, kind: str) -> None:
        app.world.faults.arm(kind)
        assert live.folder("a").status_code >= 400
        assert live.folder("a").status_code == 200


class TestOrders:
    def test_a_fault_waits_for_a_call_that_fits(self) -> None:
        faults = Faults()
        faults.arm("500-html", method="POST", path="/files.xro/1.0/Files", times=2, skip=1)
        taken = [
            faults.take(method, path)
            for method, path in [
                ("GET", "/files.xro/1.0/Files"),
                ("POST", "/files.xro/1.0/Folders"),
                ("POST", "/files.xro/1.0/Files"),
                ("POST", "/files.xro/1.0/Files/1"),
                ("POST", "/files.xro/1.0/Files/1/Associations"),
                ("POST", "/files.xro/1.0/Files"),
            ]
        ]
        assert [fault is not None for fault in taken] == [False, False, False, True, True, False]
        assert faults.injected == {"500-html": 2}
        assert faults.waiting() == []

    def test_faults_without_a_path_spare_tokens_and_connections(self) -> None:
        faults = Faults()
        faults.arm("500-html")
        assert faults.take("POST", "/connect/token") is None
        assert faults.take("GET", "/connections") is None
        assert faults.take("GET", "/api.xro/2.0/Contacts")

    def test_the_first_order_is_served_first(self) -> None:
        faults = Faults()
        for kind in ("429-day", "500-html"):
            faults.arm(kind)
        taken = [faults.take("GET", CONTACTS) for _ in range(2)]
        assert [fault.kind for fault in taken if fault] == ["429-day", "500-html"]

    @pytest.mark.parametrize(
        ("kind", "details"),
        [("418", {}), ("reset", {"times": 0}), ("slow", {"seconds": -1}), ("slow", {"skip": -1})],
    )
    def test_nonsense_is_refused(self, kind: str, details: dict[str, Any]) -> None:
        with pytest.raises(ValueError, match="fault|negative"):
            Faults().arm(kind, **details)

    def test_forgotten_faults_do_not_happen(self) -> None:
        faults = Faults()
        faults.arm("reset")
        faults.clear()
        assert faults.take("GET", CONTACTS) is None

    @pytest.mark.parametrize("kind", KINDS)
    def test_every_kind_is_injected_and_counted(self, app: Caller, kind: str) -> None:
        token_kind = kind.startswith("invalid_")
        app.world.faults.arm(kind, path="/connect/token" if token_kind else FILES)
        try:
            answer = app.refresh("x") if token_kind else app.get(FOLDERS)
            answer.get_data()
        except ConnectionResetError:
            assert kind in ("reset", "store-then-reset", "store-then-hang", "half-body")
        assert app.world.faults.injected == {kind: 1}
        assert app.world.calls.last(1)[0].fault == kind

    def test_a_call_that_the_gate_refuses_leaves_the_fault_waiting(self, app: Caller) -> None:
        app.world.faults.arm("500-html")
        assert app.get(FOLDERS, headers={"Authorization": ""}).status_code == 401
        assert app.get(FOLDERS).status_code == 500
