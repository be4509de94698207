"""The people and the running installation of the browser tests, for the judges too."""

from __future__ import annotations

from tests.browser.conftest import chromium, installation, office
from tests.browser.test_pages import addresses

__all__ = ["addresses", "chromium", "installation", "office"]
