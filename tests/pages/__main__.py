"""`python -m tests.pages`: run the gallery until Ctrl-C, to look around in it."""

from __future__ import annotations

import signal
import tempfile
from contextlib import suppress
from pathlib import Path

from tests.pages import gallery

with tempfile.TemporaryDirectory() as folder, gallery.running(Path(folder)) as found:
    print(f"The gallery is at {found.origin}/gallery, until Ctrl-C.")
    with suppress(KeyboardInterrupt):
        signal.pause()
