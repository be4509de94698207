"""The Accounting API as far as contacts go: Organisation, Contacts, ContactGroups, reading only.

https://developer.xero.com/documentation/api/accounting/overview
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from flask import Blueprint, Response, request

from dashboard.simulator import answers
from dashboard.simulator.accounting_json import (
    CONTACT_FIELDS,
    GROUP_FIELDS,
    Depth,
    contact_fields,
    contact_json,
    group_json,
    organisation_json,
)
from dashboard.simulator.accounting_xml import as_xml
from dashboard.simulator.gate import TenantCall, tenant_call
from dashboard.simulator.query_language import (
    QueryError,
    folded,
    parse_order,
    parse_where,
    sorted_rows,
)
from dashboard.simulator.records import Contact, ContactGroup
from dashboard.simulator.wire_dates import microsoft_date, parse_modified_since

accounting = Blueprint("accounting", __name__, url_prefix="/api.xro/2.0")

READ_CONTACTS = ("accounting.contacts", "accounting.contacts.read")
READ_SETTINGS = ("accounting.settings", "accounting.settings.read")
DEFAULT_PAGE_SIZE = 100
MOST_PER_PAGE = 1_000
MOST_CONTACTS_PER_READ = 100_000
_SEARCHED = (
    "Name",
    "FirstName",
    "LastName",
    "ContactNumber",
    "CompanyNumber",
    "EmailAddress",
)


def _answer(call: TenantCall, collection: str, rows: list[Any], pages: Any = None) -> Response:
    """Return rows in Accounting's envelope, in the format that was asked for."""
    payload: dict[str, Any] = {
        "Id": call.world.new_id(),
        "Status": "OK",
        "ProviderName": call.world.app.name,
        "DateTimeUTC": microsoft_date(call.world.clock.now(), with_offset=False),
    }
    if pages is not None:
        payload["pagination"] = pages
    payload[collection] = rows
    if answers.wants_json():
        return answers.as_json(payload)
    return Response(as_xml(payload), content_type="text/xml; charset=utf-8")


def _nonsense(message: str) -> answers.Refused:
    return answers.Refused(answers.accounting_refusal(16, "QueryParseException", message))


@accounting.errorhandler(QueryError)
def query_error(error: QueryError) -> Response:
    """Answer nonsense in `where` or `order`."""
    return _nonsense(str(error)).response


@accounting.get("/Organisation")
@tenant_call(*READ_SETTINGS)
def organisation(call: TenantCall) -> Response:
    """Return the organisation, in a list of one."""
    return _answer(call, "Organisations", [organisation_json(call.organisation)])


