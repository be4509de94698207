"""Looking in Xero for a file whose upload got no answer, before anything is sent again.

Xero lists files by age and not by folder, and gives no hash. A file is ours when folder, name and
size agree and no other push has it; if that leaves doubt, its content decides.
https://developer.xero.com/documentation/api/files/files
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import count
from uuid import UUID

from sqlalchemy import select

from dashboard.database import AnySession
from dashboard.models import XeroFilePush
from dashboard.services.push_claims import Push
from dashboard.xero import StoredFile, XeroClient, XeroNotFound

# Xero's clock and ours may differ by this much.
CLOCK_SKEW = timedelta(minutes=5)


def find_file(session: AnySession, xero: XeroClient, push: Push) -> StoredFile | None:
    """Return the file that an earlier sending of *push* left in Xero, or None.

    Costs one call as a rule: a page of the newest hundred files. Ends *session*'s transaction.
    """
    since = push.first_attempt_at - CLOCK_SKEW if push.first_attempt_at else None
    alike = [file for file in newest_files(xero, since) if _is_alike(file, push)]
    taken = _taken(session, push.connection_id, [file.file_id for file in alike])
    free = [file for file in alike if file.file_id not in taken]
    here = [file for file in free if file.folder_id == push.xero_folder_id]
    if len(here) == 1:
        return here[0]
    # Somebody may have moved it, or Xero did not say where it lies: then its bytes are the proof.
    return next((file for file in here or free if _has_content(xero, file, push)), None)


def newest_files(xero: XeroClient, since: datetime | None) -> Iterator[StoredFile]:
    """Yield the organisation's files, the newest first, back to *since*; a call a hundred."""
    for number in count(1):
        page = xero.files.files_page(number)
        for file in page.items:
            if since is not None and file.created_at is not None and file.created_at < since:
                return
            yield file
        if len(page.items) < page.per_page or number * page.per_page >= page.total_count:
            return


def _is_alike(file: StoredFile, push: Push) -> bool:
    return file.name == push.file_name and file.size in (push.size, None)


def _taken(session: AnySession, connection_id: UUID, file_ids: list[str]) -> set[str]:
    if not file_ids:
        return set()
    taken = session.scalars(
        select(XeroFilePush.xero_file_id).where(
            XeroFilePush.xero_connection_id == connection_id,
            XeroFilePush.xero_file_id.in_(file_ids),
        )
    ).all()
    session.commit()
    return {file_id for file_id in taken if file_id is not None}


def _has_content(xero: XeroClient, file: StoredFile, push: Push) -> bool:
    try:
        content = xero.files.content(file.file_id)
    except XeroNotFound:
        return False
    return hashlib.sha256(content).hexdigest() == push.content_sha256
