"""The one door: what leaves through it, and what comes back, also from a server that misbehaves."""

from __future__ import annotations

import gzip
import re
import socket
import struct
import time
import tomllib
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest
import redis
import responses

from dashboard.secret import Secret
from dashboard.xero.deadline import DeadlineAdapter
from dashboard.xero.errors import (
    XeroForbidden,
    XeroMustWait,
    XeroNoAnswer,
    XeroNotFound,
    XeroRateLimited,
    XeroRejected,
    XeroUnauthorised,
    XeroUnavailable,
)
from dashboard.xero.governor import Governor, Limits, Priority
from dashboard.xero.transport import VERSION, Bearer, Exchange, Transport, XeroRequest, segment

API = "https://api.xero.test"
TENANT = "fe79f7dd-b6d4-4a92-ba7b-538af6289c58"
TOKEN = "token-that-must-not-show"
# Many times what a test waits for, whatever else the machine does.
LONG = 20.0


def a_get(path: str = "/thing", **more) -> XeroRequest:
    return XeroRequest("GET", path, Priority.PERSON, TENANT, **more)


def a_post(path: str = "/thing", **more) -> XeroRequest:
    return XeroRequest("POST", path, Priority.PUSH, TENANT, body=b"{}", **more)


def bearer() -> Bearer:
    return Bearer(Secret(TOKEN))


