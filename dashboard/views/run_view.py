"""A run in the words of pages: how far it is, what it tells, and what is worth saying aloud."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import flask_babel

from dashboard.models import RunKind, RunStatus
from dashboard.queries.stamps import runs_stamp
from dashboard.queries.sync_runs import ItemRow, RunRow
from dashboard.rules.status_words import RUN_HELD, StatusWord, run_word
from dashboard.rules.undo import may_still_undo
from dashboard.rules.waiting_sentences import wait_sentence
from dashboard.views import filters
from dashboard.views.filters import number, plural

KINDS = {
    RunKind.IMPORT.value: "Import",
    RunKind.CONTACT_SYNC.value: "Contact check",
    RunKind.UNDO.value: "Undo",
}
UNDOABLE_KINDS = (RunKind.IMPORT.value, RunKind.CONTACT_SYNC.value)
STEPS = {
    RunKind.IMPORT.value: ("Read", "Match", "Create, link and tag"),
    RunKind.UNDO.value: ("Prepare", "Take back"),
    RunKind.CONTACT_SYNC.value: ("Read", "Update clients", "Match"),
}
CHECK_STEPS = ("read", "follow", "match")

EAGER = timedelta(minutes=1)
# A guess at the time left is worth showing only after a tenth of the work and ten seconds.
GUESS_FROM_PERCENT = 10
GUESS_FROM = timedelta(seconds=10)
QUIET = timedelta(seconds=15)
LEVELS = (75, 50, 25, 0)
LEVEL_WORDS = {25: "A quarter done", 50: "Half done", 75: "Three quarters done"}
HEARD = re.compile(r"(0|25|50|75)(p?)(w?)\.(\d{1,12})")


@dataclass(frozen=True, slots=True)
class RunView:
    """A run in the words of pages; `now` is when it is looked at."""

    run: RunRow
    now: datetime

    @property
    def kind_word(self) -> str:
        """What kind of run it is."""
        return KINDS[self.run.kind]

    @property
    def is_import(self) -> bool:
        """Whether clients are made, rather than contacts read."""
        return self.run.kind == RunKind.IMPORT

    @property
    def is_undo(self) -> bool:
        """Whether another run is taken back."""
        return self.run.kind == RunKind.UNDO

    @property
    def is_check(self) -> bool:
        """Whether contacts are read."""
        return self.run.kind == RunKind.CONTACT_SYNC

    @property
    def can_be_undone(self) -> bool:
        """Whether it ended lately and changed something; that nobody undid it is not asked here."""
        run = self.run
        if run.kind not in UNDOABLE_KINDS or not run.is_final or run.finished_at is None:
            return False
        skipped = run.skipped if self.is_import else 0
        changed = run.created + run.linked + run.updated + skipped
        return changed > 0 and may_still_undo(run.finished_at, self.now)

    @property
    def word(self) -> StatusWord:
        """How it stands."""
        return RUN_HELD if self.is_held else run_word(self.run.status)

    @property
    def is_held(self) -> bool:
        """Whether it stopped and waits for a person's word."""
        return self.run.held_at is not None

    @property
    def by(self) -> str:
        """Who started it."""
        return self.run.started_by_name or "Automatic"

    @property
    def is_waiting(self) -> bool:
        """Whether no worker has begun."""
        return self.run.status == RunStatus.WAITING and self.run.done == 0

    @property
    def waits_for_xero(self) -> bool:
        """Whether it goes on by itself later."""
        return self.run.status == RunStatus.WAITING_FOR_XERO

    @property
    def why_it_waits(self) -> str:
        """Why nothing is asked of Xero now."""
        return wait_sentence(self.run.waits_because)

    @property
    def is_finished(self) -> bool:
        """Whether it came to its own end."""
        return self.run.status in {RunStatus.FINISHED, RunStatus.FINISHED_WITH_PROBLEMS}

    @property
    def is_cancelled(self) -> bool:
        """Whether a person stopped it."""
        return self.run.status == RunStatus.CANCELLED

    @property
    def has_failed(self) -> bool:
        """Whether something outside ended it."""
        return self.run.status == RunStatus.FAILED

    @property
    def new(self) -> int:
        """Clients made by an import; contacts that a check saw for the first time."""
        return self.run.contacts_new if self.is_check else self.run.created

    @property
    def took(self) -> timedelta | None:
        """How long it has run, or ran."""
        if self.run.started_at is None:
            return None
        return max((self.run.finished_at or self.now) - self.run.started_at, timedelta())

    @property
    def every(self) -> str | None:
        """How often its panel asks; None at the end."""
        if self.run.is_final:
            return None
        return "2s" if self.now - self.run.created_at < EAGER else "5s"

    @property
    def steps(self) -> list[tuple[str, str]]:
        """The stages with done, now, stopped or next."""
        names = STEPS[self.run.kind]
        if self.is_finished:
            return [(name, "done") for name in names]
        at = CHECK_STEPS.index(self.run.step) if self.is_check else len(names) - 1
        states = ["done" if place < at else "next" for place in range(len(names))]
        states[at] = "stopped" if self.run.is_final else "now"
        return list(zip(names, states, strict=True))

    @property
    def time_left(self) -> str | None:
        """A rounded guess, once there is something to guess from."""
        took, percent = self.took, self.run.percent
        running = self.run.status == RunStatus.RUNNING
        if not running or took is None or took < GUESS_FROM or not percent:
            return None
        if percent < GUESS_FROM_PERCENT or not self.run.total:
            return None
        left = took * (self.run.total - self.run.done) / self.run.done
        minutes = round(left.total_seconds() / 60)
        if minutes < 1:
            return "less than a minute left"
        return plural(minutes, "about {n} minute left", "about {n} minutes left")


