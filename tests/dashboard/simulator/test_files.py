"""Folders, files, associations and Idempotency-Keys."""

from __future__ import annotations

from typing import Any

import pytest
import requests
from urllib3 import encode_multipart_formdata
from urllib3.fields import RequestField

from dashboard.simulator.admin import perform
from tests.dashboard.simulator.caller import FILES, Caller, multipart

NOBODY = "00000000-0000-0000-0000-000000000000"


def problem_of(answer: Any) -> str:
    """Return the sentence of a 400 in Files' usual shape, an array."""
    assert answer.status_code == 400
    [problem] = answer.get_json()
    assert set(problem) == {"type", "title", "detail"}
    return str(problem["detail"])


def contact_id(app: Caller, name: str = "Thornbury Joinery Limited") -> str:
    """Return the id of the active contact of that name."""
    found = app.world.main.active_contact_named(name)
    assert found
    return found.contact_id


def associate(app: Caller, file_id: str, object_id: str, group: str = "Contact") -> Any:
    """Associate a file."""
    body = {"ObjectId": object_id, "ObjectGroup": group}
    return app.call("POST", f"{FILES}/Files/{file_id}/Associations", json=body)


class TestFolders:
    def test_the_list_is_a_bare_array_with_one_inbox(self, app: Caller) -> None:
        rows = app.get(f"{FILES}/Folders").get_json()
        [inbox] = [row for row in rows if row["IsInbox"]]
        [other] = [row for row in rows if not row["IsInbox"]]
        assert list(inbox) == ["Name", "FileCount", "Email", "IsInbox", "Id"]
        assert list(other) == ["Name", "FileCount", "IsInbox", "Id"]
        assert (inbox["FileCount"], other["FileCount"]) == (2, 1)
        assert app.get(f"{FILES}/Inbox").get_json() == inbox
        assert app.get(f"{FILES}/Folders/{other['Id']}").get_json() == other

    def test_creating_answers_200_or_201_as_set(self, app: Caller) -> None:
        first = app.call("POST", f"{FILES}/Folders", json={"Name": "chase.md"})
        app.world.options.folder_created_status = 201
        second = app.call("POST", f"{FILES}/Folders", json={"name": "chase.md 2025-26"})
        assert (first.status_code, second.status_code) == (200, 201)
        assert set(first.get_json()) == {"Name", "FileCount", "IsInbox", "Id"}

    def test_two_folders_may_bear_one_name(self, app: Caller) -> None:
        assert app.folder() != app.folder()

    @pytest.mark.parametrize(
        "name", ["a/b", "a:b", "a<b", "a?", 'say "hi"', "tab\there", "x" * 256]
    )
    def test_bad_characters_are_refused(self, app: Caller, name: str) -> None:
        answer = app.call("POST", f"{FILES}/Folders", json={"Name": name})
        assert problem_of(answer) == "Name contains one or more bad characters"

    @pytest.mark.parametrize("body", [{}, {"Name": ""}, {"Name": 5}, [], "text"])
    def test_a_folder_needs_a_name(self, app: Caller, body: Any) -> None:
        assert problem_of(app.call("POST", f"{FILES}/Folders", json=body))

    def test_the_inbox_stays_and_keeps_its_name(self, app: Caller) -> None:
        path = f"{FILES}/Folders/{app.world.main.inbox.folder_id}"
        assert "Inbox" in problem_of(app.call("DELETE", path))
        assert "Inbox" in problem_of(app.call("PUT", path, json={"Name": "Outbox"}))
        assert app.world.main.inbox.name == "Inbox"

    def test_renaming(self, app: Caller) -> None:
        answer = app.call("PUT", f"{FILES}/Folders/{app.folder()}", json={"Name": "New"})
        assert (answer.status_code, answer.get_json()["Name"]) == (200, "New")

    @pytest.mark.parametrize(("fate", "left"), [("inbox", 3), ("deleted", 2)])
    def test_deleting_moves_or_deletes_what_is_inside(
        self, app: Caller, fate: Any, left: int
    ) -> None:
        app.world.options.deleted_folder_files = fate
        folder_id = app.folder()
        app.upload(folder_id=folder_id)
        answer = app.call("DELETE", f"{FILES}/Folders/{folder_id}")
        assert (answer.status_code, answer.data) == (204, b"")
        assert app.get(f"{FILES}/Folders/{folder_id}").status_code == 404
        assert app.get(f"{FILES}/Inbox").get_json()["FileCount"] == left

    def test_sorting(self, app: Caller) -> None:
        app.world.shift_clock(1)
        app.folder("Aaa")
        by_date = app.get(f"{FILES}/Folders", query_string={"sort": "CreatedDateUTC DESC"})
        by_name = app.get(f"{FILES}/Folders", query_string={"sort": "Name"})
        assert by_date.get_json()[0]["Name"] == by_name.get_json()[0]["Name"] == "Aaa"
        bad = app.get(f"{FILES}/Folders", query_string={"sort": "Colour"})
        assert problem_of(bad)

    def test_the_files_of_a_folder_come_nested(self, app: Caller) -> None:
        folder_id = app.folder()
        app.upload(folder_id=folder_id)
        payload = app.get(f"{FILES}/Folders/{folder_id}/Files").get_json()
        assert payload["FileCount"] == payload["Files"]["TotalCount"] == 1
        assert payload["Files"]["Items"][0]["FolderId"] == folder_id


