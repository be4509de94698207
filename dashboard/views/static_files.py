"""Addresses of our own static files: the content is part of the address, so they keep for ever."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path
from typing import cast

from flask import Flask, url_for


def register(app: Flask) -> None:
    """Give `static_url(path)` to the templates of *app*."""
    folder = Path(cast(str, app.static_folder))

    @lru_cache
    def version(path: str) -> str:
        return hashlib.sha256((folder / path).read_bytes()).hexdigest()[:12]

    def static_url(path: str) -> str:
        return url_for("static", filename=path, v=version(path))

    app.add_template_global(static_url)
