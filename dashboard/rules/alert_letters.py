"""What emails about alerts say: subject and sections, with the numbers of the moment of sending."""

from __future__ import annotations

from dataclasses import dataclass

from dashboard.rules.alert_table import kind_of

# The subject of the first email, and of the reminders.
SUBJECTS = {
    "disconnected_in_xero": ("Xero was disconnected", "Xero is still disconnected"),
    "reconnect_needed": ("Xero needs reconnecting", "Xero still needs reconnecting"),
    "connection_problem": (
        "We cannot use the connection to Xero",
        "We still cannot use the connection to Xero",
    ),
    "permission_needed": ("Xero needs your permission", "Xero still needs your permission"),
    "not_confirmed": ("Xero has not answered for 6 hours", "Xero still does not answer"),
    "sync_held": (
        "A contact check stopped and asks",
        "A contact check still waits for your answer",
    ),
    "import_problems": ("Import finished with problems", "Import finished with problems"),
}


@dataclass(frozen=True, slots=True)
class Section:
    """One matter: what happened, what it means, and the page that helps."""

    title: str
    text: str
    action: str
    path: str


@dataclass(frozen=True, slots=True)
class Letter:
    """An email before it has a recipient; the paths are those of our own pages."""

    subject: str
    sections: tuple[Section, ...]


def about(
    cause: str, title: str, text: str, *, number: int = 1, count: int = 1, on_hold: int = 0
) -> Letter:
    """Return the email about one alert. `number`: 1 is the first, the others are reminders."""
    kind = kind_of(cause)
    subject = SUBJECTS[cause][0 if number == 1 else 1]
    if kind.holds_documents and on_hold:
        subject = f"{subject}: {held(on_hold)}"
        text = f"{text} {held(on_hold)}."
    if cause == "import_problems":
        subject = f"{subject}: {_contacts(count)}"
    return Letter(subject, (Section(title, text, kind.action, kind.path),))


def digest(*, attention: int, on_hold: int) -> Letter | None:
    """Return the email of the morning about what still waits, or None if nothing does.

    `attention`: documents whose filing did not work. `on_hold`: documents on hold for over 3 days.
    """
    found = []
    if attention:
        found.append(
            ("pushes_need_attention", attention_title(attention), attention_text(attention))
        )
    if on_hold:
        found.append(("documents_on_hold", on_hold_title(on_hold), on_hold_text(on_hold)))
    if not found:
        return None
    sections = tuple(
        Section(title, text, kind_of(cause).action, kind_of(cause).path)
        for cause, title, text in found
    )
    subject = sections[0].title
    if attention and on_hold:
        subject = f"{subject}, {on_hold:,} on hold for over 3 days"
    return Letter(subject, sections)


NOT_CONFIRMED_TITLE = "Connection not confirmed for 6 hours"
NOT_CONFIRMED_TEXT = (
    "We have had no good answer from Xero in that time. We keep asking; nothing is lost, and this"
    " ends by itself with the next good answer."
)


def attention_title(count: int) -> str:
    """Return what is said of documents that wait for a person."""
    return f"Filing did not work for {'1 document' if count == 1 else f'{count:,} documents'}"


def attention_text(count: int) -> str:
    """Return what is to be done about them."""
    if count == 1:
        return "The document’s page says why and what to do."
    return "Their pages say why and what to do."


def on_hold_title(count: int) -> str:
    """Return what is said of documents that have waited for a connection for days."""
    if count == 1:
        return "1 document has been on hold for over 3 days"
    return f"{count:,} documents have been on hold for over 3 days"


def on_hold_text(count: int) -> str:
    """Return what becomes of them."""
    if count == 1:
        return "It is sent by itself when the connection to Xero works again."
    return "They are sent by themselves when the connection to Xero works again."


def held(count: int) -> str:
    """Return how many documents are on hold, as a sentence without its full stop."""
    return "1 document is on hold" if count == 1 else f"{count:,} documents are on hold"


def _contacts(count: int) -> str:
    return "1 contact needs attention" if count == 1 else f"{count:,} contacts need attention"