class TestUploadShapes:
    NAME = "Smith P60.pdf"
    BYTES = b"%PDF-1.7\r\n--b1 inside\x00\xff\r\n"

    def send(self, app: Caller, body: bytes, content_type: str) -> Any:
        headers = {"Content-Type": content_type}
        return app.call("POST", f"{FILES}/Files", data=body, headers=headers)

    def check(self, app: Caller, answer: Any, mime_type: str = "application/pdf") -> None:
        assert answer.status_code == 201, answer.text
        made = answer.get_json()
        assert (made["Name"], made["MimeType"], made["Size"]) == (
            self.NAME,
            mime_type,
            len(self.BYTES),
        )
        assert app.get(f"{FILES}/Files/{made['Id']}/Content").data == self.BYTES

    def test_the_documentations_shape(self, app: Caller) -> None:
        disposition = f'name=Xero; filename="{self.NAME}"'
        body = multipart(disposition, self.BYTES, mime_type="application/pdf", boundary="x9")
        self.check(app, self.send(app, *body))

    def test_the_python_sdks_shape(self, app: Caller) -> None:
        disposition = f'name="other.pdf"; filename="{self.NAME}"'
        body = multipart(disposition, self.BYTES, boundary="-----boundary")
        self.check(app, self.send(app, *body))

    def test_pyxeros_shape_as_requests_writes_it(self, app: Caller) -> None:
        files = {self.NAME: (self.NAME, self.BYTES, "application/pdf")}
        prepared = requests.Request("POST", "http://localhost/", files=files).prepare()
        assert isinstance(prepared.body, bytes)
        self.check(app, self.send(app, prepared.body, prepared.headers["Content-Type"]))

    @pytest.mark.parametrize("part", ['name="body"; filename="blob"', 'name="body"'])
    def test_the_node_and_net_shapes(self, app: Caller, part: str) -> None:
        texts = {"name": self.NAME, "filename": self.NAME, "mimeType": "application/pdf"}
        body = multipart(part, self.BYTES, texts=texts, boundary="x9")
        self.check(app, self.send(app, *body))

    def test_no_file_is_refused_with_a_single_object(self, app: Caller) -> None:
        for body, kind in (
            (b"", "multipart/form-data"),
            (b"--x\r\n", "multipart/form-data; boundary=x"),
            (b"%PDF", "application/pdf"),
            (b"--x--\r\n", "multipart/form-data; boundary=x"),
        ):
            answer = self.send(app, body, kind)
            assert answer.status_code == 400
            assert answer.get_json()["detail"] == "No file is was attached"

    def test_two_files_are_refused(self, app: Caller) -> None:
        files = [("a.pdf", ("a.pdf", b"1", None)), ("b.pdf", ("b.pdf", b"2", None))]
        prepared = requests.Request("POST", "http://localhost/", files=files).prepare()
        assert isinstance(prepared.body, bytes)
        answer = self.send(app, prepared.body, prepared.headers["Content-Type"])
        assert answer.status_code == 400
        assert len(app.world.main.files) == 3

    def test_a_name_in_rfc_2231_form_is_not_understood(self, app: Caller) -> None:
        disposition = "name=\"x\"; filename*=utf-8''caf%C3%A9.pdf"
        answer = self.send(app, *multipart(disposition, self.BYTES))
        assert answer.status_code == 400

    def test_urllib3s_names_beyond_ascii_arrive_as_utf_8(self, app: Caller) -> None:
        field = RequestField("f", self.BYTES, filename="café.pdf")
        field.make_multipart()
        answer = self.send(app, *encode_multipart_formdata([field]))
        assert (answer.status_code, answer.get_json()["Name"]) == (201, "café.pdf")