@dataclass(frozen=True, slots=True)
class Folded:
    """Automatic checks in a row that changed nothing, as one line."""

    count: int
    first_at: datetime
    last_at: datetime


@dataclass(frozen=True, slots=True)
class Milestone:
    """What the live region says now, if anything, and what the panel then knows as heard."""

    sentence: str | None
    heard: str | None


@dataclass(frozen=True, slots=True)
class Heard:
    """How far a reader was told a run is, and when that was."""

    level: int
    problem: bool
    waiting: bool
    at: int = 0

    @property
    def text(self) -> str:
        """The same for an address."""
        return f"{self.level}{'p' * self.problem}{'w' * self.waiting}.{self.at}"

    def is_news_after(self, other: Heard) -> bool:
        """Whether there is something to tell that *other* did not hold."""
        return (self.level, self.problem, self.waiting) != (
            other.level,
            other.problem,
            other.waiting,
        )


def folded(runs: Iterable[RunRow], now: datetime) -> list[RunView | Folded]:
    """Return the runs as rows; neighbours that nobody started and that changed nothing are one."""
    rows: list[RunView | Folded] = []
    for run in runs:
        before = rows[-1] if rows else None
        if not _tells_nothing(run):
            rows.append(RunView(run, now))
        elif isinstance(before, Folded):
            rows[-1] = Folded(before.count + 1, run.created_at, before.last_at)
        else:
            rows.append(Folded(1, run.created_at, run.created_at))
    return rows


def milestone(run: RunRow, heard: Heard | None, now: datetime) -> Milestone:
    """Return what is worth saying about a run that a reader last heard of as *heard*.

    Counters are never read out poll by poll: the start, each quarter, the first problem, waiting
    for Xero and going on again are, at least fifteen seconds apart, and always the end.
    """
    if run.is_final:
        return Milestone(_end_sentence(run), None)
    if run.status == RunStatus.WAITING and heard is None:
        return Milestone(None, None)
    reached = _reached(run, now)
    if heard is None:
        return Milestone(_start_sentence(run), reached.text)
    too_soon = reached.at - heard.at < QUIET.total_seconds()
    if too_soon or not reached.is_news_after(heard):
        return Milestone(None, heard.text)
    return Milestone(_news(run, heard, reached, now), reached.text)


def heard_of(text: str) -> Heard | None:
    """Return what the address says was heard; None for nothing, or for what cannot be read."""
    found = HEARD.fullmatch(text)
    if found is None:
        return None
    level, problem, waiting, at = found.groups()
    return Heard(int(level), bool(problem), bool(waiting), int(at))


def heard_at_load(run: RunRow, now: datetime) -> str | None:
    """Return what a reader of the whole page knows; nothing while the run has not started."""
    return None if run.status == RunStatus.WAITING else _reached(run, now).text


def seen_of(live: Iterable[RunView]) -> str:
    """Return a stamp that changes when one of the runs does."""
    return runs_stamp(view.run.updated_at for view in live)


def changes_of(item: ItemRow) -> list[tuple[str, str, str]]:
    """Return the fields of a client that a run changed: its name, before and after, in words."""
    return [
        (
            field.replace("_", " ").capitalize(),
            _in_words(change.get("before")),
            _in_words(change.get("after")),
        )
        for field, change in (item.changes or {}).items()
    ]


def _in_words(value: str | list[str] | None) -> str:
    return ", ".join(value) if isinstance(value, list) else value or ""


def _reached(run: RunRow, now: datetime) -> Heard:
    percent = run.percent or 0
    return Heard(
        level=next(level for level in LEVELS if percent >= level),
        problem=run.problems > 0,
        waiting=run.status == RunStatus.WAITING_FOR_XERO,
        at=int(now.timestamp()),
    )


def _start_sentence(run: RunRow) -> str:
    if run.total is None:
        return f"{KINDS[run.kind]} started."
    contacts = plural(run.total, "{n} contact", "{n} contacts")
    return f"{KINDS[run.kind]} started, {contacts}."


def _news(run: RunRow, heard: Heard, reached: Heard, now: datetime) -> str:
    done = f"{number(run.done)} of {number(run.total)}" if run.total else number(run.done)
    if reached.waiting and not heard.waiting:
        why = wait_sentence(run.waits_because)
        if run.not_before is None:
            return why
        place = filters.Place(flask_babel.get_timezone() or UTC, now)
        at = filters.hour_minute(run.not_before, place)
        return f"{why} Carries on at {at}."
    if heard.waiting and not reached.waiting:
        return f"Carried on, {done}."
    if reached.problem and not heard.problem:
        return _attention(run.problems) + "."
    return f"{LEVEL_WORDS.get(reached.level, 'Under way')}, {done}."


def _end_sentence(run: RunRow) -> str:
    if run.error:
        return run.error
    if run.kind == RunKind.CONTACT_SYNC:
        return plural(run.done, "{n} contact was read.", "{n} contacts were read.")
    if run.kind == RunKind.UNDO:
        left = plural(run.skipped, "{n} left as it is", "{n} left as they are")
        return f"Undo finished. {number(run.updated)} undone, {left}."
    parts = [f"{number(run.created)} created", f"{number(run.linked)} linked"]
    if run.problems:
        parts.append(_attention(run.problems).replace("contacts ", "").replace("contact ", ""))
    return f"Import finished. {', '.join(parts)}."


def _attention(problems: int) -> str:
    return plural(problems, "{n} contact needs attention", "{n} contacts need attention")


def _tells_nothing(run: RunRow) -> bool:
    return run.kind == RunKind.CONTACT_SYNC and run.is_automatic and run.changed_nothing
