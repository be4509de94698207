"""Scenes of clients: the list, one client, its link to a contact, and contacts that are twice."""

from __future__ import annotations

from dashboard.gallery import cast
from dashboard.gallery.office import MINUTE, Office
from dashboard.gallery.scenes import Press, Way, scene
from dashboard.models import Client, PushStatus, Tag, TagSource

CLIENTS = "/clients"


def page_of(client: Client, part: str = "") -> str:
    """Return a page of a client."""
    return f"{CLIENTS}/{client.id}{part}"


def some(at: Office) -> list[Client]:
    """Connect, with clients of which two are linked, one to an archived contact; return them."""
    at.connect()
    at.mirror()
    clients = at.clients()
    at.link(clients[0], 1, linked_by_id=at.staff.id)
    at.link(clients[1], 11)
    vat = {"name": cast.VAT.name, "source": TagSource.XERO, "xero_group_id": cast.VAT.id}
    for tag in (vat, {"name": "Priority", "source": TagSource.OWN}):
        clients[0].tags.append(at.add(Tag(practice_id=at.id, **tag)))
    at.file(clients[0], status=PushStatus.ASSOCIATED)
    at.file(clients[0], "Accounts", status=PushStatus.FAILED, cause="refused")
    at.tell_of_pushes()
    at.compare()
    return clients


@scene("Clients", "none")
def none(at: Office) -> Way:
    return CLIENTS


@scene("Clients", "listed", stands_for_screen=True)
def listed(at: Office) -> Way:
    some(at)
    return CLIENTS


@scene("Clients", "not connected")
def unconnected(at: Office) -> Way:
    at.clients()
    return CLIENTS


@scene("Clients", "nothing found")
def nothing_found(at: Office) -> Way:
    at.clients()
    return f"{CLIENTS}?q=nobody+of+this+name"


@scene("Clients", "not linked ones")
def unlinked(at: Office) -> Way:
    some(at)
    return f"{CLIENTS}?xero=unlinked"


@scene("Add a client", "empty form", stands_for_screen=True)
def add(at: Office) -> Way:
    return f"{CLIENTS}/new"


@scene("Add a client", "with mistakes", status=422)
def add_wrongly(at: Office) -> Way:
    return Press(CLIENTS, {"name": "", "email": "not an address"}, "Add client")


@scene("Client", "linked", stands_for_screen=True)
def linked(at: Office) -> Way:
    return page_of(some(at)[0])


@scene("Client", "differs from its contact")
def differs(at: Office) -> Way:
    client = some(at)[0]
    client.phone, client.email = "0117 496 0199", None
    return page_of(client)


@scene("Client", "contact archived")
def archived(at: Office) -> Way:
    return page_of(some(at)[1])


@scene("Client", "not linked")
def not_linked(at: Office) -> Way:
    return page_of(some(at)[2])


@scene("Client", "of a very long name")
def long_name(at: Office) -> Way:
    return page_of(next(each for each in some(at) if each.name == cast.LONGEST))


@scene("Client", "contact merged")
def merged(at: Office) -> Way:
    clients = some(at)
    at.contact(11).merged_to_contact_id = cast.contact_id(1)
    return page_of(clients[1])


@scene("Client", "contact erased")
def erased(at: Office) -> Way:
    clients = some(at)
    at.contact(11).contact_status = "GDPRREQUEST"
    return page_of(clients[1])


@scene("Client", "not connected")
def one_unconnected(at: Office) -> Way:
    [client] = at.clients(1)
    return page_of(client)


@scene("Client", "edited", stands_for_screen=True)
def edit(at: Office) -> Way:
    return page_of(some(at)[0], "/edit")


@scene("Client", "edited with mistakes", status=422)
def edit_wrongly(at: Office) -> Way:
    return Press(page_of(some(at)[0], "/edit"), {"name": "", "email": "not one"}, "Save")


@scene("Client", "unlinking asked", stands_for_screen=True)
def unlink(at: Office) -> Way:
    return page_of(some(at)[0], "/unlink")


@scene("Link a client", "contacts to choose from", stands_for_screen=True)
def link(at: Office) -> Way:
    return page_of(some(at)[2], "/link?q=")


@scene("Link a client", "nothing found")
def link_nothing(at: Office) -> Way:
    return page_of(some(at)[2], "/link?q=nobody+of+this+name")


@scene("Link a client", "not connected")
def link_unconnected(at: Office) -> Way:
    [client] = at.clients(1)
    return page_of(client, "/link")


@scene("Name of a tag", "from Xero", stands_for_screen=True)
def tag_name(at: Office) -> Way:
    some(at)
    return f"{CLIENTS}/tag-name?tag={cast.VAT.name}"


@scene("Name of a tag", "with a mistake", status=422)
def tag_name_wrongly(at: Office) -> Way:
    some(at)
    wrong = {"group": cast.VAT.id, "tag": cast.VAT.name, "name": "Priority"}
    return Press(f"{CLIENTS}/tag-name", wrong, "Rename")


@scene("In Xero twice", "pairs", stands_for_screen=True)
def twins(at: Office) -> Way:
    some(at)
    return f"{CLIENTS}/in-xero-twice"


@scene("In Xero twice", "none")
def no_twins(at: Office) -> Way:
    at.connect(matched_at=at.now - MINUTE)
    return f"{CLIENTS}/in-xero-twice"
