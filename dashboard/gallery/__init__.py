"""The gallery: every state of every screen, opened by one address each. Development and tests only.

A scene makes a practice of its own with the rows that lead to a state; the pages are the product's
own. It is registered only where the setting `GALLERY` is on, because opening a scene signs in
whoever asks. No worker may run beside it: it would move the rows on.
May import: everything but `app` and `cli`, whom nobody imports.
Read `scenes.py` first, then `settings.py` (scenes of one screen).
"""

from __future__ import annotations

from dashboard.gallery import around, clientele, filing, importing, running, settings
from dashboard.gallery.scenes import SCENES, Scene
from dashboard.gallery.views import register

__all__ = [
    "SCENES",
    "Scene",
    "around",
    "clientele",
    "filing",
    "importing",
    "register",
    "running",
    "settings",
]