class TestUploads:
    def test_the_answer_is_201_with_the_documented_fields(self, app: Caller) -> None:
        folder_id = app.folder()
        answer = app.upload("a.pdf", b"12345", folder_id=folder_id)
        made = answer.get_json()
        assert answer.status_code == 201
        assert list(made) == [
            "Name",
            "MimeType",
            "Size",
            "CreatedDateUtc",
            "UpdatedDateUtc",
            "User",
            "FolderId",
            "Id",
        ]
        assert made["FolderId"] == folder_id
        assert made["CreatedDateUtc"] == "2026-04-07T12:00:00.0000000"
        assert made["User"]["Name"] == "amira.patel@harbourside.example"
        assert app.get(f"{FILES}/Files/{made['Id']}").get_json() == made

    def test_without_a_folder_it_lands_in_the_inbox(self, app: Caller) -> None:
        assert app.upload().get_json()["FolderId"] == app.world.main.inbox.folder_id

    def test_the_same_name_twice_makes_two_files(self, app: Caller) -> None:
        assert app.upload().get_json()["Id"] != app.upload().get_json()["Id"]

    @pytest.mark.parametrize("status", [404, 400])
    def test_a_folder_that_is_gone_is_404_or_400_as_set(self, app: Caller, status: int) -> None:
        app.world.options.missing_folder_status = status
        assert app.upload(folder_id=NOBODY).status_code == status

    @pytest.mark.parametrize("name", ["a.heic", "a.webp", "a.html", "a.svg", "a.exe", "a.xml"])
    def test_other_extensions_are_refused_by_name(self, app: Caller, name: str) -> None:
        extension = name.partition(".")[2]
        problem = problem_of(app.upload(name))
        assert problem == f"Extension: {extension} is not a valid File extension."

    def test_a_name_needs_an_extension(self, app: Caller) -> None:
        assert "not a valid File extension" in problem_of(app.upload("README"))

    @pytest.mark.parametrize("name", ["a/b.pdf", "a:b.pdf", "a*.pdf", "a|b.pdf", "a<b>.pdf"])
    def test_bad_characters_are_refused(self, app: Caller, name: str) -> None:
        assert "bad characters" in problem_of(app.upload(name))

    def test_ten_million_bytes_pass_and_one_more_does_not(self, app: Caller) -> None:
        assert app.upload(content=bytes(10_000_000)).status_code == 201
        answer = app.upload(content=bytes(10_000_001))
        assert answer.status_code == 413
        assert answer.get_json()["Detail"] == "PayloadTooLarge"
        assert len(app.world.main.files) == 4

    def test_413_can_be_a_page_of_the_web_server(self, app: Caller) -> None:
        app.world.options.too_large_as_html = True
        answer = app.upload(content=bytes(11_000_000))
        assert (answer.status_code, answer.mimetype) == (413, "text/html")

    def test_whoever_reads_the_store_finds_the_hash(self, app: Caller) -> None:
        folder_id = app.folder()
        app.upload(content=b"abc", folder_id=folder_id)
        [file] = app.world.files_in("chase.md")
        assert file.sha256.startswith("ba7816bf")
        assert file.folder_id == folder_id


