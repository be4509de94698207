"""The Files API: folders, files, and which contact shows which file.

https://developer.xero.com/documentation/api/files/overview. Folders are flat, the Inbox stays,
an association is made below its file (there is no POST /Associations).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from http import HTTPStatus
from typing import Any, TypeVar

from flask import Blueprint, Response, request

from dashboard.simulator import answers
from dashboard.simulator.files_json import (
    OBJECT_GROUPS,
    association_json,
    file_json,
    folder_json,
    object_association_json,
)
from dashboard.simulator.gate import TenantCall, tenant_call
from dashboard.simulator.ledger import new_folder, remove_file, remove_folder, store_file
from dashboard.simulator.records import Association, Folder, StoredFile
from dashboard.simulator.uploads import (
    EXTENSIONS,
    BadUpload,
    Upload,
    extension_of,
    has_bad_characters,
    read_upload,
)

files = Blueprint("files", __name__, url_prefix="/files.xro/1.0")

READ = ("files", "files.read")
WRITE = "files"
MAX_FILE_BYTES = 10_000_000
MULTIPART_ROOM = 8_192
MAX_NAME = 255
DEFAULT_PAGE_SIZE = 50
MOST_PER_PAGE = 100

Row = TypeVar("Row")


# Folders


@files.get("/Folders")
@tenant_call(*READ)
def folders(call: TenantCall) -> Response:
    """Return every folder in a bare array."""
    field, _, direction = request.args.get("sort", "Name").partition(" ")
    counts = {folder.folder_id: 0 for folder in call.organisation.folders.values()}
    for file in _listed(call):
        counts[file.folder_id] += 1
    keys: dict[str, Callable[[Folder], Any]] = {
        "Name": lambda folder: folder.name.casefold(),
        "CreatedDateUTC": lambda folder: folder.created_at,
        "Size": lambda folder: counts[folder.folder_id],
    }
    rows = _sorted(list(call.organisation.folders.values()), keys, field, direction)
    return answers.as_json([folder_json(folder, counts[folder.folder_id]) for folder in rows])


@files.get("/Inbox")
@tenant_call(*READ)
def inbox(call: TenantCall) -> Response:
    """Return the Inbox."""
    return answers.as_json(_folder_json(call, call.organisation.inbox))


@files.get("/Folders/<folder_id>")
@tenant_call(*READ)
def folder(call: TenantCall, folder_id: str) -> Response:
    """Return one folder."""
    return answers.as_json(_folder_json(call, _folder(call, folder_id)))


@files.get("/Folders/<folder_id>/Files")
@tenant_call(*READ)
def folder_files(call: TenantCall, folder_id: str) -> Response:
    """Return one folder with a page of its files inside."""
    found = _folder(call, folder_id)
    rows = [file for file in _listed(call) if file.folder_id == found.folder_id]
    return answers.as_json(_folder_json(call, found) | {"Files": _page_json(call, rows)})


@files.post("/Folders")
@tenant_call(WRITE)
def create_folder(call: TenantCall) -> Response:
    """Make a folder. A second one of the same name is made too: ids count, not names."""
    made = new_folder(call.world, call.organisation, _folder_name(_sent()))
    return answers.as_json(folder_json(made, 0), call.world.options.folder_created_status)


@files.put("/Folders/<folder_id>")
@tenant_call(WRITE)
def rename_folder(call: TenantCall, folder_id: str) -> Response:
    """Rename a folder, not the Inbox."""
    found = _folder(call, folder_id)
    name = _folder_name(_sent())
    if found.is_inbox:
        raise answers.Refused(answers.files_refusal("The Inbox cannot be renamed"))
    found.name = name
    return answers.as_json(_folder_json(call, found))


@files.delete("/Folders/<folder_id>")
@tenant_call(WRITE)
def delete_folder(call: TenantCall, folder_id: str) -> Response:
    """Delete a folder, not the Inbox."""
    found = _folder(call, folder_id)
    if found.is_inbox:
        raise answers.Refused(answers.files_refusal("The Inbox cannot be deleted"))
    remove_folder(call.world, call.organisation, found)
    return _no_content()


def _folder(call: TenantCall, folder_id: str, missing_status: int = 404) -> Folder:
    found = call.organisation.folders.get(folder_id.lower())
    if found:
        return found
    if missing_status == HTTPStatus.BAD_REQUEST:
        raise answers.Refused(answers.files_refusal("Folder does not exist"))
    raise answers.Refused(answers.not_found())


def _folder_json(call: TenantCall, found: Folder) -> dict[str, Any]:
    count = sum(file.folder_id == found.folder_id for file in _listed(call))
    return folder_json(found, count)


def _folder_name(sent: dict[str, Any]) -> str:
    name = sent.get("name")
    if not isinstance(name, str) or not name.strip():
        raise answers.Refused(answers.files_refusal("Name is required"))
    if has_bad_characters(name) or len(name) > MAX_NAME:
        raise answers.Refused(answers.files_refusal("Name contains one or more bad characters"))
    return name.strip()


def _sent() -> dict[str, Any]:
    """Return the JSON object that was sent, with its keys in small letters."""
    sent = request.get_json(force=True, silent=True)
    if not isinstance(sent, dict):
        raise answers.Refused(answers.files_refusal("The request body is not a JSON object"))
    return {str(key).lower(): value for key, value in sent.items()}


# Files


@files.get("/Files")
@tenant_call(*READ)
def file_list(call: TenantCall) -> Response:
    """Return one page of all files of the organisation, whatever their folder."""
    return answers.as_json(_page_json(call, _listed(call)))


def _listed(call: TenantCall) -> list[StoredFile]:
    """Return the files that listings know already: new ones may appear late."""
    seen_until = call.world.clock.now() - timedelta(seconds=call.world.options.files_lag_seconds)
    return [file for file in call.organisation.files.values() if file.created_at <= seen_until]


def _page_json(call: TenantCall, rows: list[StoredFile]) -> dict[str, Any]:
    keys: dict[str, Callable[[StoredFile], Any]] = {
        "Name": lambda file: file.name.casefold(),
        "Size": lambda file: file.size,
        "CreatedDateUTC": lambda file: file.created_at,
    }
    rows = _sorted(
        rows, keys, request.args.get("sort", "Name"), request.args.get("direction", "ASC")
    )
    number, size, shown = _paged(rows)
    return {
        "TotalCount": len(rows),
        "Page": number,
        "PerPage": size,
        "Items": [file_json(file, call.world.state.users.get(file.user_id)) for file in shown],
    }


def _sorted(
    rows: list[Row], keys: dict[str, Callable[[Row], Any]], field: str, direction: str
) -> list[Row]:
    if field not in keys or direction.upper() not in ("", "ASC", "DESC"):
        raise answers.Refused(answers.files_refusal(f"Cannot sort by {field} {direction}".strip()))
    return sorted(rows, key=keys[field], reverse=direction.upper() == "DESC")


def _paged(rows: list[Row]) -> tuple[int, int, list[Row]]:
    number = max(1, _whole_number("page", 1))
    size = min(max(1, _whole_number("pagesize", DEFAULT_PAGE_SIZE)), MOST_PER_PAGE)
    start = (number - 1) * size
    return number, size, rows[start : start + size]


def _whole_number(name: str, default: int) -> int:
    text = request.args.get(name)
    if text is None:
        return default
    try:
        return int(text)
    except ValueError:
        raise answers.Refused(answers.files_refusal(f"{name} must be a whole number")) from None


@files.post("/Files")
@tenant_call(WRITE)
def upload(call: TenantCall) -> Response:
    """Store a file in the Inbox."""
    return _stored(call, call.organisation.inbox)


@files.post("/Files/<folder_id>")
@tenant_call(WRITE)
def upload_to_folder(call: TenantCall, folder_id: str) -> Response:
    """Store a file in a folder."""
    return _stored(call, _folder(call, folder_id, call.world.options.missing_folder_status))


def _stored(call: TenantCall, into: Folder) -> Response:
    sent = _checked_upload(call)
    stored = store_file(
        call.world,
        call.organisation,
        into,
        name=sent.name,
        mime_type=sent.mime_type,
        content=sent.content,
        user_id=call.caller.user.user_id,
    )
    return answers.as_json(file_json(stored, call.caller.user), HTTPStatus.CREATED)


def _checked_upload(call: TenantCall) -> Upload:
    too_large = answers.too_large(html=call.world.options.too_large_as_html)
    if (request.content_length or 0) > MAX_FILE_BYTES + MULTIPART_ROOM:
        raise answers.Refused(too_large)
    try:
        sent = read_upload(request)
    except BadUpload as problem:
        raise answers.Refused(answers.files_refusal_object(str(problem))) from problem
    if len(sent.content) > MAX_FILE_BYTES:
        raise answers.Refused(too_large)
    _check_file_name(sent.name)
    return sent


def _check_file_name(name: str) -> None:
    if has_bad_characters(name) or not name.strip() or len(name) > MAX_NAME:
        raise answers.Refused(answers.files_refusal("Name contains one or more bad characters"))
    extension = extension_of(name)
    if extension not in EXTENSIONS:
        detail = f"Extension: {extension} is not a valid File extension."
        raise answers.Refused(answers.files_refusal(detail))


@files.get("/Files/<file_id>")
@tenant_call(*READ)
def file_facts(call: TenantCall, file_id: str) -> Response:
    """Return one file without its content; listings may be late, this is not."""
    return _file_answer(call, _file(call, file_id))


@files.get("/Files/<file_id>/Content")
@tenant_call(*READ)
def file_content(call: TenantCall, file_id: str) -> Response:
    """Return the bytes of one file."""
    found = _file(call, file_id)
    content = call.world.archive.get(found.file_id)
    return Response(content, content_type="application/octet-stream")


@files.put("/Files/<file_id>")
@tenant_call(WRITE)
def update_file(call: TenantCall, file_id: str) -> Response:
    """Rename a file, move it to another folder, or both."""
    found, sent = _file(call, file_id), _sent()
    name, folder_id = sent.get("name", found.name), sent.get("folderid", found.folder_id)
    if has_bad_characters(str(name)) or extension_of(str(name)) not in EXTENSIONS:
        detail = f"Unable to rename {found.file_id} to {name}"
        raise answers.Refused(answers.files_refusal(detail, "Rename", "Rename failed"))
    into = _folder(call, str(folder_id), HTTPStatus.BAD_REQUEST)
    found.name, found.folder_id = str(name), into.folder_id
    found.updated_at = call.world.clock.now()
    return _file_answer(call, found)


@files.delete("/Files/<file_id>")
@tenant_call(WRITE)
def delete_file(call: TenantCall, file_id: str) -> Response:
    """Delete a file with its associations."""
    remove_file(call.world, call.organisation, _file(call, file_id))
    return _no_content()


def _file(call: TenantCall, file_id: str) -> StoredFile:
    found = call.organisation.files.get(file_id.lower())
    if found is None:
        raise answers.Refused(answers.not_found())
    return found


def _file_answer(call: TenantCall, found: StoredFile) -> Response:
    return answers.as_json(file_json(found, call.world.state.users.get(found.user_id)))


def _no_content() -> Response:
    response = Response(status=HTTPStatus.NO_CONTENT)
    del response.headers["Content-Type"]
    return response


# Associations


@files.get("/Files/<file_id>/Associations")
@tenant_call(*READ)
def file_associations(call: TenantCall, file_id: str) -> Response:
    """Return what shows this file."""
    found = _file(call, file_id)
    return answers.as_json([association_json(found, held) for held in found.associations])


@files.post("/Files/<file_id>/Associations")
@tenant_call(WRITE)
def associate(call: TenantCall, file_id: str) -> Response:
    """Let a contact show this file. Doing it twice does no harm and adds nothing."""
    found, object_id = _file(call, file_id), _wanted_object(call)
    held = next((held for held in found.associations if held.object_id == object_id), None)
    if held is None:
        held = Association(object_id, "Business", call.world.clock.now())
        found.associations.append(held)
    return answers.as_json(association_json(found, held), HTTPStatus.CREATED)


def _wanted_object(call: TenantCall) -> str:
    """Return the id of the contact to associate with, or refuse."""
    sent = _sent()
    group, object_id = sent.get("objectgroup"), sent.get("objectid")
    if group not in OBJECT_GROUPS or not isinstance(object_id, str):
        raise answers.Refused(answers.files_refusal("ObjectId and ObjectGroup are required"))
    contact = call.organisation.contacts.get(object_id.lower())
    if contact is None or group != "Contact":
        raise answers.Refused(answers.files_refusal(f"Object is not a {group}"))
    if contact.status != "ACTIVE" and call.world.options.refuse_archived_associations:
        raise answers.Refused(answers.files_refusal("Object is not active"))
    return contact.contact_id


@files.delete("/Files/<file_id>/Associations/<object_id>")
@tenant_call(WRITE)
def delete_association(call: TenantCall, file_id: str, object_id: str) -> Response:
    """Let a contact show this file no longer."""
    found = _file(call, file_id)
    unwanted = object_id.lower()
    if unwanted not in found.associated_with:
        raise answers.Refused(answers.not_found())
    found.associations = [held for held in found.associations if held.object_id != unwanted]
    return _no_content()


@files.get("/Associations/Count")
@tenant_call(*READ)
def association_counts(call: TenantCall) -> Response:
    """Return how many files each of the given objects shows."""
    wanted = [part.strip().lower() for part in request.args.get("ObjectIds", "").split(",")]
    counts = {object_id: len(_files_at(call, object_id)) for object_id in wanted if object_id}
    return answers.as_json(counts)


@files.get("/Associations/<object_id>")
@tenant_call(*READ)
def object_associations(call: TenantCall, object_id: str) -> Response:
    """Return a page of the files that an object shows."""
    keys: dict[str, Callable[[tuple[StoredFile, Association]], Any]] = {
        "Name": lambda pair: pair[0].name.casefold(),
        "Size": lambda pair: pair[0].size,
        "CreatedDateUtc": lambda pair: pair[0].created_at,
        "AssociationDateUtc": lambda pair: pair[1].created_at,
    }
    pairs = _sorted(
        _files_at(call, object_id.lower()),
        keys,
        request.args.get("sort", "AssociationDateUtc"),
        request.args.get("direction", "ASC"),
    )
    _number, _size, shown = _paged(pairs)
    return answers.as_json([object_association_json(file, held) for file, held in shown])


def _files_at(call: TenantCall, object_id: str) -> list[tuple[StoredFile, Association]]:
    return [
        (file, held)
        for file in _listed(call)
        for held in file.associations
        if held.object_id == object_id
    ]


@files.route("/<path:rest>", methods=["GET", "POST", "PUT", "DELETE"])
@tenant_call()
def unknown(call: TenantCall, rest: str) -> Response:
    """Answer 404 for every other path, POST /Associations above all."""
    return answers.not_found()
