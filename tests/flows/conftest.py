"""Every flow is watched: no secret that it used may be found anywhere when it has ended."""

from __future__ import annotations

import base64
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from dashboard.config import Settings
from tests import factories
from tests.support import servers
from tests.support.leak_watch import LeakWatch, watching
from tests.support.servers import Running

REPORTS = pytest.StashKey[list[pytest.TestReport]]()
WATCH = pytest.StashKey[LeakWatch]()


class Others:
    """The processes that a flow started, the pretend Xero's left out, and their last words."""

    def __init__(self) -> None:
        self.running: list[Running] = []
        self.last_words: list[str] = []

    def said(self) -> list[str]:
        """Return what each of them has written so far; last words are told once."""
        told, self.last_words = self.last_words, []
        return [*told, *(process.said() for process in self.running)]


@pytest.fixture(scope="session", autouse=True)
def other_processes() -> Iterator[Others]:
    """Remembers the processes that are started, for the watch to read what they write."""
    others, start = Others(), servers.running

    @contextmanager
    def remembered(
        command: Sequence[str], environment: Mapping[str, str], *more: Any
    ) -> Iterator[Running]:
        with start(command, environment, *more) as process:
            if any("simulator" in word for word in command):
                yield process
                return
            others.running.append(process)
            try:
                yield process
            finally:
                others.running.remove(process)
                others.last_words.append(process.said())

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(servers, "running", remembered)
        yield others


@pytest.fixture(autouse=True)
def leak_watch(request: pytest.FixtureRequest) -> Iterator[LeakWatch]:
    """The watch of this test; it looks at the end whether a secret can be found anywhere."""
    # What is printed of plain HTTP is only ours while the product runs in this process.
    with watching(prints_headers="app" in request.fixturenames) as watch:
        watch.learn("password", factories.PASSWORD)
        request.node.stash[WATCH] = watch
        yield watch


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Keep what was captured from standard output, standard error and the log."""
    report = yield
    item.stash.setdefault(REPORTS, []).append(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, None, None]:
    """Search everything while database, Redis and processes are still there; then end the test."""
    problem: Exception | None = None
    leaks: list[str] = []
    try:
        leaks = _leaks_of(item)
    except Exception as trouble:  # noqa: BLE001 - fixtures must end whatever happens here
        problem = trouble
    yield
    if problem is not None:
        raise problem
    if leaks:
        pytest.fail("Secrets were found:\n" + "\n".join(leaks), pytrace=False)


def _leaks_of(item: pytest.Item) -> list[str]:
    watch = item.stash.get(WATCH, None)
    if watch is None:
        return []
    values: dict[str, Any] = getattr(item, "funcargs", {})
    for report in item.stash.get(REPORTS, []):
        for title, text in report.sections:
            watch.note(title.lower(), text)
    settings = values.get("settings")
    if isinstance(settings, Settings):
        watch.learn_settings(settings)
        watch.note_database(settings.database_url)
        watch.note_redis(settings.redis_url)
    installation = values.get("installation")
    if isinstance(installation, dict) and "DATABASE_URL" in installation:
        _look_at_installation(watch, installation)
    others = values.get("other_processes")
    for text in others.said() if isinstance(others, Others) else []:
        watch.note("what a process wrote", text)
    if isinstance(values.get("tmp_path"), Path):
        watch.note_files(values["tmp_path"])
    return [str(leak) for leak in watch.leaks()]


def _look_at_installation(watch: LeakWatch, environment: Mapping[str, str]) -> None:
    for name in ("SECRET_KEY", "XERO_CLIENT_SECRET"):
        watch.learn(name, environment[name])
    for listed in environment["TOKEN_MASTER_KEYS"].split(","):
        key = listed.partition(":")[2]
        watch.learn("master key", key)
        watch.learn("master key", base64.b64decode(key))
    watch.note_database(environment["DATABASE_URL"])
    watch.note_redis(environment["REDIS_URL"])
