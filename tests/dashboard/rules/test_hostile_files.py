"""Every hostile file gets the right verdict, in time and in little memory, with words that help."""

from __future__ import annotations

import io
import re
import time
import tracemalloc

import pytest

from dashboard.rules import file_naming
from dashboard.rules.archive_dangers import Danger
from dashboard.rules.file_dangers import WORDS
from dashboard.rules.upload_policy import AcceptedFile, UploadRefusal, check
from tests.dashboard.rules.hostile_files import HostileFile, every

FILES = every()
FEWEST = 150
SECONDS = 2.0
MEMORY = 50_000_000
XERO_NAME = re.compile(r"[A-Za-z0-9 ()_\-]{1,96}\.[a-z0-9]{1,8}")


def test_there_are_enough_and_no_two_alike() -> None:
    assert len(FILES) >= FEWEST
    assert len({file.story for file in FILES}) == len(FILES)


@pytest.mark.parametrize("file", FILES, ids=[file.story for file in FILES])
def test_it_gets_its_verdict(file: HostileFile) -> None:
    found = check(file.name, io.BytesIO(file.content))
    if file.verdict is None:
        assert isinstance(found, AcceptedFile), found
        return
    assert isinstance(found, UploadRefusal)
    assert found.kind is file.verdict
    assert file.words in found.sentence
    assert found.fix.endswith(".")
    assert found.sentence.endswith(".")


@pytest.mark.parametrize("file", [file for file in FILES if len(file.content) > 10_000])
def test_even_a_large_one_is_judged_soon_and_in_little_memory(file: HostileFile) -> None:
    content = io.BytesIO(file.content)
    tracemalloc.start()
    began = time.process_time()
    check(file.name, content)
    seconds, most = time.process_time() - began, tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert seconds < SECONDS
    assert most < MEMORY


def test_every_danger_has_words() -> None:
    assert set(WORDS) == set(Danger)


@pytest.mark.parametrize("file", [file for file in FILES if file.story.startswith("named with")])
def test_no_name_of_a_person_reaches_xero_as_it_is(file: HostileFile) -> None:
    name = file_naming.file_name(file.name, file.name, file.name, "pdf")
    assert XERO_NAME.fullmatch(name)
    assert name.count(".") == 1
