"""A token endpoint in a process of its own: it rotates, forgets the old token or not, and counts.

`python -m tests.storm.identity_server --port 8123 --grace 0` is as strict as a server can be: a
refresh token works once. With a grace the replaced token works on for that many seconds, until its
successor is used, as Xero's does; and only the newest successor counts, which is harsher than what
Xero says. A part of the answers takes longer. A client that hangs up changes nothing here: its
token is replaced all the same. https://developer.xero.com/faq/oauth2
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import secrets
import sys
import time
from dataclasses import asdict, dataclass, field
from urllib.parse import parse_qs

SCOPE = "openid profile email offline_access"
HEAD_END = b"\r\n\r\n"


@dataclass
class Token:
    """One refresh token: whose it is, and what became of it."""

    grant: int
    parent: Token | None = None
    replaced_at: float | None = None
    was_used: bool = False
    superseded: bool = False


@dataclass
class Counts:
    """What happened so far.

    `rotations` were granted, `repeats` of them with a token that was replaced already; `refused`
    got `invalid_grant`; `overlaps` arrived while the same grant was being refreshed; `calls` were
    made with an access token, `strangers` of them with one that was never given out.
    """

    rotations: int = 0
    repeats: int = 0
    refused: int = 0
    overlaps: int = 0
    calls: int = 0
    strangers: int = 0


@dataclass
class Identity:
    """The grants and the rules."""

    grace: float
    median: float
    tail_share: float
    tail_factor: float
    expires_in: int
    chance: random.Random
    tokens: dict[str, Token] = field(default_factory=dict)
    access: set[str] = field(default_factory=set)
    busy: dict[int, int] = field(default_factory=dict)
    counts: Counts = field(default_factory=Counts)
    grants: int = 0

    def new_grant(self) -> str:
        """Return the first refresh token of a new grant."""
        self.grants += 1
        return self._issue(Token(self.grants))

    def is_good(self, value: str) -> bool:
        """Whether a refresh with this token would be granted now."""
        token = self.tokens.get(value)
        return token is not None and self._may(token)

    async def refresh(self, value: str) -> dict[str, object] | None:
        """Return new tokens, or None for `invalid_grant`."""
        token = self.tokens.get(value)
        grant = token.grant if token else 0
        self.counts.overlaps += self.busy.get(grant, 0)
        self.busy[grant] = self.busy.get(grant, 0) + 1
        try:
            seconds = self._seconds()
            # The decision falls somewhere in the middle, so that a lost answer may mean either.
            before = seconds * self.chance.random()
            await asyncio.sleep(before)
            answer = self._decide(value)
            await asyncio.sleep(seconds - before)
        finally:
            self.busy[grant] -= 1
        return answer

    def _seconds(self) -> float:
        is_slow = self.chance.random() < self.tail_share
        return self.median * (self.tail_factor if is_slow else 1.0)

    def _decide(self, value: str) -> dict[str, object] | None:
        token = self.tokens.get(value)
        if token is None or not self._may(token):
            self.counts.refused += 1
            return None
        self.counts.rotations += 1
        self.counts.repeats += token.replaced_at is not None
        token.was_used = True
        if token.replaced_at is None:
            token.replaced_at = time.monotonic()
        for sibling in self._successors(token):
            sibling.superseded = True
        access = f"access.{token.grant}.{secrets.token_hex(8)}"
        self.access.add(access)
        return {
            "access_token": access,
            "refresh_token": self._issue(Token(token.grant, parent=token)),
            "expires_in": self.expires_in,
            "token_type": "Bearer",
            "scope": SCOPE,
        }

    def _may(self, token: Token) -> bool:
        if token.superseded:
            return False
        if token.replaced_at is None:
            return True
        if any(successor.was_used for successor in self._successors(token)):
            return False
        return time.monotonic() - token.replaced_at < self.grace

    def _successors(self, token: Token) -> list[Token]:
        return [other for other in self.tokens.values() if other.parent is token]

    def _issue(self, token: Token) -> str:
        value = secrets.token_urlsafe(24)
        self.tokens[value] = token
        self._forget(token)
        return value

    def _forget(self, newest: Token) -> None:
        """Drop what can never be good again: the tokens before the parent of the newest one."""
        kept = (newest, newest.parent)
        self.tokens = {
            value: token
            for value, token in self.tokens.items()
            if token.grant != newest.grant or token in kept or token.parent in kept
        }


class Server:
    """Speaks just enough HTTP for a client that keeps connections alive."""

    def __init__(self, identity: Identity) -> None:
        self._identity = identity

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection until it ends."""
        try:
            while True:
                head = (await reader.readuntil(HEAD_END)).decode("latin-1")
                first, *lines = head.split("\r\n")
                fields = (line.partition(": ") for line in lines)
                headers = {name.lower(): value for name, _, value in fields}
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                status, answer = await self._answer(first, headers, body.decode())
                writer.write(_http(status, answer))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()

    async def _answer(
        self, first: str, headers: dict[str, str], body: str
    ) -> tuple[int, dict[str, object]]:
        method, target, _version = first.split(" ")
        path, _, query = target.partition("?")
        sent = {name: values[0] for name, values in parse_qs(query or body).items()}
        match f"{method} {path}":
            case "POST /connect/token":
                tokens = await self._identity.refresh(sent.get("refresh_token", ""))
                return (200, tokens) if tokens else (400, {"error": "invalid_grant"})
            case "GET /call":
                return self._call(headers)
            case "POST /test/grants":
                return 200, {"refresh_token": self._identity.new_grant()}
            case "POST /test/good":
                return 200, {"good": self._identity.is_good(sent.get("token", ""))}
            case "GET /test/counts":
                return 200, asdict(self._identity.counts)
        return 404, {}

    def _call(self, headers: dict[str, str]) -> tuple[int, dict[str, object]]:
        counts = self._identity.counts
        counts.calls += 1
        token = headers.get("authorization", "").partition(" ")[2]
        if token in self._identity.access:
            return 200, {}
        counts.strangers += 1
        return 401, {}


def _http(status: int, answer: dict[str, object]) -> bytes:
    body = json.dumps(answer).encode()
    head = f"HTTP/1.1 {status} .\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


async def _run(port: int, identity: Identity) -> None:
    server = await asyncio.start_server(Server(identity).serve, "127.0.0.1", port)
    async with server:
        await server.serve_forever()


def main(arguments: list[str] | None = None) -> int:
    """Serve until killed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--grace", type=float, default=0.0, help="seconds; 0 is strict")
    parser.add_argument("--median", type=float, default=0.02, help="seconds of most answers")
    parser.add_argument("--tail-share", type=float, default=0.2, help="share of slow answers")
    parser.add_argument("--tail-factor", type=float, default=3.0, help="how much slower they are")
    parser.add_argument("--expires-in", type=int, default=1800)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args(arguments)
    identity = Identity(
        grace=given.grace,
        median=given.median,
        tail_share=given.tail_share,
        tail_factor=given.tail_factor,
        expires_in=given.expires_in,
        chance=random.Random(given.seed),  # noqa: S311 - which answers are slow is no secret
    )
    asyncio.run(_run(given.port, identity))
    return 0


if __name__ == "__main__":
    sys.exit(main())
