"""How Alembic compares and writes down our column types."""

from typing import Any, Literal

from sqlalchemy import JSON, DateTime, Enum, String, Text, Uuid

from dashboard.database import UtcDateTime

PLAIN = {
    UtcDateTime: "sa.DateTime(timezone=True)",
    Uuid: "sa.Uuid()",
    Text: "sa.Text()",
    JSON: 'sa.JSON().with_variant(postgresql.JSONB(), "postgresql")',
}


def render_item(kind: str, thing: Any, _context: Any) -> str | Literal[False]:
    """Return how a column type is written down, or False to let Alembic decide."""
    if kind != "type":
        return False
    if isinstance(thing, Enum):
        return f"sa.String({thing.length})"
    return PLAIN.get(type(thing), False)


def compare_type(
    _context: Any, _inspected_column: Any, _our_column: Any, inspected: Any, ours: Any
) -> bool | None:
    """Tell whether a column's type differs; our own types are stored as plain ones."""
    if isinstance(ours, Enum):
        return not (isinstance(inspected, String) and inspected.length == ours.length)
    if isinstance(ours, UtcDateTime):
        return not isinstance(inspected, DateTime)
    return None
