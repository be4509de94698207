"""A real clamd with one signature of our own: found, or installed where that can be done.

On Debian and Ubuntu, as root, it comes from the distribution's package `clamav-daemon`. No virus
database is fetched: the one signature finds the test string that every scanner knows, see
https://www.eicar.org/download-anti-malware-testfile/.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.servers import running

# In two halves, so that no scanner on a developer's machine takes this file for the test file.
EICAR = b"X5O!P%@AP[4\\PZX54(P^)7CC)7}" + b"$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"
SIGNATURE_NAME = "Eicar-Test"
SENTENCE = "clamd is not installed and cannot be installed here: put `clamd` on the PATH."
PLACES = "/usr/sbin:/usr/local/sbin"
INSTALL_SECONDS = 240


def ensure() -> str | None:
    """Return the path of a clamd, installing one where that can be done; None where it cannot."""
    found = _find()
    if found is None:
        _install_package()
        found = _find()
    return found


@contextmanager
def real_clamd(program: str) -> Iterator[str]:
    """Run a clamd that knows one signature; yield the address for `CLAMD_URL`."""
    # The socket lies in this folder and its path must stay short.
    folder = Path(tempfile.mkdtemp(prefix="chase-clamd-"))
    try:
        # As root it would give itself to another user, who may not read our folder.
        folder.chmod(0o755)
        (folder / "signatures").mkdir(mode=0o755)
        signature = f"{SIGNATURE_NAME}:0:*:{EICAR.hex()}\n"
        (folder / "signatures" / "own.ndb").write_text(signature)
        (folder / "clamd.conf").write_text(
            f"LocalSocket {folder / 'clamd.sock'}\n"
            f"DatabaseDirectory {folder / 'signatures'}\n"
            f"TemporaryDirectory {folder}\n"
            "Foreground yes\nScanArchive yes\n"
            "StreamMaxLength 25M\nMaxThreads 2\n"
        )
        command = [program, "--config-file", str(folder / "clamd.conf")]
        with running(command, {}, folder / "log") as server:
            server.wait_until(lambda: _answers(folder / "clamd.sock"))
            yield f"unix://{folder / 'clamd.sock'}"
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _find() -> str | None:
    return shutil.which("clamd", path=f"{os.environ.get('PATH', '')}:{PLACES}")


def _install_package() -> None:
    apt = shutil.which("apt-get")
    if apt is None or os.geteuid() != 0:
        return
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (
        [apt, "update", "-qq"],
        [apt, "install", "-y", "-qq", "--no-install-recommends", "clamav-daemon"],
    ):
        subprocess.run(
            command, env=quiet, capture_output=True, check=False, timeout=INSTALL_SECONDS
        )


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as wire:
        wire.settimeout(1)
        try:
            wire.connect(str(path))
            wire.sendall(b"zPING\0")
            return wire.recv(16).startswith(b"PONG")
        except OSError:
            return False
