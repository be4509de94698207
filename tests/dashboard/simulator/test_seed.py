"""The world that a simulator starts with."""

from __future__ import annotations

from dashboard.simulator import World, build_world, demo_clients
from dashboard.simulator.records import plain_name
from dashboard.simulator.seed import DEMO_NAME
from dashboard.simulator.seed_cast import VAT


class TestWorld:
    def test_the_same_seed_gives_the_same_ledger(self, world: World) -> None:
        again, other = build_world(), build_world(seed=7)
        assert _names_by_id(again) == _names_by_id(world)
        assert _names_by_id(other) != _names_by_id(world)

    def test_there_are_three_organisations_and_two_people(self, world: World) -> None:
        counts = [len(held.contacts) for held in world.state.organisations.values()]
        assert counts == [320, 45, 18]
        assert sorted(len(user.tenant_ids) for user in world.state.users.values()) == [1, 3]
        assert world.organisation(DEMO_NAME).is_demo

    def test_names_are_unique_among_active_contacts(self, world: World) -> None:
        for organisation in world.state.organisations.values():
            names = [
                plain_name(contact.name)
                for contact in organisation.contacts.values()
                if contact.status == "ACTIVE"
            ]
            assert len(names) == len(set(names))

    def test_names_keep_xeros_rules(self, world: World) -> None:
        for contact in world.main.contacts.values():
            assert not set("<>") & set(contact.name)
            assert contact.name == " ".join(contact.name.split())
            assert len(contact.name) <= 255
            assert contact.email.isascii()

    def test_every_sort_of_contact_is_there(self, world: World) -> None:
        contacts = world.main.contacts.values()
        assert sum(contact.merged_to is not None for contact in contacts) == 4
        assert sum(contact.status == "GDPRREQUEST" for contact in contacts) == 1
        assert any(contact.status == "ARCHIVED" and not contact.merged_to for contact in contacts)
        assert any(contact.is_supplier and not contact.is_customer for contact in contacts)
        assert any(not contact.is_supplier and not contact.is_customer for contact in contacts)
        assert any(not contact.email for contact in contacts)
        assert any(len(contact.persons) > 1 for contact in contacts)

    def test_groups_follow_the_facts(self, world: World) -> None:
        [group] = [held for held in world.main.groups.values() if held.name == VAT]
        assert len(group.contact_ids) > 50
        assert set(group.contact_ids) <= set(world.main.contacts)

    def test_a_ledger_can_be_as_large_as_wished(self) -> None:
        main = build_world(contact_count=3_000).main
        names = {contact.name for contact in main.contacts.values() if contact.status == "ACTIVE"}
        active = sum(contact.status == "ACTIVE" for contact in main.contacts.values())
        assert len(main.contacts) == 3_000
        assert len(names) == active


class TestDemoClients:
    def test_there_are_sixty_with_the_same_five_texts(self) -> None:
        clients = demo_clients()
        assert len(clients) == 60
        assert {tuple(client) for client in clients} == {
            ("name", "email", "phone", "company_number", "tax_number")
        }
        assert len({client["name"] for client in clients}) == 60

    def test_some_are_contacts_beyond_doubt_some_perhaps_and_some_nobody(
        self, world: World
    ) -> None:
        contacts = world.main.contacts.values()
        numbers = {contact.company_number for contact in contacts if contact.company_number}
        names = {(plain_name(contact.name), contact.email) for contact in contacts if contact.email}
        emails = {contact.email for contact in contacts if contact.email}
        clients = demo_clients()
        certain = [
            client
            for client in clients
            if client["company_number"] in numbers
            or (plain_name(client["name"]), client["email"]) in names
        ]
        perhaps = [
            client for client in clients if client["email"] in emails and client not in certain
        ]
        strangers = [
            client
            for client in clients
            if client["email"] not in emails and client["company_number"] not in numbers
        ]
        assert len(certain) >= 18
        assert len(perhaps) >= 8
        assert len(strangers) >= 22


def _names_by_id(world: World) -> dict[str, str]:
    return {contact.contact_id: contact.name for contact in world.main.contacts.values()}