class TestWhatLeaves:
    @responses.activate
    def test_every_request_carries_its_papers(self, transport: Transport):
        responses.get(f"{API}/thing", json={})
        transport.send(a_get(query={"page": "1", "order": "a b&c"}), bearer())
        sent = responses.calls[0].request
        assert sent.headers["Authorization"] == f"Bearer {TOKEN}"
        assert sent.headers["xero-tenant-id"] == TENANT
        assert sent.headers["Accept"] == "application/json"
        assert sent.headers["Accept-Encoding"] == "gzip"
        assert sent.headers["User-Agent"] == "chase.md-xero-dashboard/9.9"
        assert sent.url == f"{API}/thing?page=1&order=a%20b%26c"

    @responses.activate
    def test_a_call_without_an_organisation_names_none(self, transport: Transport):
        responses.get(f"{API}/connections", json=[])
        transport.send(XeroRequest("GET", "/connections", Priority.PERSON), bearer())
        assert "xero-tenant-id" not in responses.calls[0].request.headers

    @responses.activate
    def test_a_post_carries_its_key(self, transport: Transport):
        responses.post(f"{API}/thing", json={})
        transport.send(a_post(idempotency_key="k" * 128), bearer())
        assert responses.calls[0].request.headers["Idempotency-Key"] == "k" * 128

    @pytest.mark.parametrize("key", ["k" * 129, "", "schlüssel", "two\nlines"])
    def test_a_key_that_xero_would_not_take_never_leaves(
        self, transport: Transport, store: redis.Redis, key: str
    ):
        with pytest.raises(ValueError, match="idempotency key"):
            transport.send(a_post(idempotency_key=key), bearer())
        assert store.keys() == []

    @responses.activate
    def test_cookies_do_not_travel_from_one_organisation_to_the_next(self, transport: Transport):
        responses.get(f"{API}/thing", json={}, headers={"Set-Cookie": "who=one; Path=/"})
        for _ in range(2):
            transport.send(a_get(), bearer())
        assert "Cookie" not in responses.calls[1].request.headers

    def test_a_netrc_of_the_machine_changes_nothing(
        self, transport: Transport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        netrc = tmp_path / "netrc"
        netrc.write_text("default login someone password else\n")
        monkeypatch.setenv("NETRC", str(netrc))
        with responses.RequestsMock() as mocked:
            mocked.get(f"{API}/thing", json={})
            transport.send(a_get(), bearer())
            assert mocked.calls[0].request.headers["Authorization"] == f"Bearer {TOKEN}"

    def test_a_proxy_variable_of_the_machine_does_not_get_the_token(
        self, governor: Governor, odd_server, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setenv("HTTP_PROXY", odd_server.url)
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        odd_server.script(says(reply()))
        transport = Transport(governor, "http://no-such-host.invalid")
        with pytest.raises(XeroNoAnswer):
            transport.send(a_get(), bearer())
        assert odd_server.requests == []

    @pytest.mark.parametrize("value", ["", ".", ".."])
    def test_an_id_cannot_climb_to_another_path(self, value: str):
        with pytest.raises(ValueError, match="id"):
            segment(value)

    def test_an_id_is_one_piece_of_the_path(self):
        assert segment("a/../b?c#d") == "a%2F..%2Fb%3Fc%23d"

    def test_our_version_is_the_projects(self):
        project = Path(__file__).parents[3] / "pyproject.toml"
        assert tomllib.loads(project.read_text())["project"]["version"] == VERSION


class TestAnswers:
    @responses.activate
    @pytest.mark.parametrize(
        ("status", "kind"),
        [
            (302, XeroUnavailable),
            (400, XeroRejected),
            (403, XeroForbidden),
            (404, XeroNotFound),
            (429, XeroRateLimited),
            (500, XeroUnavailable),
        ],
    )
    def test_statuses_become_types(self, transport: Transport, status: int, kind: type):
        responses.get(f"{API}/thing", status=status, headers={"Location": f"{API}/elsewhere"})
        with pytest.raises(kind):
            transport.send(a_get(), bearer())
        assert len(responses.calls) == 1

    @responses.activate
    def test_a_429_stops_the_next_call_before_it_leaves(self, transport: Transport):
        responses.get(f"{API}/thing", status=429, headers={"Retry-After": "9"})
        with pytest.raises(XeroRateLimited) as caught:
            transport.send(a_get(), bearer())
        assert caught.value.retry_after == 9
        with pytest.raises(XeroMustWait) as waiting:
            transport.send(a_get(), bearer())
        assert waiting.value.reason == "blocked"
        assert len(responses.calls) == 1

    @responses.activate
    def test_what_is_left_is_learnt_from_each_answer(
        self, transport: Transport, governor: Governor
    ):
        responses.get(f"{API}/thing", json={}, headers={"X-MinLimit-Remaining": "17"})
        transport.send(a_get(), bearer())
        assert governor.calls_left(TENANT).minute == 17

    @responses.activate
    def test_not_modified_is_an_answer_to_a_conditional_request(self, transport: Transport):
        responses.get(f"{API}/thing", status=304)
        headers = {"If-Modified-Since": "2025-01-01T00:00:00"}
        assert transport.send(a_get(headers=headers), bearer()).status == 304


class TestUnauthorised:
    @responses.activate
    def test_a_fresh_token_cures_it_once(self, transport: Transport):
        responses.get(f"{API}/thing", status=401)
        responses.get(f"{API}/thing", json={})
        fresh = Bearer(Secret("old"), lambda: Secret("new"))
        assert transport.send(a_get(), fresh).status == 200
        used = [call.request.headers["Authorization"] for call in responses.calls]
        assert used == ["Bearer old", "Bearer new"]
        assert fresh.access == Secret("new")

    @responses.activate
    def test_a_post_is_repeated_too_for_it_was_refused(self, transport: Transport):
        responses.post(f"{API}/thing", status=401)
        responses.post(f"{API}/thing", status=201, json={})
        answer = transport.send(a_post(), Bearer(Secret("old"), lambda: Secret("new")))
        assert answer.status == 201
        assert [call.request.body for call in responses.calls] == [b"{}", b"{}"]

    @responses.activate
    def test_refused_again_it_stays_refused(self, transport: Transport):
        detail = {"Title": "Unauthorized", "Detail": "TokenExpired: token expired at …"}
        responses.get(f"{API}/thing", status=401, json=detail)
        refreshed: list[int] = []

        def refresh() -> Secret:
            refreshed.append(1)
            return Secret("new")

        with pytest.raises(XeroUnauthorised, match="TokenExpired"):
            transport.send(a_get(), Bearer(Secret("old"), refresh))
        assert (len(responses.calls), len(refreshed)) == (2, 1)

    @responses.activate
    def test_without_a_way_to_refresh_it_is_told_at_once(self, transport: Transport):
        responses.get(f"{API}/thing", status=401)
        with pytest.raises(XeroUnauthorised):
            transport.send(a_get(), bearer())
        assert len(responses.calls) == 1


class TestGoverned:
    @pytest.mark.parametrize("body", [responses.ConnectionError("reset"), RuntimeError("ours")])
    @responses.activate
    def test_the_place_is_given_back_whatever_happens(
        self, make_governor: Callable[..., Governor], body: Exception
    ):
        governor = make_governor(limits=Limits(concurrent=1))
        transport = Transport(governor, API)
        responses.post(f"{API}/thing", body=body)
        for _ in range(3):
            with pytest.raises((XeroNoAnswer, RuntimeError)):
                transport.send(a_post(), bearer())
        assert governor.calls_left(TENANT).minute == 57

    @responses.activate
    def test_no_call_leaves_when_the_governor_says_no(self, make_governor: Callable[..., Governor]):
        responses.get(f"{API}/thing", json={})
        transport = Transport(make_governor(limits=Limits(minute=1)), API)
        transport.send(a_get(), bearer())
        with pytest.raises(XeroMustWait):
            transport.send(a_get(), bearer())
        assert len(responses.calls) == 1

    @responses.activate
    def test_each_call_is_reported_with_its_cost(self, governor: Governor):
        costs: list[Exchange] = []
        transport = Transport(governor, API, on_exchange=costs.append)
        responses.post(f"{API}/thing", status=500, body=b"12345")
        with pytest.raises(XeroUnavailable):
            transport.send(a_post(), bearer())
        (cost,) = costs
        assert (cost.tenant_id, cost.priority, cost.status) == (TENANT, Priority.PUSH, 500)
        assert (cost.method, cost.path) == ("POST", "/thing")
        assert (cost.bytes_sent, cost.bytes_received) == (2, 5)
        assert TOKEN not in repr(cost)


def reply(body: bytes = b"{}", head: str = "200 OK", *more: str) -> bytes:
    lines = [f"HTTP/1.1 {head}", f"Content-Length: {len(body)}", *more]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def says(data: bytes) -> Callable[[socket.socket], None]:
    return lambda connection: connection.sendall(data)


def says_and_leaves(data: bytes) -> Callable[[socket.socket], None]:
    def behave(connection: socket.socket) -> None:
        if data:
            connection.sendall(data)
        connection.shutdown(socket.SHUT_RDWR)

    return behave


def resets(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def drips(start: bytes) -> Callable[[socket.socket], None]:
    def behave(connection: socket.socket) -> None:
        connection.sendall(start)
        # Until the other side hangs up.
        while True:
            time.sleep(0.05)
            connection.sendall(b" ")

    return behave


def stays_silent(_connection: socket.socket) -> None:
    return


class TestMisbehavingServer:
    """Real sockets: the time-outs, drops and halves that a mock cannot play."""

    def test_one_connection_serves_many_calls(self, odd_transport: Transport, odd_server):
        odd_server.script(*[says(reply())] * 3)
        for _ in range(3):
            odd_transport.send(a_get(), bearer())
        assert odd_server.connections == 1

    def test_gzip_is_unpacked_and_counted_packed(self, governor: Governor, odd_server):
        costs: list[Exchange] = []
        packed = gzip.compress(b'{"a":"' + b"x" * 5000 + b'"}')
        odd_server.script(says(reply(packed, "200 OK", "Content-Encoding: gzip")))
        transport = Transport(governor, odd_server.url, on_exchange=costs.append)
        assert len(transport.send(a_get(), bearer()).body) == 5008
        assert costs[0].bytes_received == len(packed)
        transport.close()

    @pytest.mark.parametrize(
        "behaviour",
        [
            stays_silent,
            drips(b"HTTP/1.1 200 OK\r\nX-Slow:"),
            drips(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{"),
            drips(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{"),
            drips(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3E8\r\n{"),
        ],
        ids=["silent", "dripping head", "dripping body", "body without length", "chunks"],
    )
    def test_no_call_outlasts_its_total_time(
        self, quick_transport: Transport, odd_server, behaviour
    ):
        odd_server.script(behaviour)
        began_at = time.monotonic()
        with pytest.raises(XeroNoAnswer) as caught:
            quick_transport.send(a_get(), bearer())
        assert 0.5 < time.monotonic() - began_at < LONG
        assert caught.value.maybe_sent is True
        assert len(odd_server.requests) == 1

    @pytest.mark.parametrize(
        "behaviour",
        [
            says_and_leaves(b""),
            resets,
            says_and_leaves(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"),
            says_and_leaves(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n64\r\nhalf"),
            says_and_leaves(b"not HTTP at all\r\n\r\n"),
            says(reply(b"not gzip", "200 OK", "Content-Encoding: gzip")),
        ],
        ids=["closed", "reset", "half body", "half chunk", "not HTTP", "bad gzip"],
    )
    def test_half_an_answer_is_no_answer(self, odd_transport: Transport, odd_server, behaviour):
        odd_server.script(behaviour)
        with pytest.raises(XeroNoAnswer) as caught:
            odd_transport.send(a_post(), bearer())
        assert caught.value.maybe_sent is True
        assert len(odd_server.requests) == 1

    def test_a_body_without_an_end_is_not_read_to_its_end(
        self, odd_transport: Transport, odd_server
    ):
        odd_server.script(says(reply(b"x" * 200_000)))
        with pytest.raises(XeroUnavailable, match="larger"):
            odd_transport.send(a_get(), bearer())

    def test_the_rest_of_a_broken_answer_is_not_the_next_one(
        self, odd_transport: Transport, odd_server
    ):
        odd_server.script(says(reply(b"x" * 200_000)), says(reply(b'{"fine": 1}')))
        with pytest.raises(XeroUnavailable):
            odd_transport.send(a_get(), bearer())
        assert odd_transport.send(a_get(), bearer()).body == b'{"fine": 1}'
        assert odd_server.connections == 2

    def test_a_get_survives_a_kept_alive_connection_that_was_dropped(
        self, odd_transport: Transport, odd_server
    ):
        odd_server.script(says(reply()), resets, says(reply(b"[1]")))
        odd_transport.send(a_get(), bearer())
        assert odd_transport.send(a_get(), bearer()).body == b"[1]"

    def test_a_post_is_never_repeated_by_itself(self, odd_transport: Transport, odd_server):
        odd_server.script(says(reply()), resets, says(reply()))
        odd_transport.send(a_get(), bearer())
        with pytest.raises(XeroNoAnswer) as caught:
            odd_transport.send(a_post(), bearer())
        assert caught.value.maybe_sent is True
        assert len(odd_server.requests) == 2

    def test_a_get_on_a_new_connection_is_not_repeated(self, odd_transport: Transport, odd_server):
        odd_server.script(resets, says(reply()))
        with pytest.raises(XeroNoAnswer):
            odd_transport.send(a_get(), bearer())
        assert len(odd_server.requests) == 1

    def test_a_redirect_is_not_followed(self, odd_transport: Transport, odd_server):
        odd_server.script(says(reply(b"", "302 Found", f"Location: {odd_server.url}/else")))
        with pytest.raises(XeroUnavailable, match="never follow"):
            odd_transport.send(a_get(), bearer())
        assert len(odd_server.requests) == 1


class TestNeverSent:
    def test_a_refused_connection_is_known_to_have_changed_nothing(self, governor: Governor):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        transport = Transport(governor, f"http://127.0.0.1:{port}")
        with pytest.raises(XeroNoAnswer) as caught:
            transport.send(a_post(), bearer())
        assert caught.value.maybe_sent is False
        left = governor.calls_left(TENANT)
        assert (left.minute, left.day) == (60, 5000)

    def test_an_unknown_host_is_known_to_have_changed_nothing(self, governor: Governor):
        transport = Transport(governor, "http://no-such-host.invalid")
        with pytest.raises(XeroNoAnswer) as caught:
            transport.send(a_post(), bearer())
        assert caught.value.maybe_sent is False

    def test_a_server_without_tls_never_sees_the_token(self, governor: Governor, odd_server):
        odd_server.script(says(reply()))
        adapter = DeadlineAdapter(total=0.6, connect=0.3)
        https = odd_server.url.replace("http:", "https:")
        transport = Transport(governor, https, adapter=adapter)
        with pytest.raises(XeroNoAnswer) as caught:
            transport.send(a_post(), bearer())
        assert caught.value.maybe_sent is False
        assert TOKEN.encode() not in b"".join(odd_server.requests)


class TestSecrecy:
    def test_no_error_leads_to_the_token(self, odd_transport: Transport, odd_server):
        odd_server.script(resets)
        with pytest.raises(XeroNoAnswer) as caught:
            odd_transport.send(a_get(), bearer())
        error = caught.value
        told = "".join(traceback.format_exception(error)) + repr(vars(error))
        assert TOKEN not in told
        assert error.__cause__ is None
        assert error.__context__ is None

    def test_a_request_shows_no_content(self):
        assert "secret-body" not in repr(a_get(content_type="x", accept="y")) + repr(
            XeroRequest("POST", "/x", Priority.PUSH, TENANT, body=b"secret-body")
        )

    def test_only_the_transport_and_the_grants_reveal_a_token(self):
        room = Path(__file__).parents[3] / "dashboard" / "xero"
        revealing = {
            path.name
            for path in room.glob("*.py")
            if re.search(r"\.reveal\(\)", path.read_text(encoding="utf-8"))
        }
        assert revealing == {"transport.py", "oauth.py", "identity.py"}
