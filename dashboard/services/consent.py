"""Consent: from the Connect button through Xero's page and back, and every way it can end."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from datetime import datetime
from uuid import UUID

import msgspec
from sqlalchemy import func, select

from dashboard.database import AnySession
from dashboard.models import ConnectionStatus, XeroConnection, XeroContactMapping
from dashboard.rules.consent_sentences import (
    NO_ORGANISATION,
    NOT_FINISHED,
    ConsentSentence,
    clock_sentence,
    clocks_differ,
    refusal_sentence,
)
from dashboard.rules.organisation_change import OrganisationChange
from dashboard.rules.tenant_choice import (
    KnownOrganisation,
    choose_tenant,
    organisation_left,
    shown_name,
)
from dashboard.secret import Secret
from dashboard.services.connecting import Connecting
from dashboard.services.consent_attempts import Attempt, ConsentAttempts
from dashboard.services.leaving import Leaving
from dashboard.services.organisation_comparison import OrganisationComparison
from dashboard.services.refusals import ConsentRefused, NotFound, OrganisationHeld
from dashboard.services.results import (
    Connected,
    ConsentRequest,
    OrganisationChoice,
    OrganisationOption,
)
from dashboard.services.token_custody import TokenCustody
from dashboard.services.xero_clients import ClientFactory
from dashboard.xero import (
    CodeAnswer,
    Grant,
    Priority,
    Tenant,
    XeroAppRefused,
    XeroClient,
    XeroError,
    XeroIdentityUnproven,
    XeroOAuth,
    XeroUnauthorised,
)

logger = logging.getLogger(__name__)

LONGEST_LOGGED = 200


class ConsentService:
    """Sends people to Xero, takes them back, and settles on the organisation that they mean."""

    def __init__(
        self,
        *,
        session: AnySession,
        oauth: XeroOAuth,
        custody: TokenCustody,
        attempts: ConsentAttempts,
        connecting: Connecting,
        leaving: Leaving,
        comparison: OrganisationComparison,
        make_client: ClientFactory,
        clock: Callable[[], datetime],
    ) -> None:
        self._session = session
        self._oauth = oauth
        self._custody = custody
        self._attempts = attempts
        self._connecting = connecting
        self._leaving = leaving
        self._comparison = comparison
        self._make_client = make_client
        self._clock = clock

    def begin(self, practice_id: UUID, user_id: UUID, browser_key: str) -> ConsentRequest:
        """Return the Xero page to send this person to, remembered for ten minutes and one use."""
        begun = self._attempts.begin(
            practice_id, user_id, browser_key, with_verifier=self._oauth.uses_pkce
        )
        return ConsentRequest(
            self._oauth.authorization_url(begun.state, begun.nonce, begun.code_verifier)
        )

    def end_refused(
        self,
        practice_id: UUID,
        user_id: UUID,
        browser_key: str,
        state: str,
        *,
        error: str,
        description: str,
    ) -> ConsentSentence:
        """Close the attempt that came back without a code; return what its person reads.

        Raises `ConsentRefused` when there is no such attempt.
        """
        self._attempts.take(practice_id, user_id, browser_key, state)
        sentence = refusal_sentence(error, description)
        logger.log(
            logging.ERROR if sentence.is_for_operator else logging.INFO,
            "Xero ended a consent of practice %s: %r %r",
            practice_id,
            error[:LONGEST_LOGGED],
            description[:LONGEST_LOGGED],
        )
        return sentence

    def finish(
        self, practice_id: UUID, user_id: UUID, browser_key: str, code: str, state: str
    ) -> Connected:
        """Return the connection that this consent made.

        Raises `ConsentRefused`, `OrganisationHeld`, or `ChoiceNeeded` when a person has to choose
        among several organisations, or to say whether to leave the one from before.
        """
        taken = self._attempts.take(practice_id, user_id, browser_key, state)
        asked_at = self._shared_now()
        answer = self._exchanged(practice_id, code, taken.code_verifier)
        grant, tenants = self._proven(practice_id, answer, taken.nonce)
        choice = choose_tenant(
            tenants,
            grant.authentication_event_id,
            frozenset(each.tenant_id for each in self._known_to(practice_id)),
        )
        if not choice.options:
            self._give_back(grant, tenants)
            raise ConsentRefused.saying(NO_ORGANISATION)
        options = tuple(self._named(tenant, grant) for tenant in choice.options)
        if choice.chosen is None:
            raise self._attempts.keep(taken.attempt, grant, asked_at, options, None)
        return self._go_on(taken.attempt, grant, asked_at, options[0])

    def choices(self, practice_id: UUID, user_id: UUID, attempt_id: UUID) -> OrganisationChoice:
        """Return what this attempt still asks."""
        tenants, change = self._attempts.question(practice_id, user_id, attempt_id)
        options = (OrganisationOption(each.tenant_id, shown_name(each)) for each in tenants)
        return OrganisationChoice(tuple(options), change)

    def choose(
        self, practice_id: UUID, user_id: UUID, attempt_id: UUID, tenant_id: str
    ) -> Connected:
        """Return the connection to the chosen organisation; the attempt is used up.

        Raises `ChoiceNeeded` once more when the choice leaves the organisation from before and
        nobody has been asked about that yet.
        """
        kept = self._attempts.kept(practice_id, user_id, attempt_id)
        chosen = next((each for each in kept.options if each.tenant_id == tenant_id), None)
        if chosen is None:
            raise NotFound
        if kept.change is not None:
            return self._connecting.connect(kept.attempt, kept.grant, kept.asked_at, chosen)
        return self._go_on(kept.attempt, kept.grant, kept.asked_at, chosen)

    def forget_choice(self, practice_id: UUID, user_id: UUID, attempt_id: UUID) -> None:
        """Close an attempt whose question was answered with No; its consent is given back."""
        kept = self._attempts.kept(practice_id, user_id, attempt_id)
        self._attempts.drop(attempt_id)
        self._give_back(kept.grant, kept.options)

    def give_back_abandoned(self, attempt_id: UUID) -> None:
        """Give back the consent of an attempt whose question nobody answered in time."""
        kept = self._attempts.abandoned(attempt_id)
        if kept is not None:
            self._attempts.drop(attempt_id)
            self._give_back(kept.grant, kept.options)

    # -- inside -------------------------------------------------------------------------------

    def _shared_now(self) -> datetime:
        now = self._custody.now()
        self._session.commit()
        return now

    def _exchanged(self, practice_id: UUID, code: str, verifier: str | None) -> CodeAnswer:
        try:
            return self._oauth.exchange_code(code, verifier)
        except XeroError as problem:
            raise self._failed(practice_id, problem) from problem

    def _proven(
        self, practice_id: UUID, answer: CodeAnswer, nonce: str
    ) -> tuple[Grant, list[Tenant]]:
        """Return the grant and all that it reaches; what cannot be proven is given back."""
        try:
            grant = self._oauth.prove(answer, nonce)
            return grant, self._oauth.tenants(grant.tokens.access)
        except XeroError as problem:
            refusal = self._failed(practice_id, problem, answer.answered_at)
            self._leaving.give_back(
                answer.tokens, answer.xero_userid, answer.authentication_event_id
            )
            raise refusal from problem

    def _failed(
        self, practice_id: UUID, problem: XeroError, answered_at: datetime | None = None
    ) -> ConsentRefused:
        sentence, now = NOT_FINISHED, self._clock()
        about_time = isinstance(problem, XeroIdentityUnproven) and problem.about_time
        if isinstance(problem, XeroAppRefused):
            sentence = refusal_sentence(problem.error, problem.message)
        elif about_time and answered_at is not None and clocks_differ(now, answered_at):
            sentence = clock_sentence(now, answered_at)
        level = logging.ERROR if sentence.is_for_operator else logging.WARNING
        logger.log(level, "consent of practice %s failed: %s", practice_id, problem)
        return ConsentRefused.saying(sentence)

    def _named(self, tenant: Tenant, grant: Grant) -> Tenant:
        """Return *tenant* with a name; Xero's list has none for some, the organisation itself does.

        https://developer.xero.com/documentation/guides/oauth2/tenants
        """
        if tenant.name:
            return tenant
        try:
            name = self._client(tenant, grant).accounting.organisation().name
        except XeroError as problem:
            logger.warning("an organisation without a name did not tell it: %s", problem)
            name = None
        return msgspec.structs.replace(tenant, name=name or shown_name(tenant))

    def _go_on(
        self, attempt: Attempt, grant: Grant, asked_at: datetime, chosen: Tenant
    ) -> Connected:
        """Connect, unless that leaves an organisation that a person must be asked about first."""
        practice_id = attempt.practice_id
        left = organisation_left(chosen.tenant_id, self._known_to(practice_id))
        if left is None:
            return self._connecting.connect(attempt, grant, asked_at, chosen)
        if self._is_held_elsewhere(practice_id, chosen):
            self._attempts.drop(attempt.id)
            self._give_back(grant, [chosen])
            raise OrganisationHeld
        xero = self._client(chosen, grant)
        compared = self._comparison.compare(practice_id, xero, left.tenant_id)
        change = OrganisationChange(left.name, left.links, left.is_current, compared)
        raise self._attempts.keep(attempt, grant, asked_at, [chosen], change)

    def _known_to(self, practice_id: UUID) -> list[KnownOrganisation]:
        """Return the practice's organisations: the connected one, then the one left last."""
        links = (
            select(func.count())
            .where(XeroContactMapping.xero_connection_id == XeroConnection.id)
            .scalar_subquery()
        )
        rows = self._session.execute(
            select(
                XeroConnection.xero_tenant_id,
                XeroConnection.xero_org_name,
                XeroConnection.status,
                links,
            )
            .where(XeroConnection.practice_id == practice_id)
            .order_by(*XeroConnection.current_first())
        ).all()
        self._session.commit()
        return [
            KnownOrganisation(
                tenant_id,
                name or "another organisation",
                status != ConnectionStatus.DISCONNECTED,
                count,
            )
            for tenant_id, name, status, count in rows
        ]

    def _is_held_elsewhere(self, practice_id: UUID, tenant: Tenant) -> bool:
        holder = self._session.scalar(
            select(XeroConnection.id).where(
                XeroConnection.practice_id != practice_id,
                XeroConnection.xero_tenant_id == tenant.tenant_id,
                XeroConnection.status != ConnectionStatus.DISCONNECTED,
            )
        )
        self._session.commit()
        return holder is not None

    def _client(self, tenant: Tenant, grant: Grant) -> XeroClient:
        return self._make_client(
            tenant_id=tenant.tenant_id,
            access=grant.tokens.access,
            refresh_access=_no_other_access,
            priority=Priority.PERSON,
        )

    def _give_back(self, grant: Grant, tenants: Iterable[Tenant]) -> None:
        self._leaving.give_back(
            grant.tokens, grant.xero_userid, grant.authentication_event_id, tenants
        )


def _no_other_access() -> Secret:
    raise XeroUnauthorised("Xero did not accept the access that it has just given.")
