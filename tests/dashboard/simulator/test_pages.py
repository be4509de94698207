"""The simulator's own pages and their JSON twins."""

from __future__ import annotations

import re
from typing import Any

import pytest
from flask.testing import FlaskClient

from dashboard.simulator import World
from dashboard.simulator.admin import ACTIONS
from dashboard.simulator.seed import SECOND_NAME
from tests.dashboard.simulator.caller import CONTACTS, FILES, Caller


def page_of(world: World, kind: str) -> str:
    """Return the address of a page of the main organisation."""
    return f"/simulator/organisations/{world.main.tenant_id}/{kind}"


class TestEveryPage:
    @pytest.fixture(params=["overview", "contacts", "contact", "files", "calls", "faults", "404"])
    def page(self, app: Caller, request: pytest.FixtureRequest) -> Any:
        """One page after the other, with something on it."""
        app.upload()
        app.world.faults.arm("slow")
        some_contact = next(iter(app.world.main.contacts))
        address = {
            "overview": "/simulator/",
            "contacts": page_of(app.world, "contacts"),
            "contact": page_of(app.world, f"contacts/{some_contact}"),
            "files": page_of(app.world, "files"),
            "calls": "/simulator/calls",
            "faults": "/simulator/faults",
            "404": "/simulator/nowhere",
        }[request.param]
        return app.wire.get(address, headers={"Accept": "text/html"})

    def test_it_says_that_it_is_not_xero(self, page: Any) -> None:
        assert "It is not Xero." in page.text

    def test_it_has_one_heading_and_one_main_part(self, page: Any) -> None:
        assert len(re.findall(r"<h1\b", page.text)) == 1
        assert len(re.findall(r"<main\b", page.text)) == 1
        assert '<html lang="en-GB">' in page.text

    def test_it_runs_no_script_and_carries_no_style(self, page: Any) -> None:
        assert "default-src 'none'" in page.headers["Content-Security-Policy"]
        assert "<script" not in page.text
        assert "<style" not in page.text
        assert not re.search(r"\s(style|on\w+)=", page.text)

    def test_ids_are_unique_and_every_field_has_a_label(self, page: Any) -> None:
        ids = re.findall(r'\sid="([^"]+)"', page.text)
        assert len(ids) == len(set(ids))
        labelled = set(re.findall(r'<label for="([^"]+)"', page.text))
        fields = re.findall(r'<(?:input|select) id="([^"]+)"', page.text)
        assert set(fields) <= labelled

    def test_no_token_is_on_it(self, page: Any, app: Caller) -> None:
        for token in app.tokens.values():
            assert not isinstance(token, str) or len(token) < 20 or token not in page.text


class TestContactsPage:
    def test_it_pages_through_all_contacts(self, app: Caller) -> None:
        address = page_of(app.world, "contacts")
        first, last = app.wire.get(address), app.wire.get(f"{address}?page=7")
        assert "Showing 1 to 50 of 320." in first.text
        assert "Showing 301 to 320 of 320." in last.text
        assert "Next page" not in last.text

    def test_it_searches_without_regard_to_accents(self, app: Caller) -> None:
        page = app.wire.get(page_of(app.world, "contacts"), query_string={"q": "cafe ete limited"})
        assert "Showing 1 to 1 of 1." in page.text
        assert "Café Été Limited" in page.text

    def test_odd_names_are_escaped(self, app: Caller) -> None:
        page = app.wire.get(page_of(app.world, "contacts"), query_string={"q": "R & D"})
        assert "R &amp; D &amp; Sons" in page.text

    def test_another_organisation_has_its_own(self, app: Caller) -> None:
        tenant_id = app.world.organisation(SECOND_NAME).tenant_id
        page = app.wire.get(f"/simulator/organisations/{tenant_id}/contacts")
        assert "of 45." in page.text
        assert app.wire.get("/simulator/organisations/none/contacts").status_code == 404


class TestFilesPage:
    def test_a_file_stands_in_its_folder_with_its_contact_and_content(self, app: Caller) -> None:
        contact = app.world.main.active_contact_named("Wei Zhang")
        assert contact
        file_id = app.upload("Wei P60.pdf", b"%PDF-1.7", folder_id=app.folder()).get_json()["Id"]
        body = {"ObjectId": contact.contact_id, "ObjectGroup": "Contact"}
        app.call("POST", f"{FILES}/Files/{file_id}/Associations", json=body)
        page = app.wire.get(page_of(app.world, "files"))
        assert "chase.md (1)" in page.text
        assert "<bdi>Wei Zhang</bdi>" in page.text
        content = app.wire.get(page_of(app.world, f"files/{file_id}"))
        assert content.data == b"%PDF-1.7"
        assert content.headers["Content-Disposition"].startswith("inline")
        assert (
            "Wei P60.pdf" in app.wire.get(page_of(app.world, f"contacts/{contact.contact_id}")).text
        )

    def test_content_that_a_browser_might_run_is_saved_instead(self, app: Caller) -> None:
        file_id = app.upload("a.doc", mime_type="text/html").get_json()["Id"]
        content = app.wire.get(page_of(app.world, f"files/{file_id}"))
        assert content.headers["Content-Disposition"].startswith("attachment")
        assert content.headers["X-Content-Type-Options"] == "nosniff"


