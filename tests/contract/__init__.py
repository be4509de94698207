"""Xero's official OpenAPI files, cut to what our client calls.

Source: https://github.com/XeroAPI/Xero-OpenAPI, version 16.1.0, MIT licence (see LICENSE beside
this). `cut.py` makes `accounting.json`, `files.json` and `identity.json` from a checkout of it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
NAMES = ("accounting", "files", "identity")


def official(name: str) -> dict[str, Any]:
    """Return one of the cut files."""
    cut: dict[str, Any] = json.loads((HERE / f"{name}.json").read_text(encoding="utf-8"))
    return cut
