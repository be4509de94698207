"""One organisation's door."""

from __future__ import annotations

import redis
import responses

from dashboard.secret import Secret
from dashboard.xero.door import TenantDoor
from dashboard.xero.governor import Priority
from dashboard.xero.transport import Bearer, Transport


class TestTenantDoor:
    @responses.activate
    def test_every_call_is_counted_for_its_organisation(
        self, transport: Transport, store: redis.Redis
    ):
        responses.get("https://api.xero.test/a", json={})
        responses.post("https://api.xero.test/b", json={})
        door = TenantDoor(transport, "t1", Bearer(Secret("a")), Priority.SYNC)
        door.get("/a")
        door.post_json("/b", {"x": 1}, "key")
        assert store.zcard("xero:t1:minute") == 2
        assert {call.request.headers["xero-tenant-id"] for call in responses.calls} == {"t1"}