class TestListing:
    def test_pages_have_fifty_rows_and_at_most_a_hundred(self, app: Caller) -> None:
        usual = app.get(f"{FILES}/Files").get_json()
        most = app.get(f"{FILES}/Files", query_string={"pagesize": 5000}).get_json()
        wrong_case = app.get(f"{FILES}/Files", query_string={"pageSize": 7}).get_json()
        assert list(usual) == ["TotalCount", "Page", "PerPage", "Items"]
        assert (usual["PerPage"], most["PerPage"], wrong_case["PerPage"]) == (50, 100, 50)

    def test_sorting_and_paging_together(self, app: Caller) -> None:
        for number in range(5):
            app.world.shift_clock(1)
            app.upload(f"f{number}.pdf", b"x" * (10 - number))
        query = {"sort": "CreatedDateUTC", "direction": "DESC", "pagesize": 2}
        first = app.get(f"{FILES}/Files", query_string=query | {"page": 1}).get_json()
        second = app.get(f"{FILES}/Files", query_string=query | {"page": 2}).get_json()
        assert [row["Name"] for row in first["Items"] + second["Items"]] == [
            "f4.pdf",
            "f3.pdf",
            "f2.pdf",
            "f1.pdf",
        ]
        assert first["TotalCount"] == 8
        by_size = app.get(f"{FILES}/Files", query_string={"sort": "Size"}).get_json()["Items"]
        assert [row["Size"] for row in by_size] == sorted(row["Size"] for row in by_size)

    @pytest.mark.parametrize(
        "query", [{"sort": "Colour"}, {"sort": "Name", "direction": "UP"}, {"pagesize": "x"}]
    )
    def test_what_makes_no_sense_is_400(self, app: Caller, query: dict[str, str]) -> None:
        assert problem_of(app.get(f"{FILES}/Files", query_string=query))

    def test_a_new_file_may_be_listed_late_but_is_found_by_its_id_at_once(
        self, app: Caller
    ) -> None:
        app.world.options.files_lag_seconds = 30
        app.world.shift_clock(60)
        folder_id = app.folder()
        file_id = app.upload(folder_id=folder_id).get_json()["Id"]
        assert app.get(f"{FILES}/Files").get_json()["TotalCount"] == 3
        assert app.get(f"{FILES}/Folders/{folder_id}").get_json()["FileCount"] == 0
        assert app.get(f"{FILES}/Files/{file_id}").status_code == 200
        app.world.shift_clock(30)
        assert app.get(f"{FILES}/Files").get_json()["TotalCount"] == 4
        assert app.get(f"{FILES}/Folders/{folder_id}").get_json()["FileCount"] == 1


class TestChanges:
    def test_renaming_and_moving(self, app: Caller) -> None:
        folder_id = app.folder()
        path = f"{FILES}/Files/{app.upload().get_json()['Id']}"
        app.world.shift_clock(5)
        moved = app.call("PUT", path, json={"FolderId": folder_id})
        renamed = app.call("PUT", path, json={"name": "new.pdf"})
        assert moved.status_code == 200
        assert renamed.get_json()["FolderId"] == folder_id
        assert renamed.get_json()["Name"] == "new.pdf"
        assert renamed.get_json()["UpdatedDateUtc"] > renamed.get_json()["CreatedDateUtc"]

    @pytest.mark.parametrize("name", ["a/b.pdf", "noextension", "a.exe"])
    def test_a_bad_new_name_fails_as_a_rename(self, app: Caller, name: str) -> None:
        path = f"{FILES}/Files/{app.upload().get_json()['Id']}"
        answer = app.call("PUT", path, json={"Name": name})
        assert answer.get_json()[0]["type"] == "Rename"
        assert "Unable to rename" in problem_of(answer)

    def test_moving_to_a_folder_that_is_gone_is_400(self, app: Caller) -> None:
        path = f"{FILES}/Files/{app.upload().get_json()['Id']}"
        assert problem_of(app.call("PUT", path, json={"FolderId": NOBODY}))

    def test_deleting(self, app: Caller) -> None:
        file_id = app.upload().get_json()["Id"]
        associate(app, file_id, contact_id(app))
        answer = app.call("DELETE", f"{FILES}/Files/{file_id}")
        assert (answer.status_code, answer.data) == (204, b"")
        assert app.get(f"{FILES}/Files/{file_id}").status_code == 404
        assert app.get(f"{FILES}/Files/{file_id}/Content").status_code == 404
        assert app.get(f"{FILES}/Associations/{contact_id(app)}").get_json() == []
        with pytest.raises(KeyError):
            app.world.archive.get(file_id)


