"""Words fit their number wherever a count appears: with none, one and two of everything."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select, update

from dashboard.clock import utcnow
from dashboard.database import db
from dashboard.models import (
    ClientDocument,
    ConnectionStatus,
    DocumentStatus,
    Practice,
    PushStatus,
    RunKind,
    RunStatus,
    SyncRun,
    XeroConnection,
    XeroFilePush,
)
from dashboard.queries.sync_runs import run as run_of
from dashboard.rules import import_sentences, run_sentences
from dashboard.rules.retry_groups import GROUPS, obstacle_sentence
from dashboard.services.import_drafts import open_draft
from dashboard.views.run_view import Heard, milestone
from tests import factories
from tests.support.browser import Browser
from tests.support.counted_words import misfits, words_of
from tests.support.few_of_everything import PAGES, add_items, add_rows, ended_import

COUNTS = (0, 1, 2)


@pytest.fixture
def connection(practice: Practice) -> XeroConnection:
    """The practice's connection."""
    return factories.make_connection(practice, last_sync_at=utcnow(), matched_at=utcnow())


@pytest.mark.parametrize(
    ("words", "is_wrong"),
    [
        ("1 documents", True),
        ("1 new document.", False),
        ("2 document needs", True),
        ("2 documents are", False),
        ("1 needs attention", False),
        ("1 need attention", True),
        ("0 client", True),
        ("1 of 60 calls left", False),
        ("1 to 1 of 1", False),
        ("P60 2025-26 documents", False),
        ("14:01 documents", False),
        ("21 documents", False),
    ],
)
def test_a_misfit_is_found(words: str, *, is_wrong: bool) -> None:
    assert bool(misfits(words)) is is_wrong


def wrong_on(browser: Browser, paths: list[str]) -> dict[str, list[str]]:
    found = {}
    for path in paths:
        answer = browser.get(path)
        assert answer.status_code == 200, path
        if wrong := misfits(words_of(answer.text)):
            found[path] = wrong
    return found


@pytest.mark.fact(78)
@pytest.mark.parametrize("count", COUNTS)
def test_on_every_page(
    browser: Browser, practice: Practice, connection: XeroConnection, count: int
) -> None:
    draft = open_draft(db.session, practice.id, connection.id, utcnow())
    run = ended_import(practice, connection)
    names = {"draft": draft.id, "run": run.id}
    if count:
        names |= add_rows(practice, connection, count)
        add_items(practice, run, count)
        unsent = factories.make_client(practice)
        for _ in range(count):
            factories.make_document(unsent, status=DocumentStatus.ACCEPTED, decided_at=utcnow())
    paths = [
        path.format(**names)
        for path in PAGES
        if count or not ("{client}" in path or "{contact}" in path)
    ]
    browser.post(f"/import/{draft.id}/tick-matching?type=&match=new")
    tabs = [f"/documents?tab={tab}" for tab in ("way", "on_hold", "filed", "not_sent")]
    assert wrong_on(browser, [*paths, *tabs]) == {}
    # The same while documents wait, with and without a connection that works.
    for state in (
        {"waits_until": utcnow() + timedelta(days=1), "waits_because": "day"},
        {"status": ConnectionStatus.TOKEN_EXPIRED},
    ):
        db.session.execute(update(XeroConnection).values(**state))
        db.session.commit()
        assert wrong_on(browser, ["/", "/settings", "/settings/disconnect", "/documents"]) == {}
    db.session.execute(update(XeroFilePush).values(status=PushStatus.ASSOCIATED))
    db.session.commit()
    assert wrong_on(browser, ["/", "/settings/disconnect", "/documents?tab=filed"]) == {}
    assert len(db.session.scalars(select(ClientDocument)).all()) == 3 * count


@pytest.mark.fact(78)
@pytest.mark.parametrize("kind", RunKind)
@pytest.mark.parametrize("count", COUNTS)
def test_on_the_page_of_a_run_and_aloud(
    browser: Browser, practice: Practice, connection: XeroConnection, kind: RunKind, count: int
) -> None:
    run = SyncRun(
        practice_id=practice.id,
        xero_connection_id=connection.id,
        kind=kind,
        status=RunStatus.RUNNING,
        started_at=utcnow() - timedelta(minutes=3),
    )
    for name in ("done", "created", "linked", "updated", "skipped", "problems"):
        setattr(run, name, count)
    db.session.add(run)
    db.session.commit()
    path, said = f"/sync-history/{run.id}", []
    for state in (
        {"total": count},
        {"total": count * 10},
        {"status": RunStatus.FINISHED_WITH_PROBLEMS, "finished_at": utcnow()},
    ):
        db.session.execute(update(SyncRun).values(**state))
        db.session.commit()
        assert wrong_on(browser, [path, "/sync-history?all=1"]) == {}
        row = run_of(db.session, practice.id, run.id)
        assert row is not None
        for heard in (None, Heard(level=0, problem=False, waiting=False)):
            said.append(milestone(row, heard, utcnow()).sentence or "")
    assert misfits(" ".join(said)) == []


@pytest.mark.fact(78)
@pytest.mark.parametrize("count", COUNTS)
def test_in_the_sentences_of_the_rules(count: int) -> None:
    now = utcnow()
    said = [
        run_sentences.no_answer(done=count, next_at=now, time_zone="Europe/London"),
        run_sentences.reconnect_needed(done=count),
        *(
            run_sentences.cancelled(kind=kind, by="Priya", done=count, total=total)
            for kind in RunKind
            for total in (None, count, 5)
        ),
        import_sentences.problems(count),
        *(obstacle_sentence(count, cause) for cause in GROUPS),
    ]
    assert misfits(" ".join(said)) == []
