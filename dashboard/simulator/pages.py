"""The simulator's own pages and their JSON twins, all below /simulator/.

People look around and make things go wrong here; tests use `GET /simulator/state`,
`GET /simulator/calls`, `POST /simulator/faults` and `POST /simulator/admin`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, fields
from http import HTTPStatus
from pathlib import Path
from typing import Any, get_args
from urllib.parse import urlsplit

from flask import Blueprint, Response, abort, redirect, render_template, request, send_file, url_for

from dashboard.simulator import answers
from dashboard.simulator.accounting_json import contact_json
from dashboard.simulator.admin import ACTIONS, ActionRefused, perform
from dashboard.simulator.calls import Call
from dashboard.simulator.faults import KINDS, Fault
from dashboard.simulator.files_json import association_json, file_json, folder_json
from dashboard.simulator.gate import current_world
from dashboard.simulator.query_language import folded
from dashboard.simulator.records import Contact, Options, Organisation, StoredFile, Tier
from dashboard.simulator.world import World

pages = Blueprint("simulator", __name__, url_prefix="/simulator")

CALLS_SHOWN = 200
ROWS_PER_PAGE = 50
STYLE = Path(__file__).parents[2] / "static" / "simulator.css"
_SAME_SITE = (None, "same-origin", "none")


@pages.before_request
def only_from_here() -> None:
    """Let no other site's page press these buttons through somebody's browser."""
    if request.method == "GET":
        return
    origin = request.headers.get("Origin")
    foreign = origin is not None and urlsplit(origin).netloc != request.host
    if foreign or request.headers.get("Sec-Fetch-Site") not in _SAME_SITE:
        abort(HTTPStatus.FORBIDDEN)


@pages.get("/style.css")
def style() -> Response:
    """Return the one style sheet."""
    return send_file(STYLE, mimetype="text/css", max_age=300)


# Pages


def _page(template: str, **values: Any) -> Response:
    world = current_world()
    with world.lock:
        page = render_template(
            template,
            world=world,
            organisations=list(world.state.organisations.values()),
            said=request.args.get("said", ""),
            refused=request.args.get("refused", ""),
            **values,
        )
    return answers.as_html(page)


def _organisation(tenant_id: str) -> Organisation:
    found = current_world().state.organisations.get(tenant_id)
    return found or abort(HTTPStatus.NOT_FOUND)


@pages.get("/")
def overview() -> Response:
    """Show organisations, people and connections, and what can be done to them."""
    return _page("overview.html", tiers=get_args(Tier), options=fields(Options))


@pages.get("/organisations/<tenant_id>/contacts")
def contacts(tenant_id: str) -> Response:
    """Show a page of contacts that match a search."""
    organisation = _organisation(tenant_id)
    term = request.args.get("q", "").strip()
    found = sorted(
        (contact for contact in organisation.contacts.values() if _mentions(contact, term)),
        key=lambda contact: folded(contact.name),
    )
    last = max(1, math.ceil(len(found) / ROWS_PER_PAGE))
    number = min(max(1, request.args.get("page", 1, type=int)), last)
    start = (number - 1) * ROWS_PER_PAGE
    return _page(
        "contacts.html",
        organisation=organisation,
        rows=found[start : start + ROWS_PER_PAGE],
        total=len(found),
        first=start + 1,
        number=number,
        last=last,
        term=term,
        groups_of=_groups_of(organisation),
    )


def _mentions(contact: Contact, term: str) -> bool:
    values = (
        contact.name,
        contact.first_name,
        contact.last_name,
        contact.email,
        contact.company_number,
        contact.tax_number,
        contact.contact_id,
        contact.status,
    )
    return any(folded(term) in folded(value) for value in values)


def _groups_of(organisation: Organisation) -> Callable[[Contact], list[str]]:
    def groups_of(contact: Contact) -> list[str]:
        return [
            group.name
            for group in organisation.groups.values()
            if contact.contact_id in group.contact_ids
        ]

    return groups_of


@pages.get("/organisations/<tenant_id>/contacts/<contact_id>")
def contact(tenant_id: str, contact_id: str) -> Response:
    """Show one contact, its files, and what can be done to it."""
    organisation = _organisation(tenant_id)
    found = organisation.contacts.get(contact_id) or abort(HTTPStatus.NOT_FOUND)
    return _page(
        "contact.html",
        organisation=organisation,
        contact=found,
        groups=_groups_of(organisation)(found),
        files=[
            file for file in organisation.files.values() if found.contact_id in file.associated_with
        ],
        phone=next((phone.number for phone in found.phones if phone.kind == "DEFAULT"), ""),
    )


@pages.get("/organisations/<tenant_id>/files")
def file_list(tenant_id: str) -> Response:
    """Show every folder with its files and the contacts that show them."""
    organisation = _organisation(tenant_id)
    inside: dict[str, list[StoredFile]] = {folder_id: [] for folder_id in organisation.folders}
    for file in organisation.files.values():
        inside[file.folder_id].append(file)
    return _page("files.html", organisation=organisation, inside=inside)


@pages.get("/organisations/<tenant_id>/files/<file_id>")
def file_content(tenant_id: str, file_id: str) -> Response:
    """Return a file's bytes, to be saved rather than run in the browser."""
    file = _organisation(tenant_id).files.get(file_id) or abort(HTTPStatus.NOT_FOUND)
    response = Response(current_world().archive.get(file_id), content_type=file.mime_type)
    inline = file.mime_type in ("application/pdf", "image/png", "image/jpeg", "text/plain")
    response.headers.set(
        "Content-Disposition", "inline" if inline else "attachment", filename=file.name
    )
    return response


