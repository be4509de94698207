"""Which organisation a consent means. Never simply the first of the list."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from dashboard.xero.types import Tenant


@dataclass(frozen=True, slots=True)
class TenantChoice:
    """The organisations in question, and the one that is meant if that is certain."""

    options: tuple[Tenant, ...]
    chosen: Tenant | None


@dataclass(frozen=True, slots=True)
class KnownOrganisation:
    """An organisation that the practice is or was connected to; `links` counts linked contacts."""

    tenant_id: str
    name: str
    is_current: bool
    links: int


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


def organisation_left(
    tenant_id: str, known: Sequence[KnownOrganisation]
) -> KnownOrganisation | None:
    """Return the organisation that is left behind by connecting this one; None if nothing is.

    *known*: the connected one first, then the one that was left last. To go back to that one needs
    no question, and neither does leaving organisations in which nothing was ever linked.
    """
    if not known or known[0].tenant_id == tenant_id:
        return None
    if known[0].is_current:
        return known[0]
    return next((each for each in known if each.links and each.tenant_id != tenant_id), None)


def shown_name(tenant: Tenant) -> str:
    """Return a name to tell the organisation by, should Xero have given none."""
    return tenant.name or f"Organisation {tenant.tenant_id[:8]}"


def _certain_if_one(options: tuple[Tenant, ...]) -> TenantChoice:
    return TenantChoice(options, options[0] if len(options) == 1 else None)
