"""A contact check that stopped and asks, in a browser."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import select

from dashboard import wiring
from dashboard.clock import utcnow
from dashboard.database import db
from dashboard.models import (
    AlertCause,
    ItemOutcome,
    Practice,
    RunKind,
    RunStatus,
    SyncRun,
    SyncRunItem,
    User,
)
from dashboard.rules.sync_brake import Weight
from tests import factories
from tests.support.browser import Browser

PAGE = "/sync-history/held"


@pytest.fixture
def held(practice: Practice) -> SyncRun:
    """A held run with one client that would change."""
    connection = factories.make_connection(practice)
    client = factories.make_client(practice, name="Ada <b>Ltd</b>")
    weight = Weight(linked=40, changed=12, archived=2)
    values: dict[str, Any] = wiring.sync_brake().values_of_hold(practice.id, weight, 20)
    run = SyncRun(
        practice_id=practice.id,
        xero_connection_id=connection.id,
        kind=RunKind.CONTACT_SYNC,
        status=RunStatus.WAITING,
        started_at=utcnow(),
        total=40,
        done=40,
        progress={"step": "follow"},
        **values,
    )
    db.session.add(run)
    db.session.flush()
    for reason in ("The email a@a.example would become b@b.example.", None):
        db.session.add(
            SyncRunItem(
                run_id=run.id,
                practice_id=practice.id,
                xero_contact_id=str(uuid4()),
                contact_name="Ada",
                action="update",
                client_id=client.id,
                outcome=ItemOutcome.WAITING,
                reason=reason,
            )
        )
    db.session.commit()
    return run


class TestPage:
    def test_it_shows_why_what_and_both_answers(self, browser: Browser, held: SyncRun) -> None:
        text = browser.get(PAGE).text
        assert "12 of 40 linked clients would change, 2 of them archived or erased" in text
        assert "The email a@a.example would become b@b.example." in text
        assert text.count('<tr id="item-') == 1
        assert "Ada &lt;b&gt;Ltd" in text
        assert "Apply anyway" in text
        assert "Leave as it is" in text

    def test_it_is_said_once_there_and_above_every_other_page(
        self, browser: Browser, held: SyncRun
    ) -> None:
        assert browser.get(PAGE).text.count("12 of 40 linked clients") == 1
        assert "12 of 40 linked clients" in browser.get("/clients").text
        for page, is_repeated in ((f"{PAGE}?cursor=x", False), ("/clients", True)):
            poll = {"HX-Request": "true", "HX-Current-URL": f"http://localhost{page}"}
            header = browser.get("/panels/frame", headers=poll).text
            assert ("12 of 40 linked clients" in header) is is_repeated

    def test_the_run_and_the_alert_lead_there(self, browser: Browser, held: SyncRun) -> None:
        run = browser.get(f"/sync-history/{held.id}").text
        assert "Needs a decision" in run
        assert f'<a class="btn button-primary" href="{PAGE}">' in run
        assert "/cancel" not in run
        assert f'href="{PAGE}"' in browser.get("/alerts").text

    def test_without_one_it_says_so(self, browser: Browser) -> None:
        answer = browser.get(PAGE)
        assert answer.headers["Location"] == "/sync-history"
        assert "No contact check waits for an answer." in browser.get("/sync-history").text

    def test_staff_read_it_and_whom_to_ask(
        self, browser_of: Callable[[User], Browser], colleague: User, admin: User, held: SyncRun
    ) -> None:
        staff = browser_of(colleague)
        text = staff.get(PAGE).text
        assert "Only practice admins can answer." in text
        assert "Apply anyway" not in text
        assert staff.post(f"{PAGE}/{held.id}", {"answer": "apply"}).status_code == 403


class TestAnswer:
    @pytest.mark.parametrize(("answer", "step"), [("apply", "follow"), ("leave", "match")])
    def test_it_lets_the_run_go_on_and_closes_the_alert(
        self, browser: Browser, held: SyncRun, answer: str, step: str
    ) -> None:
        answered = browser.post(f"{PAGE}/{held.id}", {"answer": answer})
        assert answered.headers["Location"] == f"/sync-history/{held.id}"
        db.session.expire_all()
        run = db.session.scalars(select(SyncRun)).one()
        assert (run.held_at, run.error, run.progress["step"]) == (None, None, step)
        assert AlertCause.SYNC_HELD.value not in browser.get("/alerts").text

    def test_a_strangers_and_a_senseless_answer_are_not_found(
        self, browser: Browser, browser_of: Callable[[User], Browser], stranger: User, held: SyncRun
    ) -> None:
        path = f"{PAGE}/{held.id}"
        assert browser_of(stranger).post(path, {"answer": "apply"}).status_code == 404
        assert browser.post(path, {"answer": "perhaps"}).status_code == 404
