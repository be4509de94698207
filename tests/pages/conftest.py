"""The people and the running installations that the judges look at."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.browser.conftest import chromium
from tests.pages import gallery as galleries
from tests.pages.gallery import Gallery

__all__ = ["chromium"]


@pytest.fixture(scope="session")
def gallery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gallery]:
    """An installation in which every state of every screen can be opened."""
    with galleries.running(tmp_path_factory.mktemp("gallery")) as found:
        yield found
