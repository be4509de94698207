"""What clamd is asked and how its answers are read."""

from __future__ import annotations

import io
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dashboard.services.virus_scan import ClamdScanner, ScannerDown

CONTENT = b"x" * 150_000


class Clamd:
    """A scanner that speaks INSTREAM, answers as it was told, and remembers the bytes."""

    def __init__(self, server: socket.socket, answer: bytes) -> None:
        self.server = server
        self.answer = answer
        self.heard = b""
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        wire, _ = self.server.accept()
        with wire, wire.makefile("rb") as stream:
            assert stream.read(10) == b"zINSTREAM\0"
            while size := struct.unpack(">I", stream.read(4))[0]:
                self.heard += stream.read(size)
            wire.sendall(self.answer)

    def stop(self) -> None:
        self._thread.join(5)
        self.server.close()


@pytest.fixture
def clamd() -> Iterator[Callable[[bytes], Clamd]]:
    started: list[Clamd] = []

    def start(answer: bytes) -> Clamd:
        started.append(Clamd(socket.create_server(("127.0.0.1", 0)), answer))
        return started[-1]

    yield start
    for server in started:
        server.stop()


def scanner_of(server: Clamd) -> ClamdScanner:
    return ClamdScanner(f"tcp://127.0.0.1:{server.server.getsockname()[1]}", seconds=5)


class TestClamd:
    def test_a_clean_file_is_sent_whole(self, clamd: Callable[[bytes], Clamd]) -> None:
        server = clamd(b"stream: OK\0")
        assert scanner_of(server).scan(io.BytesIO(CONTENT)).is_clean
        assert server.heard == CONTENT

    def test_a_find_is_named(self, clamd: Callable[[bytes], Clamd]) -> None:
        server = clamd(b"stream: Eicar-Test-Signature FOUND\0")
        result = scanner_of(server).scan(io.BytesIO(CONTENT))
        assert (result.is_clean, result.signature) == (False, "Eicar-Test-Signature")

    @pytest.mark.parametrize(
        "answer", [b"INSTREAM size limit exceeded. ERROR\0", b"stream: x ERROR\0", b"", b"OK\0"]
    )
    def test_anything_else_is_no_proof(
        self, clamd: Callable[[bytes], Clamd], answer: bytes
    ) -> None:
        with pytest.raises(ScannerDown):
            scanner_of(clamd(answer)).scan(io.BytesIO(CONTENT))

    def test_nobody_there_is_down(self, tmp_path: Path) -> None:
        for url in ("tcp://127.0.0.1:9", f"unix://{tmp_path}/clamd.sock"):
            with pytest.raises(ScannerDown, match="did not answer"):
                ClamdScanner(url, seconds=1).scan(io.BytesIO(CONTENT))

    def test_a_unix_socket_works_alike(self, tmp_path: Path) -> None:
        path = str(tmp_path / "clamd.sock")
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listening.bind(path)
        listening.listen()
        server = Clamd(listening, b"stream: OK\0")
        assert ClamdScanner(f"unix://{path}", seconds=5).scan(io.BytesIO(CONTENT)).is_clean
        server.stop()
