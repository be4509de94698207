"""What follows from the code alone is worked out once for all apps of a run.

Each test has an app of its own. Templates, SQL and the builders of addresses come out the same in
every one of them, and took half of the tests' time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

from flask import Flask
from jinja2 import FileSystemBytecodeCache
from sqlalchemy import Dialect
from werkzeug.routing import Rule

from dashboard.database import db

Builder = Callable[..., tuple[str, str]]


class WorkedOutOnce:
    """What apps share, beside the builders of addresses."""

    def __init__(self, folder: Path) -> None:
        self._templates = FileSystemBytecodeCache(str(folder))
        self._dialects: dict[str, Dialect] = {}
        self._statements: dict[Any, Any] = {}

    def share_with(self, app: Flask) -> None:
        """Let a new app, which asked its database nothing yet, use what others worked out."""
        app.jinja_env.bytecode_cache = self._templates
        with app.app_context():
            engine = db.engine
            first = self._dialects.get(engine.dialect.name)
            if first is None:
                # A dialect learns from its first connection what the server can do.
                engine.connect().close()
                self._dialects[engine.dialect.name] = engine.dialect
            else:
                # Statements are kept under the dialect object that they were compiled for.
                engine.dialect = first
            engine.update_execution_options(compiled_cache=self._statements)


@contextmanager
def builders_of_addresses() -> Iterator[None]:
    """Let equal routes share the functions that build their addresses."""
    known: dict[tuple[Any, ...], Builder] = {}
    compile_builder = Rule._compile_builder

    def remembered(rule: Rule, append_unknown: bool = True) -> Builder:
        key = (rule.rule, tuple(rule._trace), str(rule.defaults), append_unknown)
        if key not in known:
            known[key] = compile_builder(rule, append_unknown)
        return known[key]

    with mock.patch.object(Rule, "_compile_builder", remembered):
        yield
