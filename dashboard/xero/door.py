"""The door to one organisation: whose calls they are, with which token, how urgent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from dashboard.xero.answers import Answer
from dashboard.xero.governor import Priority
from dashboard.xero.transport import Bearer, Transport, XeroRequest


@dataclass(frozen=True, slots=True)
class TenantDoor:
    """Sends requests of one organisation; each raises a `XeroError` unless it succeeds."""

    transport: Transport
    tenant_id: str
    bearer: Bearer
    priority: Priority

    def get(
        self,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        accept: str = "application/json",
    ) -> Answer:
        """Return the answer to a GET."""
        request = XeroRequest(
            "GET",
            path,
            self.priority,
            self.tenant_id,
            query=query or {},
            headers=headers or {},
            accept=accept,
        )
        return self.transport.send(request, self.bearer)

    def post_json(self, path: str, value: Any, idempotency_key: str) -> Answer:
        """Return the answer to a POST of *value*."""
        body = msgspec.json.encode(value)
        return self.post(path, body, "application/json", idempotency_key)

    def post(self, path: str, body: bytes, content_type: str, idempotency_key: str) -> Answer:
        """Return the answer to a POST of *body*."""
        request = XeroRequest(
            "POST",
            path,
            self.priority,
            self.tenant_id,
            body=body,
            content_type=content_type,
            idempotency_key=idempotency_key,
        )
        return self.transport.send(request, self.bearer)
