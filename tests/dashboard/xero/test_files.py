"""Folders, uploads and associations, in the shapes of the official examples."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from email.parser import BytesParser
from email.policy import HTTP
from typing import Any

import pytest
import responses

from dashboard.xero.client import XeroClient
from dashboard.xero.errors import XeroNotFound, XeroRejected, XeroTooLarge, XeroUnavailable
from dashboard.xero.types import Association, Folder

ROOT = "https://api.xero.test/files.xro/1.0"
FOLDER_ID = "0f8ccf21-7267-4268-9167-a1e2c40c84c8"
FILE = {
    "Name": "Smith_Ltd_P60_2024-25.pdf",
    "MimeType": "application/pdf",
    "Size": 2878711,
    "CreatedDateUtc": "2021-02-10T23:17:50.1930000",
    "UpdatedDateUtc": "2021-02-10T23:17:50.1930000",
    "User": {"Id": "740add2a", "Name": "person@example.com", "FullName": "A B"},
    "FolderId": FOLDER_ID,
    "Id": "d290f1ee-6c54-4b01-90e6-d701748f0851",
}
ASSOCIATION = {
    "FileId": "f1",
    "ObjectId": "c1",
    "ObjectType": "Business",
    "ObjectGroup": "Contact",
}


class TestFolders:
    @responses.activate
    def test_the_list_is_a_bare_array(self, xero: XeroClient):
        listed = [
            {"Name": "Inbox", "FileCount": 14, "Email": "a@b", "IsInbox": True, "Id": "i"},
            {"Name": "Contracts", "FileCount": "7", "IsInbox": "false", "Id": "c"},
            {"Name": "without id"},
        ]
        responses.get(f"{ROOT}/Folders", json=listed)
        assert xero.files.folders() == (
            Folder("i", "Inbox", True, 14),
            Folder("c", "Contracts", False, 7),
        )

    @responses.activate
    @pytest.mark.parametrize("status", [200, 201])
    def test_a_folder_is_created_with_a_key(self, xero: XeroClient, status: int):
        responses.post(f"{ROOT}/Folders", status=status, json={"Name": "chase.md", "Id": "n"})
        folder = xero.files.create_folder("chase.md", "folder-1")
        assert (folder.folder_id, folder.name, folder.is_inbox) == ("n", "chase.md", False)
        sent = responses.calls[0].request
        assert json.loads(sent.body or b"") == {"Name": "chase.md"}
        assert sent.headers["Content-Type"] == "application/json"
        assert sent.headers["Idempotency-Key"] == "folder-1"

    @responses.activate
    def test_a_name_that_xero_does_not_like_is_a_refusal(self, xero: XeroClient):
        problem = {
            "type": "Validation",
            "title": "Validation failure",
            "detail": "Name contains one or more bad characters",
        }
        responses.post(f"{ROOT}/Folders", status=400, json=[problem])
        with pytest.raises(XeroRejected, match="bad characters"):
            xero.files.create_folder("a<b", "k")


class TestUpload:
    @staticmethod
    def parts_of(call: responses.Call) -> list[Any]:
        head = f"Content-Type: {call.request.headers['Content-Type']}\r\n\r\n".encode()
        message = BytesParser(policy=HTTP).parsebytes(head + (call.request.body or b""))
        return list(message.iter_parts())

    @responses.activate
    def test_exactly_one_part_carries_name_type_and_bytes(self, xero: XeroClient):
        content = b"%PDF-1.7\r\n--not-the-boundary\r\n\x00\xff"
        responses.post(f"{ROOT}/Files/{FOLDER_ID}", status=201, json=FILE)
        stored = xero.files.upload(
            FOLDER_ID, "Smith Ltd_P60.pdf", "application/pdf", content, len(content), "push-1"
        )
        (part,) = self.parts_of(responses.calls[0])
        assert part.get_param("name", header="content-disposition") == "Smith Ltd_P60.pdf"
        assert part.get_filename() == "Smith Ltd_P60.pdf"
        assert part.get_content_type() == "application/pdf"
        assert part.get_payload(decode=True) == content
        assert responses.calls[0].request.headers["Idempotency-Key"] == "push-1"
        assert stored.file_id == FILE["Id"]
        assert stored.size == 2878711
        assert stored.created_at == datetime(2021, 2, 10, 23, 17, 50, 193000, UTC)

    @responses.activate
    def test_a_file_object_is_sent_like_its_bytes(self, xero: XeroClient):
        responses.post(f"{ROOT}/Files", status=201, json=FILE)
        for content in (b"abc", io.BytesIO(b"abc")):
            xero.files.upload(None, "a.pdf", "application/pdf", content, 3, "k")
        first, second = (call.request for call in responses.calls)
        assert first.body == second.body
        assert first.headers["Content-Type"] == second.headers["Content-Type"]

    @responses.activate
    def test_another_key_makes_another_request(self, xero: XeroClient):
        responses.post(f"{ROOT}/Files", status=201, json=FILE)
        for key in ("k1", "k2"):
            xero.files.upload(None, "a.pdf", "application/pdf", b"abc", 3, key)
        first, second = (call.request.headers["Content-Type"] for call in responses.calls)
        assert first != second

    @pytest.mark.parametrize(
        "name", ["", "ä.pdf", 'a".pdf', "a\r\nb.pdf", "a/b.pdf", "a\\b.pdf", "a\x00.pdf"]
    )
    def test_a_name_that_xero_might_misread_never_leaves(self, xero: XeroClient, name: str):
        with pytest.raises(ValueError, match="file name"):
            xero.files.upload(None, name, "application/pdf", b"abc", 3, "k")

    @pytest.mark.parametrize("size", [2, 4])
    def test_content_that_is_not_as_long_as_promised_never_leaves(
        self, xero: XeroClient, size: int
    ):
        with pytest.raises(ValueError, match="3 bytes"):
            xero.files.upload(None, "a.pdf", "application/pdf", io.BytesIO(b"abc"), size, "k")

    @responses.activate
    @pytest.mark.parametrize(
        ("status", "body", "kind"),
        [
            (400, '{"type":"Validation","detail":"No file is was attached"}', XeroRejected),
            (413, "<!DOCTYPE html><html>IIS</html>", XeroTooLarge),
            (201, "<html>", XeroUnavailable),
            (201, "{}", XeroUnavailable),
        ],
    )
    def test_refusals_have_types(
        self, xero: XeroClient, status: int, body: str, kind: type[Exception]
    ):
        responses.post(f"{ROOT}/Files", status=status, body=body)
        with pytest.raises(kind):
            xero.files.upload(None, "a.pdf", "application/pdf", b"abc", 3, "k")


class TestReading:
    @responses.activate
    def test_files_are_listed_newest_first(self, xero: XeroClient):
        listing = {"TotalCount": 101, "Page": 2, "PerPage": 100, "Items": [FILE, {"Name": "x"}]}
        responses.get(f"{ROOT}/Files", json=listing)
        page = xero.files.files_page(2)
        assert (page.total_count, page.page, page.per_page, len(page.items)) == (101, 2, 100, 1)
        url = responses.calls[0].request.url
        assert url == f"{ROOT}/Files?pagesize=100&page=2&sort=CreatedDateUTC&direction=DESC"

    @responses.activate
    def test_oldest_first_is_there_for_the_asking(self, xero: XeroClient):
        responses.get(f"{ROOT}/Files", json={"Items": None})
        assert xero.files.files_page(1, newest_first=False).items == ()
        assert "direction=ASC" in (responses.calls[0].request.url or "")

    @responses.activate
    def test_a_file_may_lie_in_no_folder_and_write_its_size_as_text(self, xero: XeroClient):
        responses.get(f"{ROOT}/Files/f1", json={"Id": "f1", "Name": "a", "Size": "12357"})
        stored = xero.files.file("f1")
        assert (stored.folder_id, stored.size, stored.created_at) == (None, 12357, None)

    @responses.activate
    def test_a_deleted_file_is_not_found(self, xero: XeroClient):
        responses.get(f"{ROOT}/Files/f1", status=404, body="<html>", content_type="text/html")
        with pytest.raises(XeroNotFound):
            xero.files.file("f1")

    @responses.activate
    def test_content_is_returned_byte_for_byte(self, xero: XeroClient):
        content = bytes(range(256)) * 1000
        responses.get(f"{ROOT}/Files/f1/Content", body=content)
        assert xero.files.content("f1") == content
        assert responses.calls[0].request.headers["Accept"] == "application/octet-stream"

    @responses.activate
    def test_a_page_is_not_content(self, xero: XeroClient):
        responses.get(f"{ROOT}/Files/f1/Content", body="<html>busy", content_type="text/html")
        with pytest.raises(XeroUnavailable):
            xero.files.content("f1")


class TestAssociations:
    @responses.activate
    def test_a_file_is_shown_at_a_contact(self, xero: XeroClient):
        responses.post(f"{ROOT}/Files/f1/Associations", status=201, json=ASSOCIATION)
        assert xero.files.associate("f1", "c1", "assoc-1") == Association(
            "f1", "c1", "Contact", "Business"
        )
        sent = responses.calls[0].request
        assert json.loads(sent.body or b"") == {"ObjectId": "c1", "ObjectGroup": "Contact"}
        assert sent.headers["Idempotency-Key"] == "assoc-1"

    @responses.activate
    @pytest.mark.parametrize("answered", [[ASSOCIATION], []])
    def test_an_array_where_one_object_is_documented_means_done(
        self, xero: XeroClient, answered: list[dict[str, str]]
    ):
        responses.post(f"{ROOT}/Files/f1/Associations", status=201, json=answered)
        made = xero.files.associate("f1", "c1", "assoc-1")
        assert made.object_id == ("c1" if answered else None)

    @responses.activate
    def test_where_a_file_is_shown_can_be_looked_up(self, xero: XeroClient):
        wire = {**ASSOCIATION, "SendWithObject": "false", "Size": "12357"}
        responses.get(f"{ROOT}/Files/f1/Associations", json=[wire])
        (found,) = xero.files.associations("f1")
        assert found.object_id == "c1"

    @responses.activate
    def test_every_page_of_a_contacts_files_is_read(self, xero: XeroClient):
        for page, found in ((1, 100), (2, 3)):
            responses.get(
                f"{ROOT}/Associations/c1",
                json=[ASSOCIATION] * found,
                match=[
                    responses.matchers.query_param_matcher({"pagesize": "100", "page": str(page)})
                ],
            )
        assert len(list(xero.files.associations_of("c1"))) == 103
