"""A document's way to Xero in words: what its page, its list row and its panel say alike."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

import flask_babel
from flask import url_for

from dashboard.clock import utcnow
from dashboard.models import DocumentStatus
from dashboard.queries.documents import DocumentDetail, DocumentRow
from dashboard.rules.push_sentences import (
    Cause,
    Fix,
    PushCause,
    PushStory,
    Sentence,
    cause_sentence,
    offered_sentence,
    push_sentence,
    unconnected_sentence,
)
from dashboard.views.filters import Place, near_time
from dashboard.views.frame import Frame

FAST, USUAL, SLOW, HELD = "2s", "5s", "15s", "60s"
FAR = timedelta(minutes=1)
ON_HOLD = "on_hold"
# https://go.xero.com opens the organisation by its short code and then the page that is asked for.
XERO_FILES = "https://go.xero.com/organisationlogin/default.aspx?shortcode={code}&redirecturl=/Docs"

LABELS = {
    Fix.NONE: "",
    Fix.ACCEPT: "Accept",
    Fix.SEND: "Send to Xero",
    Fix.RECONNECT: "Reconnect to Xero",
    Fix.ALLOW: "Allow in Xero",
    Fix.OPEN_IN_XERO: "Open in Xero",
    Fix.TRY_NOW: "Try now",
    Fix.PUT_ON_CONTACT: "Put on contact",
    Fix.RETRY: "Retry",
    Fix.LINK_CLIENT: "Link client",
    Fix.TURN_ON: "Turn sending on",
    Fix.REPLACE: "",
    Fix.CONVERT: "",
    Fix.CHOOSE_FOLDER: "Choose a folder",
    Fix.CONTACT_SUPPORT: "",
}


@dataclass(frozen=True, slots=True)
class PushWords:
    """One sentence for a push, and where its action leads (empty where there is none)."""

    sentence: Sentence
    action_url: str
    posts: bool

    @property
    def label(self) -> str:
        """What the action's link or button says."""
        return LABELS[self.sentence.fix]

    @property
    def advice(self) -> str:
        """What to do, in words, where the action's label does not say it all."""
        return self.sentence.advice

    @property
    def is_outside(self) -> bool:
        """Whether the action leads to Xero's own pages."""
        return self.sentence.fix is Fix.OPEN_IN_XERO


def words_for_row(row: DocumentRow, frame: Frame) -> PushWords:
    """Return the words for a row of the list; nothing is said where the word is enough."""
    return _with_action(row, _sentence(row, _story(row, frame)), "")


def words_for_detail(detail: DocumentDetail, frame: Frame) -> PushWords:
    """Return the words for a document's own page."""
    row = detail.document
    story = _story(
        row,
        frame,
        ahead=detail.ahead,
        folder_path=detail.folder_path,
        contact_name=detail.contact_name,
        technical=detail.technical,
    )
    in_xero = XERO_FILES.format(code=detail.short_code) if detail.short_code else ""
    return _with_action(row, _sentence(row, story), in_xero)


def tempo(row: DocumentRow, now: datetime) -> str | None:
    """Return how often the panel asks; None when nothing changes by itself any more."""
    if row.word.is_final:
        return None
    if row.word.code in {"uploading", "linking", "waiting"}:
        return FAST
    if row.word.code == ON_HOLD:
        return HELD
    upcoming = row.push.next_attempt_at if row.push else None
    return SLOW if upcoming is not None and upcoming - now > FAR else USUAL


def list_tempo(rows: Iterable[DocumentRow], now: datetime) -> str | None:
    """Return how often a list asks for its badges; None when all of them are final."""
    tempi = {tempo(row, now) for row in rows} - {None}
    if not tempi:
        return None
    return HELD if tempi == {HELD} else USUAL


def moving(rows: Iterable[DocumentRow]) -> int:
    """Return how many of the rows are on their way; those on hold wait for a person."""
    return sum(not row.word.is_final and row.word.code != ON_HOLD for row in rows)


def _sentence(row: DocumentRow, story: PushStory) -> Sentence:
    if row.held_by is not None and row.word.code != "filed":
        return cause_sentence(Cause(row.held_by, client_name=row.client_name))
    if row.is_offered:
        return offered_sentence()
    if row.word.code == "not_sent" and row.status == DocumentStatus.ACCEPTED:
        return unconnected_sentence()
    return push_sentence(row.word, story)


def _story(
    row: DocumentRow,
    frame: Frame,
    *,
    ahead: int = 0,
    folder_path: str = "",
    contact_name: str | None = None,
    technical: dict[str, object] | None = None,
) -> PushStory:
    push, facts = row.push, technical or {}
    moment = (push.pushed_at or push.next_attempt_at) if push else None
    cause = None
    if push is not None and push.cause is not None:
        cause = Cause(
            PushCause(push.cause),
            client_name=row.client_name,
            folder_name=push.folder_name or "chase.md",
            size=row.size,
            extension=row.file_name.rpartition(".")[2],
            at=_when(row.changed_at),
            xero_said=str(facts.get("xero_said") or ""),
            reference=str(facts.get("reference") or ""),
        )
    return PushStory(
        client_name=contact_name or row.client_name,
        folder_path=folder_path or (push.folder_name if push else None) or "chase.md",
        size=row.size,
        ahead=ahead,
        at=_when(moment) if moment else "",
        retry_count=push.retry_count if push else 0,
        waits_because=row.waits_because,
        cause=cause,
        can_reconnect=bool(frame.person and frame.person.is_admin),
        needs_permission=row.needs_permission,
        admin_name=" or ".join(frame.admins),
    )


def _when(moment: datetime) -> str:
    return near_time(moment, Place(flask_babel.get_timezone(), utcnow(), flask_babel.get_locale()))


def _with_action(row: DocumentRow, sentence: Sentence, in_xero: str) -> PushWords:
    retry = url_for("documents.retry", document_id=row.id)
    client = url_for("clients.one", client_id=row.client_id)
    settings = url_for("settings.page")
    actions = {
        Fix.ACCEPT: (url_for("documents.accept", document_id=row.id), True),
        Fix.SEND: (url_for("documents.send", document_id=row.id), True),
        Fix.RECONNECT: (settings, False),
        Fix.ALLOW: (settings, False),
        Fix.TURN_ON: (settings, False),
        Fix.CHOOSE_FOLDER: (settings, False),
        Fix.OPEN_IN_XERO: (in_xero, False),
        Fix.TRY_NOW: (retry, True),
        Fix.PUT_ON_CONTACT: (retry, True),
        Fix.RETRY: (retry, True),
        Fix.LINK_CLIENT: (client, False),
    }
    url, posts = actions.get(sentence.fix, ("", False))
    return PushWords(sentence, url, posts)
