"""XeroAuthService: from the Connect button to a living connection, and back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, update

from dashboard.crypto import TokenUnreadable
from dashboard.database import AnySession
from dashboard.models import ConnectionStatus, XeroConnection
from dashboard.rules.connection_sentences import look_again_after, problem_sentence
from dashboard.rules.consent_sentences import ConsentSentence
from dashboard.rules.permissions import FILES, is_granted
from dashboard.rules.phase import HEALTH_EVERY, HEALTH_HOLD, first_slot
from dashboard.services.access_in_use import AccessInUse
from dashboard.services.answer_meaning import AnswerMeaning, reconnect_needed
from dashboard.services.connection_truth import ConnectionTruth
from dashboard.services.consent import ConsentService
from dashboard.services.leaving import Leaving
from dashboard.services.refusals import ConnectionNotUsable, NotConnected
from dashboard.services.results import (
    Connected,
    ConsentRequest,
    DisconnectResult,
    OrganisationChoice,
    XeroCall,
)
from dashboard.services.token_custody import AccessLost, TokenCustody
from dashboard.services.xero_clients import ClientFactory
from dashboard.xero import Priority, XeroClient, XeroError, XeroMustWait


class XeroAuthService:
    """Connects, keeps and ends a practice's connection to one Xero organisation.

    Consents are `ConsentService`'s and the end is `Leaving`'s; between the two lies every call.
    """

    def __init__(
        self,
        *,
        session: AnySession,
        custody: TokenCustody,
        truth: ConnectionTruth,
        consents: ConsentService,
        meaning: AnswerMeaning,
        leaving: Leaving,
        make_client: ClientFactory,
        clock: Callable[[], datetime],
    ) -> None:
        self._session = session
        self._custody = custody
        self._truth = truth
        self._consents = consents
        self._meaning = meaning
        self._leaving = leaving
        self._make_client = make_client
        self._clock = clock

    # -- connecting and leaving: see `consent.py` and `leaving.py` -----------------------------

    def generate_auth_url(
        self, practice_id: UUID, user_id: UUID, browser_key: str
    ) -> ConsentRequest:
        """Return the Xero page to send this person to, remembered for ten minutes and one use."""
        return self._consents.begin(practice_id, user_id, browser_key)

    def handle_callback(
        self, practice_id: UUID, user_id: UUID, browser_key: str, code: str, state: str
    ) -> Connected:
        """Return the connection that this consent made.

        Raises `ConsentRefused`, `OrganisationHeld`, or `ChoiceNeeded` when a person has to choose
        among several organisations, or to say whether to leave the one from before.
        """
        return self._consents.finish(practice_id, user_id, browser_key, code, state)

    def handle_refusal(
        self,
        practice_id: UUID,
        user_id: UUID,
        browser_key: str,
        state: str,
        *,
        error: str,
        description: str,
    ) -> ConsentSentence:
        """Close the attempt that came back from Xero with an *error* instead of a code."""
        return self._consents.end_refused(
            practice_id, user_id, browser_key, state, error=error, description=description
        )

    def choices(self, practice_id: UUID, user_id: UUID, attempt_id: UUID) -> OrganisationChoice:
        """Return what this attempt still asks: which organisation, or whether to leave another."""
        return self._consents.choices(practice_id, user_id, attempt_id)

    def choose_organisation(
        self, practice_id: UUID, user_id: UUID, attempt_id: UUID, tenant_id: str
    ) -> Connected:
        """Return the connection to the chosen organisation; may raise `ChoiceNeeded` once more."""
        return self._consents.choose(practice_id, user_id, attempt_id, tenant_id)

    def forget_choice(self, practice_id: UUID, user_id: UUID, attempt_id: UUID) -> None:
        """Keep everything as it was; the consent is given back at Xero."""
        self._consents.forget_choice(practice_id, user_id, attempt_id)

    def give_back_abandoned(self, attempt_id: UUID) -> None:
        """Give back a consent whose question nobody answered in time."""
        self._consents.give_back_abandoned(attempt_id)

    def disconnect(self, practice_id: UUID, *, remove_links: bool = False) -> DisconnectResult:
        """End the connection: stop work, tell Xero, erase our tokens whatever Xero answers."""
        return self._leaving.disconnect(practice_id, remove_links=remove_links)

    # -- calling ------------------------------------------------------------------------------

    @contextmanager
    def calling(self, practice_id: UUID, priority: Priority) -> Iterator[XeroCall]:
        """Yield the practice's Xero with fresh access; write down what its answers mean.

        Entering and leaving commits the session. Xero's errors are recorded on the connection and
        raised on: `ConnectionNotUsable` when only a person can help, `XeroMustWait` for every kind
        of limit, and the others as they are.
        """
        connection = self._usable(practice_id)
        connection_id, tenant_id = connection.id, connection.xero_tenant_id
        with self._access_of(connection_id, priority) as access:
            yield XeroCall(self._client(tenant_id, access, priority), connection_id)

    def get_valid_client(self, practice_id: UUID, priority: Priority = Priority.PUSH) -> XeroClient:
        """Return a client with five minutes of access or more, refreshed if it was needed."""
        with self.calling(practice_id, priority) as call:
            return call.xero

    def refresh_if_due(self, connection_id: UUID) -> None:
        """Refresh the connection's tokens if their time has come: a doubled bell does nothing."""
        version = self._custody.due_version(connection_id)
        if version is not None:
            self._refresh(connection_id, version)

    def refresh_token(self, connection_id: UUID) -> None:
        """Refresh the connection's tokens now, once, however many workers ask for it."""
        connection = self._session.get(XeroConnection, connection_id, populate_existing=True)
        if connection is not None:
            self._refresh(connection_id, connection.token_version)

    def check_if_due(self, connection_id: UUID) -> None:
        """Check the connection's health if its time has come: a doubled bell does nothing."""
        held_until = self._hold_check(connection_id, XeroConnection.health_due_at <= self._clock())
        if held_until is not None:
            self._check_held(connection_id, held_until, Priority.SYNC)

    def check_health(self, connection_id: UUID, priority: Priority = Priority.SYNC) -> None:
        """Find out whether the connection really works: still listed at Xero, and answering.

        A connection in trouble is only well again when everything that it is for is served; what
        was left half-way is left for good. After `token_expired` Xero is not asked.
        """
        held_until = self._hold_check(connection_id)
        if held_until is not None:
            self._check_held(connection_id, held_until, priority)

    # -- inside -------------------------------------------------------------------------------

    def _hold_check(self, connection_id: UUID, *conditions: ColumnElement[bool]) -> datetime | None:
        """Keep other workers from checking while we do; return until when, None if it is theirs."""
        held_until = self._session.scalar(
            update(XeroConnection)
            .where(XeroConnection.id == connection_id, *conditions)
            .values(health_due_at=self._clock() + HEALTH_HOLD)
            .returning(XeroConnection.health_due_at)
            .execution_options(synchronize_session=False)
        )
        self._session.commit()
        return held_until

    def _check_held(self, connection_id: UUID, held_until: datetime, priority: Priority) -> None:
        """Make the check and, whatever it brings, name the next one."""
        wait = None
        try:
            self._check(connection_id, priority)
        except XeroMustWait as problem:
            wait = timedelta(seconds=problem.seconds)
            raise
        finally:
            self._session.rollback()
            self._name_next_check(connection_id, held_until, wait)

    def _check(self, connection_id: UUID, priority: Priority) -> None:
        connection = self._session.get_one(XeroConnection, connection_id, populate_existing=True)
        status, tenant_id = connection.status, connection.xero_tenant_id
        reads_files = status == ConnectionStatus.ERROR and is_granted(FILES, connection.scopes)
        self._session.commit()
        if status == ConnectionStatus.DISCONNECTED:
            self._leaving.finish(connection_id)
            return
        if status == ConnectionStatus.TOKEN_EXPIRED:
            raise reconnect_needed()
        with self._access_of(connection_id, priority) as access:
            if not self._meaning.still_listed(connection_id, access, priority):
                raise self._meaning.gone(connection_id)
            xero = self._client(tenant_id, access, priority)
            organisation = xero.accounting.organisation()
            if reads_files:
                # The trouble may be that of Files alone: to read the rest would prove nothing.
                xero.files.folders()
            self._keep_details(connection_id, organisation.name, organisation.short_code)

    def _name_next_check(
        self, connection_id: UUID, held_until: datetime, wait: timedelta | None
    ) -> None:
        """End the hold: the practice's own turn, after trouble soon, after a limit when it ends."""
        connection = self._session.get_one(XeroConnection, connection_id, populate_existing=True)
        now, errors = self._clock(), connection.consecutive_errors
        turn = first_slot(connection.practice_id, HEALTH_EVERY, now)
        if wait is not None:
            turn = now + wait
        elif errors:
            turn = min(turn, now + look_again_after(errors))
        self._session.execute(
            update(XeroConnection)
            # Who ended or renewed the connection meanwhile has named a moment already.
            .where(XeroConnection.id == connection_id, XeroConnection.health_due_at == held_until)
            .values(health_due_at=turn)
            .execution_options(synchronize_session=False)
        )
        self._session.commit()

    @contextmanager
    def _access_of(self, connection_id: UUID, priority: Priority) -> Iterator[AccessInUse]:
        """Yield the connection's access; errors are written down, and so is that all went well."""
        access: AccessInUse | None = None
        try:
            access = AccessInUse(self._custody, connection_id)
            self._session.commit()
            yield access
        except (AccessLost, TokenUnreadable, XeroError) as problem:
            self._session.rollback()
            version = access.version if access is not None else None
            raise self._meaning.of(problem, connection_id, version, priority) from problem
        self._session.commit()
        self._truth.good_call(connection_id, from_reserve=priority.leaves == 0)

    def _client(self, tenant_id: str, access: AccessInUse, priority: Priority) -> XeroClient:
        return self._make_client(
            tenant_id=tenant_id,
            access=access.secret,
            refresh_access=access.renew,
            priority=priority,
        )

    def _refresh(self, connection_id: UUID, version: int) -> None:
        connection = self._session.get_one(XeroConnection, connection_id)
        if connection.status not in (ConnectionStatus.ACTIVE, ConnectionStatus.ERROR):
            return
        try:
            self._custody.refresh(connection_id, version)
        except (AccessLost, TokenUnreadable, XeroError) as problem:
            self._session.rollback()
            raise self._meaning.of(problem, connection_id) from problem

    def _usable(self, practice_id: UUID) -> XeroConnection:
        connection = self._leaving.current(practice_id)
        if connection is None:
            raise NotConnected
        if connection.status == ConnectionStatus.TOKEN_EXPIRED:
            raise reconnect_needed(connection.last_error)
        if connection.status == ConnectionStatus.ERROR:
            raise ConnectionNotUsable(
                problem_sentence(connection.last_error),
                "Work goes on by itself when Xero accepts us again.",
            )
        return connection

    def _keep_details(self, connection_id: UUID, name: str | None, short_code: str | None) -> None:
        details = {"xero_org_name": name, "short_code": short_code}
        self._session.execute(
            update(XeroConnection)
            .where(XeroConnection.id == connection_id)
            .values({column: value for column, value in details.items() if value})
        )
