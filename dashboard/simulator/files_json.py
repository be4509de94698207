"""Records of Xero Files as it writes them: Pascal case, ISO dates with seven digits, no zone."""

from __future__ import annotations

from typing import Any

from dashboard.simulator.records import Association, Folder, StoredFile, User
from dashboard.simulator.wire_dates import iso_seven_digits

OBJECT_GROUPS = (
    "Account",
    "BankTransaction",
    "Contact",
    "CreditNote",
    "Invoice",
    "Item",
    "ManualJournal",
    "Overpayment",
    "Payment",
    "Prepayment",
    "Quote",
    "Receipt",
)


def folder_json(folder: Folder, file_count: int) -> dict[str, Any]:
    """Return a folder; only the Inbox has an e-mail address."""
    payload: dict[str, Any] = {"Name": folder.name, "FileCount": file_count}
    if folder.is_inbox:
        payload["Email"] = folder.email
    return payload | {"IsInbox": folder.is_inbox, "Id": folder.folder_id}


def file_json(file: StoredFile, user: User | None) -> dict[str, Any]:
    """Return a file without its content."""
    payload: dict[str, Any] = {
        "Name": file.name,
        "MimeType": file.mime_type,
        "Size": file.size,
        "CreatedDateUtc": iso_seven_digits(file.created_at),
        "UpdatedDateUtc": iso_seven_digits(file.updated_at),
    }
    if user:
        payload["User"] = {
            "Id": user.user_id,
            "Name": user.email,
            "FirstName": user.first_name,
            "LastName": user.last_name,
            "FullName": user.name,
        }
    return payload | {"FolderId": file.folder_id, "Id": file.file_id}


def association_json(file: StoredFile, association: Association) -> dict[str, Any]:
    """Return an association as seen from its file."""
    return {
        "FileId": file.file_id,
        "ObjectId": association.object_id,
        "ObjectType": association.object_type,
        "ObjectGroup": "Contact",
    }


def object_association_json(file: StoredFile, association: Association) -> dict[str, Any]:
    """Return an association as seen from its object, with some facts about the file."""
    return {
        "SendWithObject": False,
        "Name": file.name,
        "Size": file.size,
        "CreatedDateUtc": iso_seven_digits(file.created_at),
        "AssociationDateUtc": iso_seven_digits(association.created_at),
    } | association_json(file, association)
