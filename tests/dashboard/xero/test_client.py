"""One organisation's client."""

from __future__ import annotations

import pytest
import responses

from dashboard.secret import Secret
from dashboard.xero.client import XeroClient
from dashboard.xero.governor import Priority
from dashboard.xero.transport import Exchange, Transport

FOLDERS = "https://api.xero.test/files.xro/1.0/Folders"


class TestXeroClient:
    def test_it_belongs_to_one_organisation(self, transport: Transport):
        with pytest.raises(ValueError, match="one organisation"):
            XeroClient(
                transport, tenant_id="", access=Secret("a"), refresh_access=lambda: Secret("b")
            )

    @responses.activate
    def test_both_doors_share_the_renewed_token(self, transport: Transport):
        responses.get(FOLDERS, status=401)
        responses.get(FOLDERS, json=[])
        responses.get("https://api.xero.test/api.xro/2.0/ContactGroups", json={})
        xero = XeroClient(
            transport,
            tenant_id="t1",
            access=Secret("old"),
            refresh_access=lambda: Secret("new"),
            priority=Priority.PUSH,
        )
        xero.files.folders()
        xero.accounting.contact_groups()
        used = [call.request.headers["Authorization"] for call in responses.calls]
        assert used == ["Bearer old", "Bearer new", "Bearer new"]
        assert {call.request.headers["xero-tenant-id"] for call in responses.calls} == {"t1"}
        assert xero.tenant_id == "t1"

    @responses.activate
    def test_its_calls_have_its_priority(self, governor):
        costs: list[Exchange] = []
        transport = Transport(governor, "https://api.xero.test", on_exchange=costs.append)
        responses.get(FOLDERS, json=[])
        XeroClient(
            transport,
            tenant_id="t1",
            access=Secret("a"),
            refresh_access=lambda: Secret("b"),
            priority=Priority.PUSH,
        ).files.folders()
        assert [cost.priority for cost in costs] == [Priority.PUSH]