class TestAssociations:
    def test_the_path_that_does_not_exist_is_404(self, app: Caller) -> None:
        file_id = app.upload().get_json()["Id"]
        body = {"FileId": file_id, "ObjectId": contact_id(app), "ObjectGroup": "Contact"}
        answer = app.call("POST", f"{FILES}/Associations", json=body)
        assert answer.status_code == 404
        assert app.world.main.files[file_id].associated_with == []

    def test_the_real_path_answers_201_and_business(self, app: Caller) -> None:
        file_id = app.upload().get_json()["Id"]
        answer = associate(app, file_id, contact_id(app))
        expected = {
            "FileId": file_id,
            "ObjectId": contact_id(app),
            "ObjectType": "Business",
            "ObjectGroup": "Contact",
        }
        assert (answer.status_code, answer.get_json()) == (201, expected)
        assert app.get(f"{FILES}/Files/{file_id}/Associations").get_json() == [expected]

    def test_twice_is_once(self, app: Caller) -> None:
        file_id = app.upload().get_json()["Id"]
        assert {associate(app, file_id, contact_id(app)).status_code for _ in range(2)} == {201}
        assert app.world.main.files[file_id].associated_with == [contact_id(app)]

    def test_an_unknown_contact_is_refused(self, app: Caller) -> None:
        answer = associate(app, app.upload().get_json()["Id"], NOBODY)
        assert problem_of(answer) == "Object is not a Contact"

    def test_a_contact_is_no_invoice(self, app: Caller) -> None:
        answer = associate(app, app.upload().get_json()["Id"], contact_id(app), "Invoice")
        assert problem_of(answer) == "Object is not a Invoice"

    @pytest.mark.parametrize(
        "body", [{}, {"ObjectId": NOBODY}, {"ObjectGroup": "Contact"}, {"ObjectGroup": "Cat"}]
    )
    def test_both_fields_are_required(self, app: Caller, body: dict[str, str]) -> None:
        path = f"{FILES}/Files/{app.upload().get_json()['Id']}/Associations"
        assert problem_of(app.call("POST", path, json=body))

    def test_an_unknown_file_is_404(self, app: Caller) -> None:
        assert associate(app, NOBODY, contact_id(app)).status_code == 404
        assert app.get(f"{FILES}/Files/{NOBODY}/Associations").status_code == 404

    def test_an_archived_contact_is_accepted_or_refused_as_set(self, app: Caller) -> None:
        details = {"tenant_id": app.tenant_id, "contact_id": contact_id(app, "Wei Zhang")}
        perform(app.world, "archive_contact", details)
        file_id = app.upload().get_json()["Id"]
        app.world.options.refuse_archived_associations = True
        assert associate(app, file_id, details["contact_id"]).status_code == 400
        app.world.options.refuse_archived_associations = False
        assert associate(app, file_id, details["contact_id"]).status_code == 201

    def test_seen_from_the_contact(self, app: Caller) -> None:
        for number in range(3):
            app.world.shift_clock(1)
            file_id = app.upload(f"f{number}.pdf").get_json()["Id"]
            associate(app, file_id, contact_id(app))
        path = f"{FILES}/Associations/{contact_id(app)}"
        query = {"sort": "Name", "direction": "DESC", "pagesize": 2}
        rows = app.get(path, query_string=query).get_json()
        assert [row["Name"] for row in rows] == ["f2.pdf", "f1.pdf"]
        assert {"SendWithObject", "Size", "CreatedDateUtc", "AssociationDateUtc"} <= set(rows[0])

    def test_counting(self, app: Caller) -> None:
        associate(app, app.upload().get_json()["Id"], contact_id(app))
        query = {"ObjectIds": f"{contact_id(app)},{NOBODY}"}
        counts = app.get(f"{FILES}/Associations/Count", query_string=query).get_json()
        assert counts == {contact_id(app): 1, NOBODY: 0}

    def test_taking_a_file_off_a_contact(self, app: Caller) -> None:
        file_id = app.upload().get_json()["Id"]
        associate(app, file_id, contact_id(app))
        path = f"{FILES}/Files/{file_id}/Associations/{contact_id(app)}"
        assert app.call("DELETE", path).status_code == 204
        assert app.call("DELETE", path).status_code == 404


