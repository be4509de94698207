"""Migrations run up and down, and end where the models are."""

from __future__ import annotations

from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from flask import Flask
from flask_migrate import downgrade, upgrade
from sqlalchemy import inspect

import dashboard.models  # noqa: F401 - loads every table
from dashboard.database import Base, db
from migrations.comparison import compare_type

VERSIONS = Path(__file__).parents[2] / "migrations" / "versions"


def tables() -> set[str]:
    return set(inspect(db.engine).get_table_names()) - {"alembic_version"}


class TestMigrations:
    def test_they_end_where_the_models_are(self, app: Flask) -> None:
        with db.engine.connect() as connection:
            context = MigrationContext.configure(connection, opts={"compare_type": compare_type})
            assert compare_metadata(context, Base.metadata) == []

    def test_they_run_down_to_nothing_and_up_again(self, app: Flask) -> None:
        assert tables() == set(Base.metadata.tables)
        downgrade(revision="base")
        assert tables() == set()
        upgrade()
        assert tables() == set(Base.metadata.tables)


@pytest.mark.parametrize("path", sorted(VERSIONS.glob("*.py")), ids=lambda path: path.name)
def test_a_migration_does_not_lean_on_code_that_may_change(path: Path) -> None:
    assert "dashboard" not in path.read_text()
