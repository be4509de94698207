"""strace, with which a process is killed just before its N-th write: found, or installed.

On Debian and Ubuntu, as root, it comes from the distribution's package.
https://man7.org/linux/man-pages/man1/strace.1.html (the option -e inject)
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# Whatever a program writes with: files, sockets, and what makes files durable. A name that this
# machine's kernel does not have is skipped because of its question mark.
WRITES = (
    "?write,?writev,?pwrite64,?pwritev,?pwritev2,?sendto,?sendmsg,?sendmmsg,?sendfile,"
    "?copy_file_range,?fsync,?fdatasync,?sync_file_range,?ftruncate,?fallocate,"
    "?rename,?renameat,?renameat2,?unlink,?unlinkat"
)
ATTACH_SECONDS = 20.0
END_SECONDS = 10.0
SENTENCE = "strace could neither be found nor installed: put it on the PATH."


class StraceMissing(Exception):
    """There is no strace here, and none could be installed."""


def ensure() -> str:
    """Return the path of strace, installing it where that can be done; raises `StraceMissing`."""
    found = shutil.which("strace")
    if found is None:
        _install_package()
        found = shutil.which("strace")
    if found is None:
        raise StraceMissing(SENTENCE)
    return found


def _install_package() -> None:
    apt = shutil.which("apt-get")
    if apt is None or os.geteuid() != 0:
        return
    print("Installing strace from the distribution ...", flush=True)
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (
        [apt, "update", "-qq"],
        [apt, "install", "-y", "-qq", "--no-install-recommends", "strace"],
    ):
        subprocess.run(command, env=quiet, capture_output=True, check=False)


@contextmanager
def killing_at(pid: int, write: int) -> Iterator[None]:
    """Have the process *pid* killed when it begins its *write*-th write from now on."""
    command = [ensure(), "-qq", "-o", os.devnull, "-p", str(pid), "-e", f"trace={WRITES}"]
    command += ["-e", f"inject={WRITES}:signal=KILL:when={write}"]
    tracer = subprocess.Popen(command, stderr=subprocess.PIPE)
    try:
        _wait_until_attached(pid, tracer)
        yield
    finally:
        # It ends with the process that it watches.
        try:
            tracer.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            tracer.kill()
            tracer.wait()
        assert tracer.stderr is not None
        tracer.stderr.close()


def _wait_until_attached(pid: int, tracer: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + ATTACH_SECONDS
    while "TracerPid:\t0\n" in Path(f"/proc/{pid}/status").read_text():
        if tracer.poll() is not None or time.monotonic() > until:
            assert tracer.stderr is not None
            raise AssertionError(f"strace did not attach: {tracer.stderr.read().decode()}")
        time.sleep(0.005)