@pages.get("/calls")
def calls() -> Response:
    """Show the last calls, newest first; as JSON for those who do not ask for HTML."""
    log = current_world().calls
    if _asked_for_json():
        limit = request.args.get("limit", CALLS_SHOWN, type=int)
        last = log.last(limit, path=request.args.get("path", ""))
        return answers.as_json(
            {
                "calls": [_call_json(call) for call in last],
                "statuses": {str(status): count for status, count in log.statuses.items()},
            }
        )
    return _page("calls.html", calls=reversed(log.last(CALLS_SHOWN)))


def _call_json(call: Call) -> dict[str, Any]:
    return asdict(call) | {"at": call.at.isoformat()}


@pages.get("/faults")
def faults() -> Response:
    """Show what waits and what was injected; as JSON for those who do not ask for HTML."""
    if _asked_for_json():
        return answers.as_json(_faults_json(current_world()))
    return _page("faults.html", kinds=KINDS, defaults=Fault("slow"))


def _asked_for_json() -> bool:
    return "text/html" not in request.headers.get("Accept", "")


# Orders


@pages.post("/faults")
def arm_fault() -> Response:
    """Arm a fault: 201 with the fault as JSON, or back to the page."""
    sent = _sent()
    try:
        fault = current_world().faults.arm(**_fault_details(sent))
    except (TypeError, ValueError) as error:
        return _refused(str(error), "simulator.faults")
    if request.is_json:
        return answers.as_json(asdict(fault), HTTPStatus.CREATED)
    return _back("simulator.faults", said=f"Armed: {fault.kind}.")


def _fault_details(sent: dict[str, Any]) -> dict[str, Any]:
    """Return the details of a fault with numbers as numbers; blanks mean the usual."""
    numbers = {"times": int, "skip": int, "seconds": float, "retry_after": int}
    return {
        name: numbers[name](value) if name in numbers else str(value)
        for name, value in sent.items()
        if value not in ("", None)
    }


@pages.delete("/faults")
def clear_faults() -> Response:
    """Forget the faults that wait."""
    current_world().faults.clear()
    return answers.as_json(_faults_json(current_world()))


@pages.post("/faults/clear")
def clear_faults_by_form() -> Response:
    """Forget the faults that wait, from a form."""
    current_world().faults.clear()
    return _back("simulator.faults", said="No fault waits any more.")


