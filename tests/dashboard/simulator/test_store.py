"""A world that outlives its process."""

from __future__ import annotations

from pathlib import Path

import pytest

from dashboard.simulator import App, Options, build_world, create_simulator
from dashboard.simulator.admin import perform
from dashboard.simulator.store import Store, write_whole
from tests.dashboard.simulator.caller import FILES, Caller


def opened(path: Path, registration: App) -> Caller:
    """Return a caller of the world that is kept at *path*."""
    world = build_world(app=registration, store=Store(path))
    return Caller(create_simulator(world).test_client(), world)


class TestRestart:
    def test_tokens_contacts_files_and_time_are_still_known(
        self, tmp_path: Path, registration: App
    ) -> None:
        path = tmp_path / "deeper" / "world.json"
        first = opened(path, registration).let_in()
        perform(first.world, "shift_clock", {"seconds": "600"})
        perform(first.world, "add_contact", {"tenant_id": first.tenant_id, "name": "New Ltd"})
        made = first.upload(content=b"bytes", folder_id=first.folder(), key="k1").get_json()

        second = opened(path, registration)
        second.tokens = first.tokens
        assert second.get(f"{FILES}/Files/{made['Id']}/Content").data == b"bytes"
        assert second.contacts(where='Name=="New Ltd"')
        assert second.refresh(first.tokens["refresh_token"]).status_code == 200
        assert second.world.clock.offset.total_seconds() == 600

    def test_a_kept_answer_is_replayed_after_a_restart(
        self, tmp_path: Path, registration: App
    ) -> None:
        path = tmp_path / "world.json"
        first = opened(path, registration).let_in()
        made = first.upload(key="k1").get_json()
        second = opened(path, registration)
        second.tokens = first.tokens
        assert second.upload(key="k1").get_json() == made

    def test_a_new_registration_holds_and_the_chosen_tier_stays(
        self, tmp_path: Path, registration: App
    ) -> None:
        path = tmp_path / "world.json"
        perform(opened(path, registration).world, "change_tier", {"tier": "starter"})
        renewed = App("other id", "other secret", ("https://example.com/callback",))
        world = opened(path, renewed).world
        assert (world.app.client_id, world.app.tier) == ("other id", "starter")

    def test_a_deleted_file_leaves_no_bytes_behind(self, tmp_path: Path, registration: App) -> None:
        app = opened(tmp_path / "world.json", registration).let_in()
        before = set((tmp_path / "world.json.files").iterdir())
        file_id = app.upload().get_json()["Id"]
        assert app.call("DELETE", f"{FILES}/Files/{file_id}").status_code == 204
        assert set((tmp_path / "world.json.files").iterdir()) == before

    def test_refused_calls_save_nothing_half_done(self, tmp_path: Path, registration: App) -> None:
        path = tmp_path / "world.json"
        app = opened(path, registration).let_in()
        assert app.upload("a.exe").status_code == 400
        assert len(opened(path, registration).world.main.files) == 3


class TestWriting:
    def test_a_failed_write_leaves_the_old_content_and_no_litter(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = tmp_path / "world.json"
        write_whole(path, b"old")

        def fail(*_paths: object) -> None:
            raise OSError("disk full")

        monkeypatch.setattr("os.replace", fail)
        with pytest.raises(OSError, match="disk full"):
            write_whole(path, b"new")
        assert path.read_bytes() == b"old"
        assert list(tmp_path.iterdir()) == [path]

    def test_only_the_owner_can_read_the_state(self, tmp_path: Path, registration: App) -> None:
        opened(tmp_path / "world.json", registration)
        assert (tmp_path / "world.json").stat().st_mode & 0o077 == 0

    def test_options_survive(self, tmp_path: Path, registration: App) -> None:
        path = tmp_path / "world.json"
        build_world(app=registration, options=Options(strict_rotation=True), store=Store(path))
        assert build_world(store=Store(path)).options.strict_rotation is True
