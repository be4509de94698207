"""Which organisation a consent means. Never simply the first of the list."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from dashboard.xero.types import Tenant


@dataclass(frozen=True, slots=True)
class TenantChoice:
    """The organisations in question, and the one that is meant if that is certain."""

    options: tuple[Tenant, ...]
    chosen: Tenant | None


def choose_tenant(
    tenants: Iterable[Tenant], auth_event_id: str | None, known_tenant_ids: frozenset[str]
) -> TenantChoice:
    """Say which organisation this consent means, or among which a person must choose.

    Xero lists every organisation that the person ever connected to the app. Those of this consent
    carry its authentication event; an organisation that was connected before keeps its old event,
    so that none may carry the new one. Then the one that this practice already knows is meant, or
    the only one; otherwise a person chooses.
    https://developer.xero.com/documentation/guides/oauth2/tenants
    """
    organisations = tuple(tenant for tenant in tenants if tenant.is_organisation)
    consented = tuple(
        tenant
        for tenant in organisations
        if auth_event_id is not None and tenant.auth_event_id == auth_event_id
    )
    if consented:
        return _certain_if_one(consented)
    known = tuple(tenant for tenant in organisations if tenant.tenant_id in known_tenant_ids)
    if len(known) == 1:
        return TenantChoice(known, known[0])
    return _certain_if_one(organisations)


def _certain_if_one(options: tuple[Tenant, ...]) -> TenantChoice:
    return TenantChoice(options, options[0] if len(options) == 1 else None)
