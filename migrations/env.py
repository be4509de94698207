"""How Alembic reaches our tables: through the app's engine, inside one transaction.

Columns are written with plain SQLAlchemy types, so that an old migration runs unchanged even when
our own types have moved on.
"""

import sys
from pathlib import Path

from alembic import context
from flask import current_app

import dashboard.models  # noqa: F401 - loads every table
from dashboard.database import Base

# Alembic runs this file by its path, outside of any package.
sys.path.insert(0, str(Path(__file__).parent))
from comparison import compare_type, render_item  # noqa: E402


def run() -> None:
    """Run the migrations on the app's database."""
    engine = current_app.extensions["migrate"].db.engine
    with engine.connect() as connection:
        context.configure(
            connection=connection,
            target_metadata=Base.metadata,
            render_item=render_item,
            compare_type=compare_type,
            render_as_batch=engine.dialect.name == "sqlite",
        )
        with context.begin_transaction():
            context.run_migrations()


run()