class TestIdempotencyKeys:
    def test_the_same_request_is_done_once_and_answered_twice_alike(self, app: Caller) -> None:
        first, second = app.upload(key="k1"), app.upload(key="k1")
        assert first.status_code == second.status_code == 201
        assert first.data == second.data
        assert len(app.world.main.files) == 4
        assert [call.replayed for call in app.world.calls.last(2)] == [False, True]

    def test_a_replay_counts_towards_the_limits(self, app: Caller) -> None:
        app.upload(key="k1")
        assert app.upload(key="k1").headers["X-MinLimit-Remaining"] == "58"

    def test_after_six_minutes_the_key_is_forgotten(self, app: Caller) -> None:
        app.upload(key="k1")
        app.world.shift_clock(359)
        app.upload(key="k1")
        assert len(app.world.main.files) == 4
        app.world.shift_clock(1)
        app.upload(key="k1")
        assert len(app.world.main.files) == 5

    def test_another_body_with_the_same_key_is_400(self, app: Caller) -> None:
        app.upload(key="k1")
        problem = problem_of(app.upload(content=b"other", key="k1"))
        assert problem == "Idempotency Key k1 is used with a different request"

    def test_another_path_or_boundary_with_the_same_key_is_400(self, app: Caller) -> None:
        app.upload(key="k1")
        assert app.upload(key="k1", folder_id=app.folder()).status_code == 400
        body, content_type = multipart(
            'name="Smith_P60_2025-26.pdf"; filename="Smith_P60_2025-26.pdf"',
            b"%PDF-1.4",
            mime_type="application/pdf",
            boundary="random2",
        )
        headers = {"Content-Type": content_type, "Idempotency-Key": "k1"}
        answer = app.call("POST", f"{FILES}/Files", data=body, headers=headers)
        assert answer.status_code == 400

    def test_refusals_are_kept_too(self, app: Caller) -> None:
        headers = {"Idempotency-Key": "k2"}
        file_id = app.upload().get_json()["Id"]
        path = f"{FILES}/Files/{file_id}/Associations"
        contact = app.world.main.contacts[contact_id(app)]
        del app.world.main.contacts[contact.contact_id]
        body = {"ObjectId": contact.contact_id, "ObjectGroup": "Contact"}
        assert app.call("POST", path, json=body, headers=headers).status_code == 400
        app.world.main.contacts[contact.contact_id] = contact
        assert app.call("POST", path, json=body, headers=headers).status_code == 400
        assert app.call("POST", path, json=body).status_code == 201

    def test_a_key_of_more_than_128_characters_is_refused(self, app: Caller) -> None:
        assert app.upload(key="k" * 128).status_code == 201
        assert problem_of(app.upload(key="k" * 129))

    def test_folders_and_associations_honour_it_and_reading_does_not(self, app: Caller) -> None:
        headers = {"Idempotency-Key": "k3"}
        assert app.folder(headers=headers) == app.folder(headers=headers)
        before = app.get(f"{FILES}/Folders", headers=headers).get_json()
        app.folder("other")
        assert len(app.get(f"{FILES}/Folders", headers=headers).get_json()) == len(before) + 1

    def test_keys_can_be_forgotten_on_order(self, app: Caller) -> None:
        app.upload(key="k1")
        perform(app.world, "forget_idempotency_keys", {})
        app.upload(key="k1")
        assert len(app.world.main.files) == 5
