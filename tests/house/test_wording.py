"""What people read is spelt in one way, wherever it is written."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
TEMPLATES = sorted((PROJECT / "templates").rglob("*.html"))
MODULES = sorted(file for room in ("dashboard", "jobs") for file in (PROJECT / room).rglob("*.py"))
COMMENT = re.compile(r"{#.*?#}", re.DOTALL)
WRONG = re.compile(r"\be-mail", re.IGNORECASE)


def texts(source: str) -> Iterator[str]:
    """Yield the texts of a module that are not docstrings: those may reach a page."""
    tree = ast.parse(source)
    docstrings = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        is_text = isinstance(node, ast.Constant) and isinstance(node.value, str)
        if is_text and id(node) not in docstrings:
            yield node.value


def test_pages_say_email() -> None:
    pages = [(file.name, WRONG.findall(COMMENT.sub("", file.read_text()))) for file in TEMPLATES]
    assert pages
    assert [page for page in pages if page[1]] == []


def test_sentences_say_email() -> None:
    found = [(file.name, text) for file in MODULES for text in texts(file.read_text())]
    assert found
    assert [one for one in found if WRONG.search(one[1])] == []


def test_sentences_are_looked_at_and_docstrings_are_not() -> None:
    assert list(texts('def f():\n    """An e-mail."""\n    return f"No e-mail {f}."')) == [
        "No e-mail ",
        ".",
    ]
