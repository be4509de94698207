"""What an undo does with one item of a run, and why it leaves one as it is.

Whatever somebody changed since the run stays; so does a client that has documents or tags of the
practice's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from dashboard.rules.client_fields import FIELD_NAMES, FIELDS

UNDO_FOR = timedelta(days=30)


class Step(StrEnum):
    """What an undo does with one item."""

    DELETE = "delete"
    UNLINK = "unlink"
    RESTORE = "restore"
    OFFER = "offer"
    KEEP = "keep"


@dataclass(frozen=True, slots=True)
class UndoFacts:
    """One item of the run and how its client stands now.

    `outcome` is what the run made of it. `is_edited`: the client changed since the run wrote it.
    `is_link_ours`: the client is still linked as the run linked it. `values` are the client's
    fields now, `changes` what the run changed in them (`{field: {"before", "after"}}`).
    """

    outcome: str
    client_name: str | None
    is_edited: bool = False
    is_link_ours: bool = False
    has_documents: bool = False
    has_own_tags: bool = False
    is_skipped: bool = False
    values: Mapping[str, str | None] = field(default_factory=dict)
    changes: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, row: Any) -> UndoFacts:
        """Return the facts of a row of `models.run_undo.items_to_undo`."""
        made_skip = (row.before or {}).get("made_skip")
        return cls(
            outcome=str(row.outcome),
            client_name=row.name,
            is_edited=row.is_edited,
            is_link_ours=row.is_link_ours,
            has_documents=row.has_documents,
            has_own_tags=row.has_own_tags,
            is_skipped=row.skip_id is not None and str(row.skip_id) == made_skip,
            values={name: getattr(row, name) for name in FIELDS},
            changes=row.changes or {},
        )


@dataclass(frozen=True, slots=True)
class UndoStep:
    """What happens, the sentence for it, and for RESTORE the values to write."""

    step: Step
    sentence: str
    values: Mapping[str, str | None] = field(default_factory=dict)


def may_still_undo(finished_at: datetime, now: datetime) -> bool:
    """Whether a run that ended then may be undone now."""
    return now - finished_at <= UNDO_FOR


def decide(facts: UndoFacts) -> UndoStep:
    """Return what an undo does with one item."""
    if facts.outcome == "skipped":
        return _offer_again(facts)
    if facts.client_name is None:
        return UndoStep(Step.KEEP, "The client was deleted since, so nothing is left to undo.")
    if facts.outcome == "created":
        return _take_away(facts)
    if facts.outcome == "linked":
        return _unlink(facts)
    return _restore(facts)


def _offer_again(facts: UndoFacts) -> UndoStep:
    if not facts.is_skipped:
        return UndoStep(Step.KEEP, "It is offered again already.")
    return UndoStep(Step.OFFER, "It is offered again.")


def _take_away(facts: UndoFacts) -> UndoStep:
    reasons = (
        (facts.has_documents, "it has documents"),
        (not facts.is_link_ours, "its link to Xero was changed since"),
        (facts.is_edited, "it was edited since"),
        (facts.has_own_tags, "it was given tags of your own"),
    )
    why = next((words for holds, words in reasons if holds), None)
    if why is not None:
        return UndoStep(Step.KEEP, f"{facts.client_name} stays, because {why}.")
    return UndoStep(Step.DELETE, f"{facts.client_name} is deleted here. Xero keeps the contact.")


def _unlink(facts: UndoFacts) -> UndoStep:
    if not facts.is_link_ours:
        sentence = f"{facts.client_name} stays as it is, because its link was changed since."
        return UndoStep(Step.KEEP, sentence)
    return UndoStep(Step.UNLINK, f"{facts.client_name} is no longer linked to this contact.")


def _restore(facts: UndoFacts) -> UndoStep:
    changed = {name: facts.changes[name] for name in FIELDS if name in facts.changes}
    if not changed:
        sentence = "Tags and links that followed Xero stay as Xero has them."
        return UndoStep(Step.KEEP, sentence)
    values = {
        name: change["before"]
        for name, change in changed.items()
        if facts.values.get(name) == change["after"]
    }
    edited = [FIELD_NAMES[name] for name in changed if name not in values]
    if not values:
        stays = f"{facts.client_name} stays as it is, because {_listed(edited)} changed since."
        return UndoStep(Step.KEEP, stays)
    back = [FIELD_NAMES[name] for name in values]
    sentence = f"{facts.client_name} gets back its former {_listed(back)}."
    if edited:
        sentence += f" Changed since and left alone: {_listed(edited)}."
    return UndoStep(Step.RESTORE, sentence, values)


def _listed(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
