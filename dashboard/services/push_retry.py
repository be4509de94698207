"""Retry: pushes that wait for a person are put back in line, at the step that did not work."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, and_, case, insert, literal, or_, update

from dashboard.database import AnySession
from dashboard.models import PushEvent, PushStatus, XeroFilePush
from dashboard.rules.retry_policy import MAX_RETRIES
from dashboard.services.push_timeline import Line


def waits_for_a_person() -> ColumnElement[bool]:
    """Return the condition of a push that nothing but a person moves on."""
    return or_(
        and_(
            XeroFilePush.status == PushStatus.FAILED,
            or_(XeroFilePush.not_before.is_(None), XeroFilePush.retry_count >= MAX_RETRIES),
        ),
        # "Uploaded" with a cause reads "In Xero, not on contact".
        and_(XeroFilePush.status == PushStatus.UPLOADED, XeroFilePush.cause.is_not(None)),
    )


def make_due(
    session: AnySession,
    practice_id: UUID,
    chosen: ColumnElement[bool],
    line: Line,
    now: datetime,
) -> int:
    """Put the chosen pushes back in line in the caller's transaction; return how many.

    Left as they are: those that a worker has, and those that are filed. Key and doubt stay, so that
    a look in Xero comes before any second upload. Without doubt the place is chosen anew: an admin
    may have chosen another folder as the fix.
    """
    keeps_place = XeroFilePush.outcome_unknown.is_(True) | XeroFilePush.xero_file_id.is_not(None)
    gave_up = XeroFilePush.status.in_([PushStatus.FAILED, PushStatus.UPLOADED])
    push_ids = session.scalars(
        update(XeroFilePush)
        .where(
            chosen,
            XeroFilePush.status.in_([PushStatus.PENDING, PushStatus.UPLOADED, PushStatus.FAILED]),
            XeroFilePush.lease_owner.is_(None),
        )
        .values(
            status=case(
                (XeroFilePush.xero_file_id.is_(None), _status(PushStatus.PENDING)),
                else_=_status(PushStatus.UPLOADED),
            ),
            retry_count=case((gave_up, 0), else_=XeroFilePush.retry_count),
            folder_name=case((keeps_place, XeroFilePush.folder_name), else_=None),
            xero_folder_id=case((keeps_place, XeroFilePush.xero_folder_id), else_=None),
            file_name=case((keeps_place, XeroFilePush.file_name), else_=None),
            # Another place makes another request, which Xero refuses under the old key.
            upload_key_number=XeroFilePush.upload_key_number + case((keeps_place, 0), else_=1),
            looks=0,
            deaths=0,
            not_before=None,
            cause=None,
            error=None,
            updated_at=now,
        )
        .returning(XeroFilePush.id)
        .execution_options(synchronize_session=False)
    ).all()
    if push_ids:
        told = {"practice_id": practice_id, "at": now, "kind": line.kind, "sentence": line.sentence}
        session.execute(insert(PushEvent), [{"push_id": each, **told} for each in push_ids])
    return len(push_ids)


def _status(status: PushStatus) -> ColumnElement[PushStatus]:
    return literal(status, XeroFilePush.status.type)