# Contacts


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list, as asked for."""

    number: int
    size: int

    def cut(self, rows: list[Contact]) -> list[Contact]:
        """Return the rows on this page; none past the end."""
        start = (self.number - 1) * self.size
        return rows[start : start + self.size]

    def json(self, count: int) -> dict[str, int]:
        """Return the `pagination` object for a list of *count* rows."""
        return {
            "page": self.number,
            "pageSize": self.size,
            "pageCount": math.ceil(count / self.size),
            "itemCount": count,
        }


def _whole_number(name: str, default: int) -> int:
    text = request.args.get(name)
    if text is None:
        return default
    try:
        return int(text)
    except ValueError:
        raise _nonsense(f"{name} must be a whole number") from None


def _asked_page(*, forced: bool) -> Page | None:
    """Return the page that was asked for. A page size alone does not turn paging on."""
    if "page" not in request.args and not forced:
        return None
    size = _whole_number("pageSize", DEFAULT_PAGE_SIZE)
    # Out of range is clamped, not refused.
    return Page(max(1, _whole_number("page", 1)), min(max(1, size), MOST_PER_PAGE))


def _is_on(name: str) -> bool:
    return request.args.get(name, "").lower() == "true"


@accounting.get("/Contacts")
@tenant_call(*READ_CONTACTS)
def contacts(call: TenantCall) -> Response:
    """Return contacts: filtered, ordered, paged, to the depth that paging implies."""
    summary = _is_on("summaryOnly")
    page = _asked_page(forced=summary)
    found = _ordered(_filtered(call, list(call.organisation.contacts.values())))
    if len(found) > MOST_CONTACTS_PER_READ:
        raise _nonsense("Too many records: narrow the filter")
    if not found and "If-Modified-Since" in request.headers and call.world.options.unchanged_as_304:
        return Response(status=HTTPStatus.NOT_MODIFIED)
    depth: Depth = "summary" if summary else "page" if page else "list"
    groups = _live_groups(call)
    rows = [
        contact_json(contact, depth, groups) for contact in (page.cut(found) if page else found)
    ]
    return _answer(call, "Contacts", rows, page.json(len(found)) if page else None)


def _filtered(call: TenantCall, rows: list[Contact]) -> list[Contact]:
    conditions = [
        condition
        for condition in (_status(), _modified(), _ids(), _search(), _where())
        if condition is not None
    ]
    return [row for row in rows if all(condition(row) for condition in conditions)]


Condition = Callable[[Contact], bool] | None


def _status() -> Condition:
    if _is_on("includeArchived"):
        return None
    return lambda contact: contact.status != "ARCHIVED"


def _modified() -> Condition:
    text = request.headers.get("If-Modified-Since")
    if text is None:
        return None
    since = parse_modified_since(text)
    if since is None:
        raise _nonsense(f"If-Modified-Since is no date: {text}")
    # Xero compares whole seconds.
    start = since.replace(microsecond=0)
    return lambda contact: contact.updated_at.replace(microsecond=0) >= start


def _ids() -> Condition:
    text = request.args.get("IDs")
    if text is None:
        return None
    wanted = {part.strip().strip('"').lower() for part in text.split(",")}
    return lambda contact: contact.contact_id in wanted


def _search() -> Condition:
    term = folded(request.args.get("searchTerm", "").strip())
    if not term:
        return None

    def mentions(contact: Contact) -> bool:
        values = contact_fields(contact)
        return any(term in folded(values[field]) for field in _SEARCHED)

    return mentions


def _where() -> Condition:
    text = request.args.get("where")
    if not text:
        return None
    holds = parse_where(text, CONTACT_FIELDS)
    return lambda contact: holds(contact_fields(contact))


def _ordered(rows: list[Contact]) -> list[Contact]:
    # The documented default. A contact that changes during a scan moves to the end under it.
    text = request.args.get("order") or "UpdatedDateUTC ASC, ContactID ASC"
    return sorted_rows(rows, parse_order(text, CONTACT_FIELDS), contact_fields)


def _live_groups(call: TenantCall) -> list[ContactGroup]:
    return [group for group in call.organisation.groups.values() if group.status == "ACTIVE"]


@accounting.get("/Contacts/<contact_id>")
@tenant_call(*READ_CONTACTS)
def contact(call: TenantCall, contact_id: str) -> Response:
    """Return one contact by its id or its number, whatever its status."""
    for found in call.organisation.contacts.values():
        if contact_id.lower() == found.contact_id or contact_id == found.contact_number:
            return _answer(call, "Contacts", [contact_json(found, "single", _live_groups(call))])
    return answers.not_found()


# Contact groups


def _group_fields(group: ContactGroup) -> Mapping[str, Any]:
    return {"ContactGroupID": group.group_id, "Name": group.name, "Status": group.status}


@accounting.get("/ContactGroups")
@tenant_call(*READ_CONTACTS)
def contact_groups(call: TenantCall) -> Response:
    """Return the live groups, without their members."""
    groups = _live_groups(call)
    if where := request.args.get("where"):
        holds = parse_where(where, GROUP_FIELDS)
        groups = [group for group in groups if holds(_group_fields(group))]
    order = parse_order(request.args.get("order") or "Name ASC", GROUP_FIELDS)
    groups = sorted_rows(groups, order, _group_fields)
    return _answer(call, "ContactGroups", [group_json(group) for group in groups])


@accounting.get("/ContactGroups/<group_id>")
@tenant_call(*READ_CONTACTS)
def contact_group(call: TenantCall, group_id: str) -> Response:
    """Return one live group with the ids and names of its members."""
    group = call.organisation.groups.get(group_id.lower())
    if group is None or group.status != "ACTIVE":
        return answers.not_found()
    everyone = call.organisation.contacts
    members = [everyone[contact_id] for contact_id in group.contact_ids]
    return _answer(call, "ContactGroups", [group_json(group, members)])


# Everything else


@accounting.route("/Organisation", methods=["POST", "PUT", "DELETE"])
@accounting.route("/Contacts", methods=["POST", "PUT", "DELETE"])
@accounting.route("/Contacts/<contact_id>", methods=["POST", "PUT", "DELETE"])
@accounting.route("/ContactGroups", methods=["POST", "PUT", "DELETE"])
@accounting.route("/ContactGroups/<group_id>", methods=["POST", "PUT", "DELETE"])
@tenant_call("accounting.contacts", "accounting.settings")
def writing(call: TenantCall, **_ids: str) -> Response:
    """Refuse to write: an app with read scopes gets 401, and this ledger takes no writing."""
    return answers.accounting_refusal(
        20,
        "ApiMethodNotImplementedException",
        "The Api Method called is not implemented",
        HTTPStatus.NOT_IMPLEMENTED,
    )


@accounting.route("/<path:rest>", methods=["GET", "POST", "PUT", "DELETE"])
@tenant_call()
def unknown(call: TenantCall, rest: str) -> Response:
    """Answer 404 for what Xero has and this simulator has not, or what nobody has."""
    return answers.not_found()
