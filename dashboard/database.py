"""The database's foundations: declarative base, column types, and how transactions begin."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from enum import StrEnum
from time import monotonic
from typing import Any
from uuid import UUID, uuid4

from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import (
    JSON,
    Connection,
    DateTime,
    Dialect,
    Engine,
    Enum,
    MetaData,
    String,
    Text,
    TypeDecorator,
    Uuid,
    event,
    func,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import InvalidatePoolError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, registry, scoped_session
from sqlalchemy.pool import ConnectionPoolEntry

from dashboard.clock import utcnow

SQLITE_CACHE_KIB = 16_000
SQLITE_BUSY_SECONDS = 15
# A server that crashes is away for longer than this: what was used a moment ago is still there.
TRUSTED_SECONDS = 1.0
LEFT_AT = "left_at"
CONSTRAINT_NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}

Json = JSON().with_variant(JSONB(), "postgresql")

# A page that only reads must not queue behind writers; a request that cannot write says so here.
reading_only: ContextVar[bool] = ContextVar("reading_only", default=False)


class UtcDateTime(TypeDecorator[datetime]):
    """A moment in UTC, aware on the way in and on the way out (SQLite forgets zones)."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return *value* in UTC; a naive time is a mistake and is refused."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("A time without a zone cannot be stored.")
        moment = value.astimezone(UTC)
        return moment.replace(tzinfo=None) if dialect.name == "sqlite" else moment

    def process_result_value(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        """Return the stored moment, aware and in UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    """What every table shares: named constraints and our column types."""

    registry = registry(
        metadata=MetaData(naming_convention=CONSTRAINT_NAMES),
        type_annotation_map={
            UUID: Uuid(),
            datetime: UtcDateTime(),
            str: Text(),
            dict[str, Any]: Json,
            list[Any]: Json,
        },
    )


class Identified:
    """A row with a random UUID as its key."""

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)


class Timestamped:
    """A row that knows when it was made and last changed."""

    created_at: Mapped[datetime] = mapped_column(default=utcnow)
    updated_at: Mapped[datetime] = mapped_column(default=utcnow, onupdate=utcnow)


Short = String(255)
Code = String(20)
CODE_LENGTH = 20


def words(kind: type[StrEnum], length: int = CODE_LENGTH) -> Enum:
    """Return a text column type that holds the values of *kind* and reads back as *kind*."""
    return Enum(
        kind,
        native_enum=False,
        length=length,
        values_callable=lambda members: [member.value for member in members],
    )


AnySession = Session | scoped_session[Any]

db = SQLAlchemy(metadata=Base.metadata)


@contextmanager
def only_reading(session: AnySession) -> Iterator[None]:
    """Read in a transaction of its own, which keeps no writer of SQLite waiting and then ends."""
    token = reading_only.set(True)
    try:
        yield
    finally:
        session.rollback()
        reading_only.reset(token)


def insert_for(session: AnySession) -> Any:
    """Return the `insert` of the session's database, the one that knows `on_conflict_do_…`."""
    return sqlite.insert if session.get_bind().dialect.name == "sqlite" else postgresql.insert


def database_time(session: AnySession) -> datetime:
    """Return the present moment by the database's clock, the one clock that all machines share.

    Opens a transaction. SQLite has no clock of its own: there it is this machine's.
    """
    if session.get_bind().dialect.name == "sqlite":
        return utcnow()
    now: datetime = session.execute(
        select(func.clock_timestamp(type_=DateTime(timezone=True)))
    ).scalar_one()
    return now.astimezone(UTC)


def prepare_engine(engine: Engine) -> None:
    """Make SQLite safe for many writers, and notice a PostgreSQL that was restarted meanwhile."""
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _sqlite_connected)
        event.listen(engine, "begin", _sqlite_begins)
        return

    @event.listens_for(engine, "checkin")
    def note_when(_dbapi_connection: Any, record: ConnectionPoolEntry) -> None:
        record.info[LEFT_AT] = monotonic()

    @event.listens_for(engine, "checkout")
    def ask_after_a_rest(dbapi_connection: Any, record: ConnectionPoolEntry, _proxy: Any) -> None:
        # SQLAlchemy's own pre-ping asks each time: one more way there and back for every poll.
        if monotonic() - record.info.get(LEFT_AT, monotonic()) < TRUSTED_SECONDS:
            return
        try:
            engine.dialect.do_ping(dbapi_connection)
        except engine.dialect.loaded_dbapi.Error as broken:
            raise InvalidatePoolError from broken


def one_query(engine: Engine) -> Connection:
    """Return a connection for one query that only reads: on PostgreSQL without a transaction.

    BEGIN and ROLLBACK would cost two more ways there and back, and a single SELECT is whole anyway.
    """
    connection = engine.connect()
    if engine.dialect.name == "sqlite":
        return connection
    return connection.execution_options(isolation_level="AUTOCOMMIT")


def _sqlite_connected(dbapi_connection: Any, _record: Any) -> None:
    # The driver's own transactions begin late and lose updates silently; see _sqlite_begins.
    dbapi_connection.isolation_level = None
    cursor = dbapi_connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {SQLITE_BUSY_SECONDS * 1000}")
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = NORMAL")
    # The usual 2 MB hold no practice's contacts: each look at them would read them anew.
    cursor.execute(f"PRAGMA cache_size = -{SQLITE_CACHE_KIB}")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


def _sqlite_begins(connection: Connection) -> None:
    # Two transactions that both read and then write would lose one write: writers queue here.
    connection.exec_driver_sql("BEGIN" if reading_only.get() else "BEGIN IMMEDIATE")
