"""The file's way into Xero Files: look if in doubt, find folder and name, send, keep the id.

https://developer.xero.com/documentation/api/files/files
"""

from __future__ import annotations

from datetime import timedelta
from itertools import count

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from dashboard.models import PushStatus, XeroFilePush
from dashboard.rules import file_naming
from dashboard.rules.push_sentences import PushCause
from dashboard.rules.retry_policy import MAX_RETRIES
from dashboard.services import push_timeline
from dashboard.services.push_claims import LEASE, LeaseLost, Push
from dashboard.services.push_desk import PushDesk
from dashboard.services.push_folders import INBOX, Place
from dashboard.services.push_results import Ending
from dashboard.services.push_search import find_file
from dashboard.services.push_troubles import Effect, is_key_mismatch
from dashboard.services.refusals import Refusal
from dashboard.storage import DocumentLost, StoreUnavailable
from dashboard.xero import StoredFile, XeroError, XeroNotFound, XeroRejected

# Names that begin alike are few; a long name's end may give way to its suffix.
COMMON_BEGINNING = 60


class PushSending:
    """Brings the bytes into Xero exactly once."""

    def __init__(self, desk: PushDesk) -> None:
        self._desk = desk
        self._folders_lost = 0

    def run(self, push: Push) -> Push | Ending:
        """Take the next step of a push whose file is not known to be in Xero."""
        if push.outcome_unknown:
            return self._look(push)
        if push.folder_name is None or push.file_name is None:
            return self._find_place(push)
        return self._send(push)

    def _look(self, push: Push) -> Push | Ending:
        try:
            with self._desk.calling(push) as xero:
                found = find_file(self._desk.session, xero, push)
        except (XeroError, Refusal) as problem:
            return self._desk.after(push, problem, Effect.NONE)
        if found is not None:
            return self._has_file(push, found, push_timeline.found_in_xero(push.folder_name or ""))
        doubtful_for = self._doubtful_for(push)
        if doubtful_for > 0:
            line = push_timeline.not_found_yet(doubtful_for)
            return self._desk.wait(push, line, doubtful_for, PushCause.NO_ANSWER)
        line = push_timeline.not_found()
        return self._desk.write(push, line, outcome_unknown=False)

    def _doubtful_for(self, push: Push) -> float:
        """Return for how many more seconds Xero may not list a file that it has."""
        moment = self._desk.last_moment_of_doubt(push)
        if moment is None:
            return 0.0
        listed_by = moment + timedelta(seconds=self._desk.reconcile_lag)
        return (listed_by - self._desk.clock()).total_seconds()

    def _find_place(self, push: Push) -> Push | Ending:
        tax_year = push.tax_year if push.year_folders else ""
        place = INBOX if self._folders_lost > 1 else None
        place = place or self._desk.folders.remembered(tax_year, push.chosen_folder_id)
        if place is None:
            try:
                with self._desk.calling(push) as xero:
                    place = self._desk.folders.find_or_make(
                        xero, push.practice_id, tax_year, push.chosen_folder_id
                    )
            except (XeroError, Refusal) as problem:
                return self._desk.after(push, problem, Effect.NONE)
        return self._reserve(push, place)

    def _reserve(self, push: Push, place: Place) -> Push:
        """Take the first free name in the folder; the unique index has the last word."""
        wanted = file_naming.file_name(
            push.client_name, push.document_type, push.tax_year, push.extension
        )
        taken = self._taken_names(push, place, wanted)
        lines = (push_timeline.folder_made(place.name),) if place.is_new else ()
        for number in count(1):
            name = file_naming.with_suffix(wanted, number)
            if name in taken:
                continue
            try:
                return self._desk.write(
                    push,
                    *lines,
                    folder_name=place.name,
                    xero_folder_id=place.folder_id,
                    file_name=name,
                )
            except IntegrityError:
                # Taken a moment ago, while the practice's lease was ours no more or in doubt.
                continue
        raise AssertionError("There is always a next number.")

    def _taken_names(self, push: Push, place: Place, wanted: str) -> set[str]:
        beginning = wanted.rpartition(".")[0][:COMMON_BEGINNING]
        taken = self._desk.session.scalars(
            select(XeroFilePush.file_name).where(
                XeroFilePush.xero_connection_id == push.connection_id,
                XeroFilePush.folder_name == place.name,
                XeroFilePush.file_name.startswith(beginning, autoescape=True),
                XeroFilePush.id != push.id,
            )
        ).all()
        self._desk.session.commit()
        return {name for name in taken if name is not None}

    def _send(self, push: Push) -> Push | Ending:
        marked = False
        try:
            with self._desk.bytes_of(push) as content, self._desk.calling(push) as xero:
                ours_until = self._desk.clock() + LEASE
                # From this commit on, a crash on any line means that Xero may have the file.
                begun = self._mark_sending(push)
                marked = True
                if self._desk.clock() >= ours_until:
                    # This machine slept: by now another worker may be sending the same document.
                    raise LeaseLost
                stored = xero.files.upload(
                    begun.xero_folder_id,
                    begun.file_name or "",
                    begun.mime_type,
                    content,
                    begun.size,
                    begun.upload_key,
                )
                line = push_timeline.uploaded(begun.folder_name or "")
                sent = self._has_file(begun, stored, line)
        except (DocumentLost, StoreUnavailable) as problem:
            return self._desk.no_bytes(push, problem)
        except (XeroError, Refusal) as problem:
            if not marked:
                # The token could not be refreshed, or the like: the upload itself never left.
                return self._desk.after(push, problem, Effect.NONE)
            return self._after_sending(push, problem)
        return sent

    def _mark_sending(self, push: Push) -> Push:
        return self._desk.write(
            push,
            push_timeline.sending(
                push.file_name or "", push.size, push.folder_name or "", push.retry_count
            ),
            outcome_unknown=True,
            first_attempt_at=push.first_attempt_at or self._desk.clock(),
            cause=None,
            error=None,
        )

    def _has_file(self, push: Push, file: StoredFile, line: push_timeline.Line) -> Push:
        return self._desk.write(
            push,
            line,
            document={"xero_file_id": file.file_id},
            status=PushStatus.UPLOADED,
            xero_file_id=file.file_id,
            xero_folder_id=file.folder_id or push.xero_folder_id,
            moved_to_folder=None,
            outcome_unknown=False,
            looks=0,
            cause=None,
            error=None,
            technical_details=None,
            last_http_status=None,
        )

    def _after_sending(self, push: Push, problem: Exception) -> Push | Ending:
        if not isinstance(problem, XeroRejected | XeroNotFound):
            return self._desk.after(push, problem, Effect.UPLOAD)
        if is_key_mismatch(problem):
            return self._key_mismatch(push)
        # An answered refusal: nothing was stored, but Xero keeps it under this key.
        known = self._desk.write(
            push,
            outcome_unknown=False,
            upload_key_number=push.upload_key_number + 1,
        )
        if known.xero_folder_id is None:
            return self._desk.fail(known, PushCause.REFUSED, problem)
        return self._refused_in_folder(known, known.xero_folder_id, problem)

    def _refused_in_folder(
        self, push: Push, folder_id: str, refusal: XeroRejected | XeroNotFound
    ) -> Push | Ending:
        try:
            with self._desk.calling(push) as xero:
                is_gone = self._desk.folders.is_gone(xero, folder_id)
        except (XeroError, Refusal) as problem:
            return self._desk.after(push, problem, Effect.NONE)
        if not is_gone:
            return self._desk.fail(push, PushCause.REFUSED, refusal)
        self._folders_lost += 1
        line = push_timeline.folder_gone(push.folder_name or "")
        return self._desk.write(push, line, folder_name=None, xero_folder_id=None, file_name=None)

    def _key_mismatch(self, push: Push) -> Ending:
        """Look before sending with the next key: Xero knows a request of ours under this one."""
        if push.looks >= MAX_RETRIES:
            return self._desk.fail(push, PushCause.REFUSED, outcome_unknown=True, looks=0)
        return self._desk.wait(
            push,
            push_timeline.key_mismatch(),
            self._desk.reconcile_lag,
            PushCause.NO_ANSWER,
            outcome_unknown=True,
            upload_key_number=push.upload_key_number + 1,
            looks=push.looks + 1,
        )
