"""A Redis whose clock a test moves: it runs the governor's scripts with another source of time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import redis

MICROSECONDS = 1_000_000
START = 1_800_000_000 * MICROSECONDS


class VirtualRedis:
    """Stands in for the client that a `Governor` is given; `now` is the time, in microseconds.

    Keys still run out by the server's own clock, so that must not be the faster one.
    """

    def __init__(self, client: redis.Redis, now: int = START) -> None:
        self.now = now
        self._client = client
        self._connection = client.connection_pool.get_connection()
        self._unread = 0

    @property
    def seconds(self) -> float:
        """The time in seconds since the start."""
        return (self.now - START) / MICROSECONDS

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.now += round(seconds * MICROSECONDS)

    def register_script(self, script: str) -> VirtualScript:
        """Return what runs *script* with our time in place of the server's."""
        ours = script.replace("redis.call('TIME')", "{ ARGV[#ARGV - 1], ARGV[#ARGV] }")
        assert ours != script, "The script does not ask for the time in the way that was expected."
        return VirtualScript(self, self._client.script_load(ours))

    def send(self, digest: str, keys: Sequence[str], args: Sequence[Any]) -> None:
        """Send a script's call; its answer is read before that of the next one."""
        seconds, rest = divmod(self.now, MICROSECONDS)
        command = ("EVALSHA", digest, len(keys), *keys, *args, seconds, rest)
        self._connection.send_command(*command)
        self._unread += 1

    def answer(self) -> Any:
        """Return the answer to what was sent last."""
        while self._unread > 1:
            self._connection.read_response()
            self._unread -= 1
        self._unread -= 1
        return self._connection.read_response()

    def close(self) -> None:
        """Give the connection back."""
        if self._unread:
            self.answer()
        self._client.connection_pool.release(self._connection)


class VirtualScript:
    """A registered script."""

    def __init__(self, server: VirtualRedis, digest: str) -> None:
        self._server = server
        self._digest = digest

    def __call__(self, keys: Sequence[str], args: Sequence[Any]) -> Any:
        """Run it and return its answer."""
        self._server.send(self._digest, keys, args)
        return self._server.answer()

    def without_waiting(self, keys: Sequence[str], args: Sequence[Any]) -> None:
        """Run it without waiting for an answer that nobody needs; errors come with the next."""
        self._server.send(self._digest, keys, args)