class TestForms:
    def test_a_fault_is_armed_and_met(self, app: Caller) -> None:
        form = {"kind": "429-minute", "method": "", "path": "", "times": "1", "retry_after": "9"}
        answer = app.wire.post("/simulator/faults", data=form)
        assert answer.status_code == 303
        assert app.get(CONTACTS).headers["Retry-After"] == "9"

    def test_an_action_says_what_it_did_on_the_page_it_came_from(self, app: Caller) -> None:
        contact = app.world.main.active_contact_named("Wei Zhang")
        assert contact
        back = f"simulator.contact {app.tenant_id} {contact.contact_id}"
        form = {"action": "archive_contact", "back": back}
        form |= {"tenant_id": app.tenant_id, "contact_id": contact.contact_id}
        page = app.wire.post("/simulator/admin", data=form, follow_redirects=True)
        assert "Archived Wei Zhang." in page.text
        assert page.request.path.endswith(contact.contact_id)
        assert contact.status == "ARCHIVED"

    def test_a_refusal_is_shown_too(self, app: Caller) -> None:
        form = {"action": "shift_clock", "seconds": "soon"}
        page = app.wire.post("/simulator/admin", data=form, follow_redirects=True)
        assert "seconds must be a number." in page.text

    def test_nobody_is_sent_to_another_site(self, app: Caller) -> None:
        form = {"action": "reset_limits", "back": "https://evil.example"}
        answer = app.wire.post("/simulator/admin", data=form)
        assert answer.headers["Location"].startswith("/simulator/")

    @pytest.mark.parametrize(
        "headers", [{"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}]
    )
    def test_buttons_cannot_be_pressed_from_elsewhere(
        self, app: Caller, headers: dict[str, str]
    ) -> None:
        form = {"action": "disconnect_organisation", "tenant_id": app.tenant_id}
        answer = app.wire.post("/simulator/admin", data=form, headers=headers)
        assert answer.status_code == 403
        assert app.get(CONTACTS).status_code == 200

    def test_every_form_names_an_action_that_exists(self, app: Caller) -> None:
        some_contact = next(iter(app.world.main.contacts))
        for address in (
            "/simulator/",
            "/simulator/calls",
            page_of(app.world, "contacts"),
            page_of(app.world, f"contacts/{some_contact}"),
            page_of(app.world, "files"),
        ):
            page = app.wire.get(address, headers={"Accept": "text/html"}).text
            actions = re.findall(r'name="action" value="([^"]+)"', page)
            assert actions
            assert set(actions) <= set(ACTIONS)


class TestJson:
    def test_the_state_tells_everything_but_secrets(self, app: Caller, wire: FlaskClient) -> None:
        app.upload(content=b"abc")
        answer = wire.get("/simulator/state?contacts=true")
        state = answer.get_json()
        main = state["organisations"][0]
        assert main["contact_count"] == len(main["contacts"]) == 320
        assert main["files"][-1]["Sha256"].startswith("ba7816bf")
        assert state["connections"][0]["is_live"] is True
        assert state["live_refresh_tokens"] == 1
        assert state["peak_concurrency"] == {app.tenant_id: 1}
        secret = app.world.app.client_secret
        for hidden in (secret, app.tokens["access_token"], app.tokens["refresh_token"], "PRIVATE"):
            assert hidden not in answer.text

    def test_calls_are_logged_without_tokens(self, app: Caller, wire: FlaskClient) -> None:
        app.get(CONTACTS, query_string={"page": 1})
        answer = wire.get("/simulator/calls")
        last = answer.get_json()["calls"][-1]
        assert (last["method"], last["path"], last["query"]) == ("GET", CONTACTS, "page=1")
        assert (last["status"], last["tenant_id"]) == (200, app.tenant_id)
        assert last["user_id"] == app.person("Amira")
        assert last["token_seconds_left"] == 1800
        assert {call["query"] for call in answer.get_json()["calls"][:-1]} == {""}
        for token in ("access_token", "refresh_token", "id_token"):
            assert app.tokens[token] not in answer.text

    def test_the_log_can_be_narrowed(self, app: Caller, wire: FlaskClient) -> None:
        app.get(CONTACTS)
        app.folder()
        answer = wire.get("/simulator/calls", query_string={"path": "/files.xro", "limit": 5})
        assert [call["method"] for call in answer.get_json()["calls"]] == ["POST"]
        assert answer.get_json()["statuses"]["200"] >= 2

    def test_faults_are_armed_listed_and_cleared(self, app: Caller, wire: FlaskClient) -> None:
        order = {"kind": "slow", "method": "POST", "path": FILES, "seconds": 0.5, "times": 2}
        assert wire.post("/simulator/faults", json=order).status_code == 201
        app.folder()
        faults = wire.get("/simulator/faults").get_json()
        assert faults["injected"] == {"slow": 1}
        assert faults["waiting"][0]["times"] == 1
        assert wire.delete("/simulator/faults").get_json()["waiting"] == []

    @pytest.mark.parametrize("order", [{}, {"kind": "418"}, {"kind": "slow", "colour": "red"}])
    def test_a_fault_that_makes_no_sense_is_400(
        self, wire: FlaskClient, order: dict[str, str]
    ) -> None:
        answer = wire.post("/simulator/faults", json=order)
        assert answer.status_code == 400
        assert answer.get_json()["refused"]

    def test_actions_answer_a_sentence_or_400(self, app: Caller, wire: FlaskClient) -> None:
        done = wire.post("/simulator/admin", json={"action": "change_tier", "tier": "starter"})
        assert done.get_json()["said"] == "The app is on the starter tier: 1000 calls a day."
        assert app.world.tier_day_limit() == 1000
        refused = wire.post("/simulator/admin", json={"action": "fly"})
        assert (refused.status_code, refused.get_json()) == (
            400,
            {"refused": "There is no action called fly."},
        )


class TestStyle:
    def test_the_sheet_knows_light_and_dark(self, wire: FlaskClient) -> None:
        sheet = wire.get("/simulator/style.css")
        assert sheet.mimetype == "text/css"
        assert "prefers-color-scheme: dark" in sheet.text
        sheet.close()
