"""Virus scanning by clamd, over its INSTREAM command.

The protocol is a command, the bytes in chunks with their length before each, an empty chunk, and
one line as the answer; see "INSTREAM" in https://docs.clamav.net/manual/Usage/Scanning.html and
`man clamd`.
"""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass
from typing import BinaryIO, Protocol
from urllib.parse import urlsplit

CHUNK = 64 * 1024
SECONDS = 60.0
LONGEST_ANSWER = 4096
CLAMD_PORT = 3310


class ScannerDown(Exception):
    """The scanner did not say clean or infected; the message is one sentence."""


@dataclass(frozen=True, slots=True)
class ScanResult:
    """What the scanner said; `signature` is the name of what it found, empty when clean."""

    signature: str = ""

    @property
    def is_clean(self) -> bool:
        """Whether nothing was found."""
        return not self.signature


class VirusScanner(Protocol):
    """Says whether bytes are clean."""

    def scan(self, content: BinaryIO) -> ScanResult:
        """Return what was found in *content*; raise `ScannerDown` when nobody can tell."""


class ClamdScanner:
    """Asks the clamd at *url*, `tcp://host:3310` or `unix:///path`."""

    def __init__(self, url: str, *, seconds: float = SECONDS) -> None:
        self._parts = urlsplit(url)
        self._seconds = seconds

    def scan(self, content: BinaryIO) -> ScanResult:
        """Return what clamd found in *content*; raise `ScannerDown` when it cannot tell."""
        try:
            with self._connected() as wire:
                wire.sendall(b"zINSTREAM\0")
                while chunk := content.read(CHUNK):
                    wire.sendall(struct.pack(">I", len(chunk)) + chunk)
                wire.sendall(struct.pack(">I", 0))
                answer = _answer(wire)
        except OSError as problem:
            raise ScannerDown("The virus scanner did not answer.") from problem
        return _result(answer)

    def _connected(self) -> socket.socket:
        if self._parts.scheme == "unix":
            wire = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            wire.settimeout(self._seconds)
            try:
                wire.connect(self._parts.path)
            except OSError:
                wire.close()
                raise
            return wire
        address = (self._parts.hostname or "localhost", self._parts.port or CLAMD_PORT)
        return socket.create_connection(address, timeout=self._seconds)


def _answer(wire: socket.socket) -> str:
    answer = b""
    while not answer.endswith(b"\0") and len(answer) < LONGEST_ANSWER:
        piece = wire.recv(LONGEST_ANSWER)
        if not piece:
            break
        answer += piece
    return answer.rstrip(b"\0").decode("utf-8", "replace").strip()


def _result(answer: str) -> ScanResult:
    verdict = answer.partition(": ")[2]
    if verdict == "OK":
        return ScanResult()
    if verdict.endswith(" FOUND"):
        return ScanResult(verdict.removesuffix(" FOUND"))
    # A size limit or an error of its own: that is no proof of anything.
    raise ScannerDown("The virus scanner could not check this file.")
