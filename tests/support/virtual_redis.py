"""A Redis whose clock a test moves: it runs the governor's scripts with another source of time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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

    @property
    def seconds(self) -> float:
        """The time in seconds since the start."""
        return (self.now - START) / MICROSECONDS

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.now += round(seconds * MICROSECONDS)

    def register_script(self, script: str) -> Callable[..., Any]:
        """Return what runs *script* with our time in place of the server's."""
        ours = script.replace("redis.call('TIME')", "{ ARGV[#ARGV - 1], ARGV[#ARGV] }")
        assert ours != script, "The script does not ask for the time in the way that was expected."
        digest = self._client.script_load(ours)

        def run(keys: Sequence[str], args: Sequence[Any]) -> Any:
            seconds, rest = divmod(self.now, MICROSECONDS)
            self._connection.send_command("EVALSHA", digest, len(keys), *keys, *args, seconds, rest)
            return self._connection.read_response()

        return run

    def close(self) -> None:
        """Give the connection back."""
        self._client.connection_pool.release(self._connection)
