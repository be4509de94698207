"""The file's way onto its contact. "Uploaded" is not success; this is.

https://developer.xero.com/documentation/api/files/associations
"""

from __future__ import annotations

from dashboard.models import PushStatus
from dashboard.rules.push_sentences import PushCause
from dashboard.rules.retry_policy import MAX_RETRIES
from dashboard.services import push_timeline
from dashboard.services.push_claims import Push
from dashboard.services.push_desk import PushDesk
from dashboard.services.push_results import Ending
from dashboard.services.push_troubles import Effect, is_key_mismatch
from dashboard.services.refusals import Refusal
from dashboard.xero import XeroClient, XeroError, XeroNotFound, XeroRejected, XeroUnavailable

# One file and one contact never need more; whatever asks for more is not mended by another.
MOST_KEYS = 8


class PushLinking:
    """Puts a file that is in Xero on the client's contact."""

    def __init__(self, desk: PushDesk) -> None:
        self._desk = desk

    def run(self, push: Push) -> Push | Ending:
        """Take the next step of a push whose file is in Xero."""
        file_id, contact_id = push.xero_file_id or "", push.contact_id or ""
        marked = False
        try:
            with self._desk.calling(push) as xero:
                if _tried_before(push) and is_on_contact(xero, file_id, contact_id):
                    return self._filed(push, contact_id)
                begun = self._mark_linking(push, contact_id)
                marked = True
                put_on_contact(xero, file_id, contact_id, begun.association_key)
                return self._filed(begun, contact_id)
        except (XeroError, Refusal) as problem:
            return self._after_linking(push, problem, marked=marked)

    def _mark_linking(self, push: Push, contact_id: str) -> Push:
        # Another contact makes another request, which Xero refuses under the old key.
        moved = push.association_object_id not in (None, contact_id)
        return self._desk.write(
            push,
            push_timeline.linking(push.contact_label),
            outcome_unknown=True,
            xero_association_object_id=contact_id,
            association_key_number=push.association_key_number + int(moved),
        )

    def _filed(self, push: Push, contact_id: str) -> Ending:
        now = self._desk.clock()
        return self._desk.finish(
            push,
            push_timeline.filed(push.folder_name or "", push.contact_label),
            document={"xero_file_id": push.xero_file_id, "xero_pushed_at": now},
            status=PushStatus.ASSOCIATED,
            xero_association_object_id=contact_id,
            outcome_unknown=False,
            looks=0,
            cause=None,
            error=None,
            technical_details=None,
            not_before=None,
            pushed_at=now,
        )

    def _after_linking(self, push: Push, problem: Exception, *, marked: bool) -> Push | Ending:
        if isinstance(problem, XeroNotFound):
            return self._file_or_contact_gone(push, problem)
        if isinstance(problem, XeroRejected):
            return self._linking_refused(push, problem)
        effect = Effect.ASSOCIATION if marked else Effect.NONE
        return self._desk.after(push, problem, effect)

    def _linking_refused(self, push: Push, refusal: XeroRejected) -> Push | Ending:
        """Being there already may be refused too, and is what we wanted."""
        contact_id = push.contact_id or ""
        if is_key_mismatch(refusal) and push.association_key_number < MOST_KEYS:
            next_key = push.association_key_number + 1
            return self._desk.write(push, association_key_number=next_key)
        try:
            with self._desk.calling(push) as xero:
                if is_on_contact(xero, push.xero_file_id or "", contact_id):
                    return self._filed(push, contact_id)
        except (XeroError, Refusal) as problem:
            return self._desk.after(push, problem, Effect.ASSOCIATION)
        return self._desk.fail(
            push,
            PushCause.REFUSED,
            refusal,
            outcome_unknown=False,
            association_key_number=push.association_key_number + 1,
        )

    def _file_or_contact_gone(self, push: Push, refusal: XeroNotFound) -> Push | Ending:
        try:
            with self._desk.calling(push) as xero:
                xero.files.file(push.xero_file_id or "")
        except XeroNotFound:
            return self._file_gone(push)
        except (XeroError, Refusal) as problem:
            return self._desk.after(push, problem, Effect.ASSOCIATION)
        return self._desk.fail(
            push,
            PushCause.CONTACT_GONE,
            refusal,
            outcome_unknown=False,
            association_key_number=push.association_key_number + 1,
        )

    def _file_gone(self, push: Push) -> Push | Ending:
        forgotten = self._desk.write(
            push,
            push_timeline.file_gone(),
            document={"xero_file_id": None},
            status=PushStatus.UPLOADING,
            retry_count=min(push.retry_count + 1, MAX_RETRIES),
            xero_file_id=None,
            outcome_unknown=False,
            upload_key_number=push.upload_key_number + 1,
            association_key_number=push.association_key_number + 1,
            first_attempt_at=None,
        )
        if push.retry_count >= MAX_RETRIES:
            return self._desk.fail(forgotten, PushCause.REFUSED)
        return forgotten


def is_on_contact(xero: XeroClient, file_id: str, contact_id: str) -> bool:
    """Return whether Xero shows the file at this contact."""
    shown_at = (association.object_id for association in xero.files.associations(file_id))
    return contact_id.lower() in (object_id.lower() for object_id in shown_at if object_id)


def put_on_contact(xero: XeroClient, file_id: str, contact_id: str, key: str) -> None:
    """Show the file at the contact, and make sure that Xero says so."""
    made = xero.files.associate(file_id, contact_id, key)
    if (made.object_id or "").lower() == contact_id.lower():
        return
    if not is_on_contact(xero, file_id, contact_id):
        raise XeroUnavailable("Xero did not show the file on its contact.")


def _tried_before(push: Push) -> bool:
    return push.outcome_unknown or push.retry_count > 0 or push.association_key_number > 1
