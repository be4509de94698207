"""The world of the pretend Xero: its state, its clock, its lock and its troubles.

One re-entrant lock guards the state; nobody sleeps while holding it.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

from dashboard.simulator.calls import CallLog
from dashboard.simulator.clock import Clock
from dashboard.simulator.faults import Faults
from dashboard.simulator.limits import DAY_LIMIT, STARTER_DAY_LIMIT, LimitRules, Limits
from dashboard.simulator.records import (
    App,
    Connection,
    Folder,
    Options,
    Organisation,
    State,
    StoredFile,
    plain_name,
)
from dashboard.simulator.store import MemoryArchive, Store
from dashboard.simulator.tokens import Signer


class World:
    """Everything that a simulator serves.

    `issuer` is the identity server's base URL as it stands in tokens; without one the address
    that a caller used is taken. `pause` waits out slow and hanging faults; it is passed in so
    that a test need not wait, and so that a server can cut the wait short when it ends.
    """

    def __init__(
        self,
        state: State,
        *,
        clock: Clock | None = None,
        store: Store | None = None,
        limit_rules: LimitRules | None = None,
        issuer: str | None = None,
        pause: Callable[[float], object] | None = None,
    ) -> None:
        self.state = state
        self.clock = clock or Clock()
        self.clock.offset += timedelta(seconds=state.clock_offset_seconds)
        self.archive = store.archive if store else MemoryArchive()
        self.signer = Signer(state.signing_key)
        self.limits = Limits(limit_rules or LimitRules(), self.clock.now, self.tier_day_limit)
        self.faults = Faults()
        self.calls = CallLog()
        self.issuer = issuer.rstrip("/") if issuer else None
        self.ending = threading.Event()
        self.pause = pause or self.ending.wait
        self.lock = threading.RLock()
        self._store = store
        self._depth = 0
        self._spent_contents: list[str] = []

    @property
    def app(self) -> App:
        """The registered app."""
        return self.state.app

    @property
    def options(self) -> Options:
        """The switches for what is unknown about Xero."""
        return self.state.options

    def tier_day_limit(self) -> int:
        """Return the calls a day that the app's tier allows per organisation."""
        return STARTER_DAY_LIMIT if self.app.tier == "starter" else DAY_LIMIT

    @contextmanager
    def change(self) -> Iterator[State]:
        """Hold the lock around a change, and save once at its outer end."""
        with self.lock:
            self._depth += 1
            try:
                yield self.state
            finally:
                self._depth -= 1
            if self._depth == 0:
                self._settle()

    def _settle(self) -> None:
        """Save, and only then let go of bytes that the saved state no longer mentions."""
        if self._store:
            self._store.save(self.state)
        while self._spent_contents:
            self.archive.drop(self._spent_contents.pop())

    def drop_content(self, file_id: str) -> None:
        """Let go of a file's bytes once the change around this call is saved."""
        self._spent_contents.append(file_id)

    def new_id(self) -> str:
        """Return a fresh id."""
        return str(uuid.uuid4())

    def shift_clock(self, seconds: float) -> None:
        """Put the pretend time forward by *seconds*; remembered over a restart."""
        with self.change() as state:
            self.clock.shift(seconds)
            state.clock_offset_seconds += seconds

    def organisation(self, name_or_tenant_id: str) -> Organisation:
        """Return an organisation by its tenant id or its name; KeyError when there is none."""
        if found := self.state.organisations.get(name_or_tenant_id):
            return found
        for organisation in self.state.organisations.values():
            if organisation.name == name_or_tenant_id:
                return organisation
        raise KeyError(name_or_tenant_id)

    @property
    def main(self) -> Organisation:
        """The first organisation: the one that the demo connects."""
        return next(iter(self.state.organisations.values()))

    def live_connection(self, user_id: str, tenant_id: str) -> Connection | None:
        """Return the connection by which this user's tokens open this organisation."""
        for connection in self.state.connections.values():
            same = connection.user_id == user_id and connection.tenant_id == tenant_id
            if same and connection.is_live:
                return connection
        return None

    def folder_named(self, tenant_id: str, name: str) -> Folder | None:
        """Return the first folder of that name, as a person would find it."""
        wanted = plain_name(name)
        folders = self.organisation(tenant_id).folders.values()
        return next((folder for folder in folders if plain_name(folder.name) == wanted), None)

    def files_in(self, folder_name: str, tenant_id: str | None = None) -> list[StoredFile]:
        """Return the files in every folder of that name, oldest first; for tests."""
        organisation = self.organisation(tenant_id) if tenant_id else self.main
        wanted = {
            folder.folder_id
            for folder in organisation.folders.values()
            if plain_name(folder.name) == plain_name(folder_name)
        }
        return [file for file in organisation.files.values() if file.folder_id in wanted]