@pages.post("/admin")
def admin() -> Response:
    """Do an action of `admin.py`: a sentence as JSON, or back to the page."""
    sent = _sent()
    action = str(sent.pop("action", ""))
    back = sent.pop("back", "")
    try:
        said = perform(current_world(), action, sent)
    except ActionRefused as refusal:
        return _refused(str(refusal), back)
    if request.is_json:
        return answers.as_json({"action": action, "said": said})
    return _back(back, said=said)


def _sent() -> dict[str, Any]:
    if request.is_json:
        sent = request.get_json()
        return dict(sent) if isinstance(sent, dict) else {}
    return request.form.to_dict()


def _refused(reason: str, back: str) -> Response:
    if request.is_json:
        return answers.as_json({"refused": reason}, HTTPStatus.BAD_REQUEST)
    return _back(back, refused=reason)


def _back(back: str, **query: str) -> Response:
    """Go back to the page that the form stood on; *back* is `endpoint tenant_id contact_id`."""
    endpoint, *ids = back.split() or ["simulator.overview"]
    names = ("tenant_id", "contact_id")
    if endpoint not in _PAGES:
        endpoint, ids = "simulator.overview", []
    target = url_for(endpoint, **dict(zip(names, ids, strict=False)), **query)  # type: ignore[arg-type]
    response = redirect(target, HTTPStatus.SEE_OTHER)
    assert isinstance(response, Response)  # noqa: S101 - flask widens the type
    return response


_PAGES = (
    "simulator.overview",
    "simulator.contacts",
    "simulator.contact",
    "simulator.file_list",
    "simulator.calls",
    "simulator.faults",
)


# The state, for tests


@pages.get("/state")
def state() -> Response:
    """Return the whole world except its secrets: no token, code, key or password is in it."""
    world = current_world()
    with world.lock:
        return answers.as_json(_state_json(world))


def _state_json(world: World) -> dict[str, Any]:
    return {
        "now": world.clock.now().isoformat(),
        "app": {
            "name": world.app.name,
            "client_id": world.app.client_id,
            "tier": world.app.tier,
            "redirect_uris": list(world.app.redirect_uris),
            "bulk_connections": world.app.bulk_connections,
        },
        "options": asdict(world.options),
        "limits": asdict(world.limits.rules),
        "refused_by_limits": dict(world.limits.refused),
        "peak_concurrency": world.limits.peaks(),
        "faults": _faults_json(world),
        "actions": sorted(ACTIONS),
        "users": [asdict(user) for user in world.state.users.values()],
        "connections": [
            {
                "id": connection.connection_id,
                "user_id": connection.user_id,
                "tenant_id": connection.tenant_id,
                "auth_event_id": connection.auth_event_id,
                "is_live": connection.is_live,
            }
            for connection in world.state.connections.values()
        ],
        "live_refresh_tokens": sum(
            token.replaced_at is None for token in world.state.refresh_tokens.values()
        ),
        "organisations": [
            _organisation_json(world, organisation)
            for organisation in world.state.organisations.values()
        ],
    }


def _organisation_json(world: World, organisation: Organisation) -> dict[str, Any]:
    counts = dict.fromkeys(organisation.folders, 0)
    for file in organisation.files.values():
        counts[file.folder_id] += 1
    payload: dict[str, Any] = {
        "tenant_id": organisation.tenant_id,
        "name": organisation.name,
        "contact_count": len(organisation.contacts),
        "groups": [asdict(group) for group in organisation.groups.values()],
        "folders": [
            folder_json(folder, counts[folder.folder_id])
            for folder in organisation.folders.values()
        ],
        "files": [_file_state(world, file) for file in organisation.files.values()],
    }
    if request.args.get("contacts") == "true":
        groups = list(organisation.groups.values())
        payload["contacts"] = [
            contact_json(contact, "page", groups) for contact in organisation.contacts.values()
        ]
    return payload


def _file_state(world: World, file: StoredFile) -> dict[str, Any]:
    associations = [association_json(file, held) for held in file.associations]
    user = world.state.users.get(file.user_id)
    return file_json(file, user) | {"Sha256": file.sha256, "Associations": associations}


def _faults_json(world: World) -> dict[str, Any]:
    return {"waiting": world.faults.waiting(), "injected": dict(world.faults.injected)}
