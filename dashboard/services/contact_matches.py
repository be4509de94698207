"""Which contacts are which clients: the detector asked, and its answers kept for pages to read."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, func, or_, select, update

from dashboard.database import AnySession, only_reading
from dashboard.models import (
    Client,
    MatchDecision,
    Practice,
    RunKind,
    Verdict,
    XeroConnection,
    XeroContact,
)
from dashboard.rules.contact_matching import (
    ClientIndex,
    MatchResult,
    Pair,
    duplicates_in,
    match_profiles,
)
from dashboard.rules.matching.filing import wanted_around, wanted_by
from dashboard.rules.matching.frequencies import Lexicon
from dashboard.rules.matching.profile import profile_of
from dashboard.services import match_file
from dashboard.services.client_list import current_connection, lock_clients
from dashboard.services.contact_changes import (
    Changes,
    changes_since,
    concerned,
    holding,
    present_aims,
    taken_of,
    with_rivals,
)
from dashboard.services.contact_twins import replace_twins
from dashboard.services.match_file import Kept, filed_profiles, known_of
from dashboard.services.match_records import (
    HeldContact,
    client_records,
    held_contacts,
    unlinked_contacts,
)
from dashboard.services.run_lease import unfinished_run

logger = logging.getLogger(__name__)

# Up to here the comparison takes a second or two, which a page may; beyond it a job does it.
SMALL = 4_000
# Clients that nobody has changed yet were last changed before anything we keep.
BEFORE_ALL = datetime(1970, 1, 1, tzinfo=UTC)


class ContactMatches:
    """Keeps the match word and the candidates of each contact of the mirror up to date."""

    def __init__(self, *, session: AnySession, clock: Callable[[], datetime]) -> None:
        self._session = session
        self._clock = clock

    def is_stale(self, connection_id: UUID) -> bool:
        """Whether clients or contacts changed since they were compared."""
        changed_at, matched_at = self._session.execute(
            select(Practice.clients_changed_at, XeroConnection.matched_at)
            .join(Practice, Practice.id == XeroConnection.practice_id)
            .where(XeroConnection.id == connection_id)
        ).one()
        if matched_at is None:
            return True
        return changed_at is not None and changed_at > matched_at

    def refresh_if_small(self, practice_id: UUID) -> bool:
        """Compare now if that is due and quick; return whether the matches are fresh.

        While a sync or an import runs nothing is done: it compares at its end. One that waits for
        Xero or for a person may do so for hours. Commits.
        """
        connection = current_connection(self._session, practice_id)
        if connection is None:
            return True
        connection_id = connection.id
        if not self.is_stale(connection_id):
            self._session.commit()
            return True
        runs = [unfinished_run(self._session, practice_id, kind) for kind in RunKind]
        busy = any(run is not None and not run.rests for run in runs)
        size = self._contacts(connection_id) + self._clients(practice_id)
        self._session.commit()
        if busy or size > SMALL:
            return False
        self.rematch(practice_id, connection_id)
        return True

    def size(self, practice_id: UUID, connection_id: UUID) -> int:
        """Return how many contacts and clients there are to compare."""
        return self._contacts(connection_id) + self._clients(practice_id)

    def rematch(self, practice_id: UUID, connection_id: UUID) -> int:
        """Compare unlinked contacts with clients, and contacts among themselves.

        Only what changed since the last whole comparison is compared, and everything once a day or
        when much has changed. Returns how many answers changed. Commits. The comparison itself runs
        outside a transaction; rows whose answer is the same are not written.
        """
        now = self._clock()
        seen = self._seen(practice_id)
        with only_reading(self._session):
            job = _Job(self._session, practice_id, connection_id, seen)
            kept = match_file.kept(self._session, connection_id, now)
            changes = job.changes_since(kept) if kept else None
        if kept is None or changes is None or changes.are_many:
            written = job.compare_all(now)
        else:
            written = job.compare(kept, changes)
        logger.info("connection %s: %d contacts matched anew", connection_id, written)
        return written

    def _seen(self, practice_id: UUID) -> datetime:
        """Return up to which change of the practice's clients we see.

        Read under the lock of those who change them: what they change from now on is newer.
        """
        lock_clients(self._session, practice_id)
        at = self._session.scalar(
            select(Practice.clients_changed_at).where(Practice.id == practice_id)
        )
        self._session.commit()
        return at or BEFORE_ALL

    def _contacts(self, connection_id: UUID) -> int:
        return (
            self._session.scalar(
                select(func.count())
                .select_from(XeroContact)
                .where(XeroContact.xero_connection_id == connection_id)
            )
            or 0
        )

    def _clients(self, practice_id: UUID) -> int:
        return (
            self._session.scalar(
                select(func.count()).select_from(Client).where(Client.practice_id == practice_id)
            )
            or 0
        )


class _Job:
    """One comparison for one connection."""

    def __init__(
        self, session: AnySession, practice_id: UUID, connection_id: UUID, at: datetime
    ) -> None:
        self._session = session
        self._practice_id = practice_id
        self._connection_id = connection_id
        self._at = at
        self._revision = (
            session.scalar(
                select(XeroConnection.contacts_revision).where(XeroConnection.id == connection_id)
            )
            or 0
        )

    def changes_since(self, kept: Kept) -> Changes:
        """Return what is otherwise than the file has it."""
        return changes_since(self._session, self._practice_id, self._connection_id, kept)

    # -- everything ---------------------------------------------------------------------------

    def compare_all(self, now: datetime) -> int:
        """Compare everything with everything, and keep what was learnt for the next time."""
        session, connection_id = self._session, self._connection_id
        with only_reading(session):
            clients = client_records(session, self._practice_id)
            held = {each.row_id: each for each in held_contacts(session, connection_id)}
            unlinked = unlinked_contacts(session, connection_id)
            taken = taken_of(session, connection_id, None)
            refused = self._refused()
        index = ClientIndex.build(clients)
        profiles = {row_id: index.profile(each.record) for row_id, each in held.items()}
        found = match_profiles(
            [profile for row_id, profile in profiles.items() if row_id in unlinked],
            index,
            taken=taken,
            not_a_match=refused,
        )
        filed = filed_profiles((UUID(each.key), each) for each in index.profiles)
        filed_contacts = filed_profiles(profiles.items())
        lexicon = index.lexicon
        # The two comparisons need not be in memory at once.
        del index, profiles, clients
        within = ClientIndex.build(each.record for each in held.values())
        twins = duplicates_in(within)
        known = known_of(
            clients=filed,
            contacts=filed_contacts,
            linked=held.keys() - unlinked,
            taken=map(UUID, taken),
            lexicon=lexicon,
            lexicon_within=within.lexicon,
        )
        changed = _changed([each for row_id, each in held.items() if row_id in unlinked], found)
        if self._is_ours():
            self._write(changed)
            replace_twins(session, self._practice_id, connection_id, twins, of=None)
            match_file.keep(
                session,
                connection_id,
                known,
                clients_at=self._at,
                contacts_revision=self._revision,
                now=now,
            )
        session.commit()
        return len(changed)

    # -- what changed -------------------------------------------------------------------------

    def compare(self, kept: Kept, changes: Changes) -> int:
        """Compare what a change may concern, and leave every other answer as it is."""
        session, connection_id = self._session, self._connection_id
        lexicon = kept.known.lexicon
        with only_reading(session):
            aims = present_aims(session, connection_id)
            wanted = concerned(
                session, self._practice_id, kept=kept, changes=changes, aims=aims, lexicon=lexicon
            )
            held, found = self._matched(wanted, kept, changes, lexicon)
            best = {UUID(one.candidates[0].client_key) for one in found.values() if one.candidates}
            all_wanted = with_rivals(wanted, aims, best)
            if all_wanted != wanted:
                held, found = self._matched(all_wanted, kept, changes, lexicon)
            twins, whose = self._twins(kept, changes)
        changed = _changed(held, found)
        if self._is_ours():
            self._write(changed)
            replace_twins(session, self._practice_id, connection_id, twins, of=whose)
            match_file.note_recompared(
                session, connection_id, kept, (each["key"] for each in changed)
            )
        session.commit()
        return len(changed)

    def _matched(
        self, wanted: Collection[UUID], kept: Kept, changes: Changes, lexicon: Lexicon
    ) -> tuple[list[HeldContact], Mapping[str, MatchResult]]:
        """Return these contacts with their answers, from the clients that may be meant."""
        session, connection_id, known = self._session, self._connection_id, kept.known
        held = list(held_contacts(session, connection_id, wanted))
        profiles = [profile_of(each.record, lexicon) for each in held]
        client_ids = {*holding(known.clients, wanted_by(profiles, lexicon)), *changes.clients}
        index = ClientIndex.part(client_records(session, self._practice_id, client_ids), lexicon)
        nearby = {*holding(known.contacts, wanted_around(profiles)), *changes.contacts}
        nearby = (nearby & changes.unlinked) - set(wanted)
        found = match_profiles(
            profiles,
            index,
            taken=taken_of(session, connection_id, client_ids),
            not_a_match=self._refused(),
            around=[
                profile_of(each.record, lexicon)
                for each in held_contacts(session, connection_id, nearby)
            ],
        )
        return held, found

    def _twins(self, kept: Kept, changes: Changes) -> tuple[list[Pair], set[str]]:
        """Return the pairs of contacts that were read anew, and whose they are."""
        session, connection_id = self._session, self._connection_id
        lexicon = kept.known.lexicon_within
        changed = [each.record for each in held_contacts(session, connection_id, changes.contacts)]
        whose = {record.key for record in changed}
        wanted = wanted_by([profile_of(record, lexicon) for record in changed], lexicon)
        others = {*holding(kept.known.contacts, wanted)} - changes.contacts
        records = [
            *changed,
            *(each.record for each in held_contacts(session, connection_id, others)),
        ]
        return duplicates_in(ClientIndex.part(records, lexicon), of=whose), whose

    # -- both ---------------------------------------------------------------------------------

    def _refused(self) -> frozenset[tuple[str, str]]:
        refused = self._session.execute(
            select(MatchDecision.xero_contact_id, MatchDecision.client_id).where(
                MatchDecision.xero_connection_id == self._connection_id,
                MatchDecision.verdict == Verdict.NOT_A_MATCH,
            )
        )
        return frozenset((row[0], str(row[1])) for row in refused)

    def _is_ours(self) -> bool:
        """Say up to where contacts are compared, unless somebody who saw more has written."""
        ours = self._session.execute(
            update(XeroConnection)
            .where(
                XeroConnection.id == self._connection_id,
                or_(XeroConnection.matched_at.is_(None), XeroConnection.matched_at <= self._at),
            )
            .values(matched_at=self._at)
            .returning(XeroConnection.id)
            .execution_options(synchronize_session=False)
        ).scalar()
        return ours is not None

    def _write(self, changed: list[dict[str, Any]]) -> None:
        """Write answers, but not to contacts that were read anew while we compared."""
        if changed:
            table: Any = XeroContact.__table__
            self._session.connection().execute(
                update(table)
                .where(table.c.id == bindparam("key"), table.c.revision <= self._revision)
                .values(match=bindparam("word"), candidates=bindparam("list")),
                changed,
            )


def _changed(held: Iterable[HeldContact], found: Mapping[str, MatchResult]) -> list[dict[str, Any]]:
    return [
        {"key": each.row_id, "word": word, "list": candidates}
        for each in held
        for word, candidates in [_stored(found[each.record.key])]
        if (each.word, each.candidates) != (word, candidates)
    ]


def _stored(result: MatchResult) -> tuple[str, list[dict[str, Any]]]:
    return result.word, [
        {
            "client_id": candidate.client_key,
            "score": round(candidate.score, 4),
            "reasons": [reason.text for reason in candidate.reasons],
        }
        for candidate in result.candidates
    ]
