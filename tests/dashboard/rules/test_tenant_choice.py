"""Which organisation a consent means: certain, or a person chooses."""

from __future__ import annotations

import pytest

from dashboard.rules.tenant_choice import KnownOrganisation, choose_tenant, organisation_left
from dashboard.xero.types import Tenant

EVENT = "event-of-this-consent"


def _tenant(tenant_id: str, event: str = "an older event", kind: str = "ORGANISATION") -> Tenant:
    return Tenant(
        connection_id=f"connection-{tenant_id}",
        tenant_id=tenant_id,
        tenant_type=kind,
        name=tenant_id,
        auth_event_id=event,
        created_at=None,
        updated_at=None,
    )


A, B = _tenant("a"), _tenant("b")
NOTHING_KNOWN: frozenset[str] = frozenset()


class TestChooseTenant:
    def test_the_one_of_this_consent_is_meant(self) -> None:
        new = _tenant("new", EVENT)
        assert choose_tenant([A, new, B], EVENT, NOTHING_KNOWN).chosen == new

    def test_several_of_this_consent_are_offered_and_no_others(self) -> None:
        first, second = _tenant("1", EVENT), _tenant("2", EVENT)
        choice = choose_tenant([A, first, second], EVENT, NOTHING_KNOWN)
        assert choice.chosen is None
        assert choice.options == (first, second)

    def test_after_reconnecting_the_known_one_is_meant(self) -> None:
        # Xero keeps the original authentication event of an organisation that was linked before.
        assert choose_tenant([A, B], EVENT, frozenset({"b"})).chosen == B

    def test_the_only_organisation_is_meant(self) -> None:
        assert choose_tenant([A], EVENT, NOTHING_KNOWN).chosen == A

    def test_with_several_unknown_ones_a_person_chooses(self) -> None:
        choice = choose_tenant([A, B], EVENT, NOTHING_KNOWN)
        assert choice.chosen is None
        assert choice.options == (A, B)

    def test_with_several_known_ones_a_person_chooses(self) -> None:
        assert choose_tenant([A, B], EVENT, frozenset({"a", "b"})).chosen is None

    def test_practice_manager_is_never_taken_for_an_organisation(self) -> None:
        practice = _tenant("xpm", EVENT, "PRACTICEMANAGER")
        assert choose_tenant([practice], EVENT, NOTHING_KNOWN).options == ()

    def test_an_unreadable_access_token_does_not_match_tenants_without_an_event(self) -> None:
        nameless = _tenant("a", event=None)  # type: ignore[arg-type]
        assert choose_tenant([nameless, B], None, NOTHING_KNOWN).chosen is None


class TestLeftBehind:
    A = KnownOrganisation("a", "A", is_current=False, links=3)
    B = KnownOrganisation("b", "B", is_current=False, links=0)
    NOW = KnownOrganisation("n", "N", is_current=True, links=0)

    @pytest.mark.parametrize(
        ("chosen", "known", "left"),
        [
            ("x", [], None),
            ("n", [NOW, A], None),
            ("x", [NOW, A], NOW),
            ("a", [A, B], None),
            ("b", [A, B], A),
            ("a", [B, A], None),
            ("x", [B, A], A),
            ("x", [B], None),
        ],
        ids=[
            "first one",
            "the connected one",
            "another than the connected one",
            "the last one",
            "an old one, with links elsewhere",
            "an old one, without links elsewhere",
            "a new one, with links somewhere",
            "a new one, without links anywhere",
        ],
    )
    def test_links_elsewhere_are_asked_about(
        self, chosen: str, known: list[KnownOrganisation], left: KnownOrganisation | None
    ) -> None:
        assert organisation_left(chosen, known) is left
