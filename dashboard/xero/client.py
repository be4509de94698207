"""One organisation's client of Xero."""

from __future__ import annotations

from collections.abc import Callable

from dashboard.secret import Secret
from dashboard.xero.accounting import AccountingApi
from dashboard.xero.door import TenantDoor
from dashboard.xero.files import FilesApi
from dashboard.xero.governor import Priority
from dashboard.xero.transport import Bearer, Transport


class XeroClient:
    """The doors to one organisation; by convention the variable that holds it is `xero`.

    *access* reaches every organisation that its person connected, so *tenant_id* alone decides
    whose data this is. *refresh_access* returns a fresh token and is asked once for a call that
    Xero answers with 401. *priority* says what the calls are for.
    """

    def __init__(
        self,
        transport: Transport,
        *,
        tenant_id: str,
        access: Secret,
        refresh_access: Callable[[], Secret],
        priority: Priority = Priority.SYNC,
    ) -> None:
        if not tenant_id:
            raise ValueError("A client of Xero belongs to one organisation.")
        self.tenant_id = tenant_id
        door = TenantDoor(transport, tenant_id, Bearer(access, refresh_access), priority)
        self.accounting = AccountingApi(door)
        self.files = FilesApi(door)
