"""Scenes of documents: the list, one document on its way, and adding one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from itertools import cycle
from typing import Any

from dashboard.database import db
from dashboard.gallery import cast
from dashboard.gallery.office import HOUR, MINUTE, SIZE, Filed, Office
from dashboard.gallery.scenes import Outside, Press, Way, Who, scene
from dashboard.gallery.settings import without_files
from dashboard.models import (
    Client,
    ClientDocument,
    DocumentStatus,
    PushStatus,
    ScanStatus,
)
from dashboard.rules.file_naming import BASE_FOLDER, file_name
from dashboard.rules.push_sentences import Cause, PushCause, cause_sentence
from dashboard.rules.retry_policy import MAX_RETRIES
from dashboard.services import push_timeline
from dashboard.services.push_desk import PATIENCE_SECONDS
from dashboard.services.push_troubles import NOT_ON_CONTACT

DOCUMENTS = "/documents"
CLIENT = cast.CLIENTS[0]["name"]
ACCEPTED = push_timeline.accepted("Sam Okafor")
SENT = (
    ACCEPTED,
    push_timeline.sending(file_name(CLIENT, "P60", "2025-26", "pdf"), SIZE, BASE_FOLDER, 0),
)
LINKING = (*SENT, push_timeline.uploaded(BASE_FOLDER), push_timeline.linking(CLIENT))
FILED = (*LINKING, push_timeline.filed(BASE_FOLDER, CLIENT))


def page_of(document: ClientDocument) -> str:
    """Return the page of a document."""
    return f"{DOCUMENTS}/{document.id}"


# -- the list -------------------------------------------------------------------------------------


def every_word(at: Office) -> Client:
    """Connect, with a document for each word of the list; return the linked client."""
    client = at.linked_client()
    stranger = at.add(Client(practice_id=at.id, name="Larkspur Studio", email=None))
    at.received(client, "Mileage log", created_at=at.now - MINUTE)
    at.document(client, "Letter", status=DocumentStatus.REJECTED)
    at.file(client, "Accounts")
    at.file(client, "Receipt", status=PushStatus.UPLOADING)
    at.file(client, "Insurance", status=PushStatus.UPLOADED)
    at.file(client, "Payslip", status=PushStatus.FAILED, cause="xero_down", retry_count=1)
    retried = at.file(client, "Bank statement", status=PushStatus.FAILED, cause="xero_down")
    retried.push.retry_count, retried.push.not_before = 1, at.now + 4 * MINUTE
    at.file(
        client, "P60", status=PushStatus.FAILED, cause="too_large", document={"size": 31_000_000}
    )
    at.file(client, "P45", status=PushStatus.UPLOADED, cause="contact_archived")
    at.file(stranger, "Invoice")
    at.file(client, "VAT return", status=PushStatus.ASSOCIATED)
    at.tell_of_pushes()
    return client


@scene("Documents", "no documents")
def none(at: Office) -> Way:
    at.connect()
    return DOCUMENTS


@scene("Documents", "before connecting")
def unconnected(at: Office) -> Way:
    [client] = at.clients(1)
    at.document(client)
    at.received(client, "Receipt")
    return DOCUMENTS


@scene("Documents", "one in each state", stands_for_screen=True)
def every_state(at: Office) -> Way:
    every_word(at)
    return DOCUMENTS


@scene("Documents", "needing attention")
def attention(at: Office) -> Way:
    every_word(at)
    return f"{DOCUMENTS}?tab=attention"


@scene("Documents", "every cause of trouble")
def every_cause(at: Office) -> Way:
    client = at.linked_client()
    kinds = ("P60", "Accounts", "Receipt", "Bank statement", "VAT return", "Payslip")
    for kind, cause in zip(cycle(kinds), PushCause, strict=False):
        at.file(client, kind, status=PushStatus.FAILED, cause=cause)
    at.tell_of_pushes()
    return f"{DOCUMENTS}?tab=attention"


@scene("Documents", "on their way")
def way(at: Office) -> Way:
    every_word(at)
    return f"{DOCUMENTS}?tab=way"


@scene("Documents", "nothing needs attention")
def no_attention(at: Office) -> Way:
    at.file(at.linked_client(), status=PushStatus.ASSOCIATED)
    return f"{DOCUMENTS}?tab=attention"


@scene("Documents", "nothing in a tab")
def empty_tab(at: Office) -> Way:
    at.file(at.linked_client(), status=PushStatus.ASSOCIATED)
    return f"{DOCUMENTS}?tab=on_hold"


@scene("Documents", "nothing found")
def nothing_found(at: Office) -> Way:
    every_word(at)
    return f"{DOCUMENTS}?q=nothing+of+this+name"


@scene("Documents", "accepted before connecting")
def offered(at: Office) -> Way:
    client = at.linked_client()
    for kind in ("P60", "Accounts"):
        at.document(client, kind)
    return DOCUMENTS


@scene("Documents", "reconnect needed")
def expired(at: Office) -> Way:
    every_word(at)
    at.truth.access_lost(at.connection.id, at.connection.token_version)
    return DOCUMENTS


@scene("Documents", "waiting for Xero")
def waiting(at: Office) -> Way:
    client = at.linked_client()
    for kind in ("P60", "Accounts", "Receipt"):
        at.file(client, kind)
    at.truth.must_wait(at.connection.id, (25 * MINUTE).total_seconds(), "minute")
    return DOCUMENTS


@scene("Documents", "sending is off")
def sending_off(at: Office) -> Way:
    every_word(at)
    at.connection.push_documents_to_xero = False
    return DOCUMENTS


def downs(at: Office) -> None:
    """File three documents for which Xero was down, one of a client without a contact."""
    client = at.linked_client()
    stranger = at.add(Client(practice_id=at.id, name="Larkspur Studio", email=None))
    for whose, kind in ((client, "P60"), (client, "Accounts"), (stranger, "Receipt")):
        at.file(whose, kind, status=PushStatus.FAILED, cause=PushCause.XERO_DOWN, retry_count=3)
    at.tell_of_pushes()


@scene("Documents", "retry started for some")
def retried(at: Office) -> Way:
    downs(at)
    return Press(f"{DOCUMENTS}/retry", {"cause": PushCause.XERO_DOWN}, "Retry the documents")


@scene("Retry documents", "asked", stands_for_screen=True)
def retry_asked(at: Office) -> Way:
    downs(at)
    return f"{DOCUMENTS}/retry?cause={PushCause.XERO_DOWN}"


@scene("Retry documents", "nothing left")
def retry_nothing(at: Office) -> Way:
    at.file(at.linked_client(), status=PushStatus.ASSOCIATED)
    return f"{DOCUMENTS}/retry?cause={PushCause.XERO_DOWN}"


@scene("Documents", "polls not answered", outside=Outside.SILENT)
def silent(at: Office) -> Way:
    every_word(at)
    return DOCUMENTS


# -- one document ---------------------------------------------------------------------------------


def one(state: str, **more: Any) -> Callable[[Callable[[Office, Client], Filed]], Any]:
    """Put a document of the linked client on the list of scenes."""

    def listed(make: Callable[[Office, Client], Filed]) -> Any:
        def made(at: Office) -> Way:
            filed = make(at, at.linked_client())
            at.tell_of_pushes()
            return page_of(filed.document)

        return scene("Document", state, **more)(made)

    return listed


@scene("Document", "received")
def received(at: Office) -> Way:
    return page_of(at.received(at.linked_client()))


@scene("Document", "rejected")
def rejected(at: Office) -> Way:
    return page_of(at.document(at.linked_client(), status=DocumentStatus.REJECTED))


@scene("Document", "accepted before connecting")
def offered_one(at: Office) -> Way:
    return page_of(at.document(at.linked_client()))


@scene("Document", "not connected")
def unconnected_one(at: Office) -> Way:
    [client] = at.clients(1)
    return page_of(at.document(client))


@one("waiting")
def waits(at: Office, client: Client) -> Filed:
    for kind in ("Accounts", "Receipt", "Payslip"):
        at.file(client, kind, document={"decided_at": at.now - HOUR}, created_at=at.now - HOUR)
    return at.file(client, lines=(ACCEPTED,))


@one("waiting for the virus check")
def unscanned(at: Office, client: Client) -> Filed:
    return at.file(client, lines=(ACCEPTED,), document={"scan_status": ScanStatus.PENDING})


@one("virus check cannot be made")
def scanner_down(at: Office, client: Client) -> Filed:
    return at.file(
        client,
        cause=PushCause.SCAN_MISSING,
        not_before=at.now + timedelta(seconds=PATIENCE_SECONDS),
        lines=(ACCEPTED, push_timeline.scanner_down(PATIENCE_SECONDS)),
        document={"scan_status": ScanStatus.PENDING},
    )


@one("waiting for Xero")
def slowed_down(at: Office, client: Client) -> Filed:
    at.truth.must_wait(at.connection.id, (25 * MINUTE).total_seconds(), "minute")
    return at.file(client, lines=(ACCEPTED,))


@one("uploading")
def uploading(at: Office, client: Client) -> Filed:
    return at.file(client, status=PushStatus.UPLOADING, lines=SENT)


@one("linking to the contact")
def linking(at: Office, client: Client) -> Filed:
    return at.file(client, status=PushStatus.UPLOADED, lines=LINKING)


@one("filed", stands_for_screen=True)
def filed(at: Office, client: Client) -> Filed:
    return at.file(client, status=PushStatus.ASSOCIATED, lines=FILED)


@one("looking whether it arrived")
def looking(at: Office, client: Client) -> Filed:
    return at.file(
        client,
        lines=(*SENT, push_timeline.no_answer(30)),
        cause=PushCause.NO_ANSWER,
        looks=1,
        not_before=at.now + MINUTE / 2,
        outcome_unknown=True,
    )


@one("trying again")
def trying_again(at: Office, client: Client) -> Filed:
    return at.file(
        client,
        status=PushStatus.FAILED,
        cause=PushCause.XERO_DOWN,
        retry_count=1,
        not_before=at.now + 4 * MINUTE,
        last_http_status=503,
        lines=(*SENT, push_timeline.server_error(0, 5 * MINUTE.total_seconds(), {})),
    )


@one("on hold")
def on_hold(at: Office, client: Client) -> Filed:
    at.truth.access_lost(at.connection.id, at.connection.token_version)
    return at.file(client, lines=(ACCEPTED,))


@one("on hold, for staff", who=Who.STAFF)
def on_hold_for_staff(at: Office, client: Client) -> Filed:
    at.truth.access_lost(at.connection.id, at.connection.token_version)
    return at.file(client, lines=(ACCEPTED,))


@scene("Document", "on hold for a permission")
def not_allowed(at: Office) -> Way:
    without_files(at)
    waiting_one = db.session.query(ClientDocument).filter_by(
        practice_id=at.id, document_type="Receipt"
    )
    return page_of(waiting_one.one())


@one("sending is off")
def off(at: Office, client: Client) -> Filed:
    at.connection.push_documents_to_xero = False
    return at.file(client, lines=(ACCEPTED,))


@one("in Xero, not on the contact")
def not_on_contact(at: Office, client: Client) -> Filed:
    failed = push_timeline.failed(NOT_ON_CONTACT, 0, {})
    lines = (*LINKING, failed)
    return at.file(client, status=PushStatus.UPLOADED, cause=PushCause.REFUSED, lines=lines)


@scene("Document", "no Xero contact")
def no_contact(at: Office) -> Way:
    at.connect()
    [client] = at.clients(1)
    return page_of(at.file(client, lines=(ACCEPTED,)).document)


@scene("Document", "polls not answered", outside=Outside.SILENT)
def silent_one(at: Office) -> Way:
    return page_of(at.file(at.linked_client(), lines=(ACCEPTED,)).document)


def refused(cause: PushCause, **more: Any) -> None:
    """Put a document that needs attention for *cause* on the list of scenes."""

    @one(f"needs attention: {cause.replace('_', ' ')}")
    def attention_for(at: Office, client: Client) -> Filed:
        is_filed = cause is PushCause.UNLINKED_IN_XERO
        retries = MAX_RETRIES if cause is PushCause.XERO_DOWN else 0
        made = at.file(
            client,
            status=PushStatus.UPLOADED if is_filed else PushStatus.FAILED,
            cause=cause,
            retry_count=retries,
            technical_details={"http_status": 400, "xero_said": SAID, "reference": "6f0c"},
            document=DOCUMENT_OF.get(cause),
        )
        size, extension = made.document.size, made.document.extension
        facts = Cause(
            cause, client_name=client.name, size=size, extension=extension, xero_said=SAID
        )
        before = [ACCEPTED]
        if is_filed:
            before = list(FILED)
        elif cause is not PushCause.INFECTED:
            name = file_name(client.name, "P60", "2025-26", extension)
            before.append(push_timeline.sending(name, size, BASE_FOLDER, retries))
        at.tell(made, *before, push_timeline.failed(cause_sentence(facts).text, retries, {}))
        return made


SAID = "The file is not valid"
DOCUMENT_OF: dict[PushCause, dict[str, Any]] = {
    PushCause.TOO_LARGE: {"size": 31_000_000},
    PushCause.TYPE_NOT_ACCEPTED: {"file_name": "letter.msg", "extension": "msg"},
    PushCause.INFECTED: {"scan_status": ScanStatus.INFECTED},
}
# The causes of which a page of their own tells; the others stand in the list.
for each in (
    PushCause.TOO_LARGE,
    PushCause.TYPE_NOT_ACCEPTED,
    PushCause.INFECTED,
    PushCause.FOLDER_GONE,
    PushCause.CONTACT_ARCHIVED,
    PushCause.PERMISSION,
    PushCause.XERO_DOWN,
    PushCause.REFUSED,
    PushCause.UNLINKED_IN_XERO,
):
    refused(each)


# -- adding one -----------------------------------------------------------------------------------


@scene("Add a document", "choose a client", stands_for_screen=True)
def choose_client(at: Office) -> Way:
    at.clients()
    return f"{DOCUMENTS}/new"


@scene("Add a document", "no clients yet")
def no_clients(at: Office) -> Way:
    return f"{DOCUMENTS}/new"


@scene("Add a document", "no client found")
def client_not_found(at: Office) -> Way:
    at.clients()
    return f"{DOCUMENTS}/new?q=nobody+of+this+name"


@scene("Add a document", "for a client", stands_for_screen=True)
def add(at: Office) -> Way:
    [client] = at.clients(1)
    return f"{DOCUMENTS}/new?client_id={client.id}"


@scene("Add a document", "without a file", status=422)
def add_without_file(at: Office) -> Way:
    [client] = at.clients(1)
    fields = {"client_id": str(client.id), "document_type": "P60", "tax_year": "2025-26"}
    return Press(DOCUMENTS, fields, "Add document")
