"""What people do inside Xero."""

from __future__ import annotations

import pytest

from dashboard.simulator import World
from dashboard.simulator.admin import ActionRefused, perform
from dashboard.simulator.ledger import new_folder, store_file
from dashboard.simulator.records import Association, Contact, StoredFile


def contact_named(world: World, name: str) -> Contact:
    """Return the active contact of that name."""
    found = world.main.active_contact_named(name)
    assert found
    return found


def do(world: World, action: str, **details: str) -> str:
    """Do something in the main organisation."""
    return perform(world, action, {"tenant_id": world.main.tenant_id} | details)


@pytest.fixture
def file(world: World) -> StoredFile:
    """A file in a folder of its own, associated with two contacts."""
    folder = new_folder(world, world.main, "chase.md")
    made = store_file(
        world,
        world.main,
        folder,
        name="a.pdf",
        mime_type="application/pdf",
        content=b"x",
        user_id=next(iter(world.state.users)),
    )
    for contact_id in list(world.main.contacts)[:2]:
        made.associations.append(Association(contact_id, "Business", world.clock.now()))
    return made


class TestContacts:
    def test_a_contact_is_added_with_a_name_of_its_own(self, world: World) -> None:
        do(world, "add_contact", name="New Client Ltd", email="n@example.com", phone="01632 960999")
        added = contact_named(world, "New Client Ltd")
        assert (added.email, added.phones[0].number) == ("n@example.com", "01632 960999")
        assert added.updated_at == world.clock.now()
        with pytest.raises(ActionRefused, match="must be unique across all active contacts"):
            do(world, "add_contact", name="new client  LTD")

    @pytest.mark.parametrize("name", ["<b>Bold</b>", "   "])
    def test_a_bad_name_is_refused(self, world: World, name: str) -> None:
        with pytest.raises(ActionRefused, match="name"):
            do(world, "add_contact", name=name)

    def test_editing_counts_as_a_change_and_keeps_the_rest(self, world: World) -> None:
        contact = contact_named(world, "Thornbury Joinery Limited")
        number = contact.company_number
        do(world, "edit_contact", contact_id=contact.contact_id, email="new@example.com")
        assert (contact.email, contact.company_number) == ("new@example.com", number)
        assert contact.updated_at == world.clock.now()

    def test_nobody_takes_the_name_of_another(self, world: World) -> None:
        contact = contact_named(world, "Wei Zhang")
        with pytest.raises(ActionRefused, match="unique"):
            do(world, "edit_contact", contact_id=contact.contact_id, name="John Smith")

    def test_archived_contacts_come_back_unless_their_name_is_taken(self, world: World) -> None:
        contact = contact_named(world, "Wei Zhang")
        do(world, "archive_contact", contact_id=contact.contact_id)
        do(world, "restore_contact", contact_id=contact.contact_id)
        assert contact.status == "ACTIVE"
        do(world, "archive_contact", contact_id=contact.contact_id)
        do(world, "add_contact", name="Wei Zhang")
        with pytest.raises(ActionRefused, match="by now"):
            do(world, "restore_contact", contact_id=contact.contact_id)

    def test_merging_needs_two_active_contacts(self, world: World) -> None:
        loser, survivor = contact_named(world, "Wei Zhang"), contact_named(world, "John Smith")
        ids = {"contact_id": loser.contact_id, "into": survivor.contact_id}
        do(world, "merge_contact", **ids)
        assert (loser.status, loser.merged_to) == ("ARCHIVED", survivor.contact_id)
        with pytest.raises(ActionRefused, match="Two different active"):
            do(world, "merge_contact", **ids)
        with pytest.raises(ActionRefused, match="not merged"):
            do(world, "restore_contact", contact_id=loser.contact_id)

    def test_groups_come_and_go(self, world: World) -> None:
        contact = contact_named(world, "Wei Zhang")
        before = contact.updated_at
        do(world, "add_to_group", contact_id=contact.contact_id, group="VIP")
        [group] = [held for held in world.main.groups.values() if held.name == "VIP"]
        assert group.contact_ids == [contact.contact_id]
        do(world, "remove_from_group", contact_id=contact.contact_id, group="VIP")
        assert group.contact_ids == []
        assert contact.updated_at == before
        with pytest.raises(ActionRefused, match="not in that group"):
            do(world, "remove_from_group", contact_id=contact.contact_id, group="VIP")


class TestFiles:
    def test_a_file_is_renamed_moved_unlinked_and_deleted(
        self, world: World, file: StoredFile
    ) -> None:
        one, other = file.associated_with
        do(world, "rename_file", file_id=file.file_id, name="b.pdf")
        do(world, "move_file", file_id=file.file_id, folder_id=world.main.inbox.folder_id)
        assert (file.name, file.folder_id) == ("b.pdf", world.main.inbox.folder_id)
        do(world, "unlink_file", file_id=file.file_id, contact_id=one)
        assert file.associated_with == [other]
        do(world, "unlink_file", file_id=file.file_id)
        assert file.associated_with == []
        do(world, "delete_file", file_id=file.file_id)
        assert file.file_id not in world.main.files

    def test_a_folder_is_renamed_and_deleted_and_the_inbox_is_not(
        self, world: World, file: StoredFile
    ) -> None:
        do(world, "rename_folder", folder_id=file.folder_id, name="old papers")
        assert world.folder_named(world.main.tenant_id, "OLD  papers")
        do(world, "delete_folder", folder_id=file.folder_id)
        assert file.folder_id == world.main.inbox.folder_id
        for action in ("rename_folder", "delete_folder"):
            with pytest.raises(ActionRefused, match="Inbox"):
                do(world, action, folder_id=world.main.inbox.folder_id, name="x")

    def test_bad_names_are_refused(self, world: World) -> None:
        with pytest.raises(ActionRefused, match="cannot hold"):
            do(world, "add_folder", name="a/b")


class TestRest:
    def test_the_clock_moves(self, world: World) -> None:
        before = world.clock.now()
        do(world, "shift_clock", seconds="90")
        assert (world.clock.now() - before).total_seconds() == 90

    def test_options_keep_their_types(self, world: World) -> None:
        for name, value in (
            ("strict_rotation", "yes"),
            ("files_lag_seconds", "15"),
            ("missing_folder_status", "400"),
            ("deleted_folder_files", "deleted"),
        ):
            do(world, "set_option", name=name, value=value)
        options = world.options
        assert options.strict_rotation is True
        assert options.files_lag_seconds == 15
        assert options.missing_folder_status == 400
        assert options.deleted_folder_files == "deleted"

    @pytest.mark.parametrize(
        ("action", "details"),
        [
            ("fly", {}),
            ("set_option", {"name": "colour", "value": "red"}),
            ("set_limit", {"name": "colour", "value": "1"}),
            ("change_tier", {"tier": "gold"}),
            ("edit_contact", {"contact_id": "nobody"}),
            ("delete_file", {"file_id": "nothing"}),
            ("delete_folder", {"folder_id": "nothing"}),
            ("remove_role", {"user_id": "nobody"}),
            ("disconnect_organisation", {"tenant_id": "nowhere"}),
            ("shift_clock", {}),
        ],
    )
    def test_what_makes_no_sense_is_refused_with_a_reason(
        self, world: World, action: str, details: dict[str, str]
    ) -> None:
        with pytest.raises(ActionRefused, match=r"\w+"):
            do(world, action, **details)
