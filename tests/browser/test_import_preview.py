"""The import preview in a browser: ticks that stay, decisions that are refused, what follows."""

from __future__ import annotations

NEW = 30
MANY = 10_000
PAGE_KILOBYTES = 150
MOST_ROWS = 100
