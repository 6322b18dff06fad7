"""Transactions on SQLite or PostgreSQL: a unit of work is a plain function of a Connection, run whole in a thread.

    async: await store.run(lambda db: threads.place_batch(db, ...))     commits when it returns, rolls back when it raises
    sync:  def place_batch(db: Connection, ...) -> ...                   the functions of this room

Why threads and not async drivers: a whole transaction costs one hop, is never cancelled half way, and reads top to bottom (decision 0004).
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine import Connection as Connection
from sqlalchemy.engine import Dialect, Engine

from services.runtime.errors import Misconfigured, Rejected, Unavailable

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql

T = TypeVar("T")

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)
"""Every table of the store hangs here; the migrations are checked against it."""


class Instant(sa.types.TypeDecorator[datetime]):
    """An aware time in UTC, to the microsecond. SQLite keeps it as microseconds since 1970, so that it sorts and compares."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> sa.types.TypeEngine[Any]:
        return dialect.type_descriptor(sa.BigInteger() if dialect.name == "sqlite" else sa.DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a zone cannot be stored")
        return round((value - _EPOCH) / timedelta(microseconds=1)) if dialect.name == "sqlite" else value

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return _EPOCH + timedelta(microseconds=value) if dialect.name == "sqlite" else cast("datetime", value).astimezone(UTC)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Store:
    """One database. Open with `Store.open`, close with `close` or `async with`."""

    def __init__(self, engine: Engine, threads: int) -> None:
        self._engine = engine
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="store")

    @classmethod
    def open(cls, url: str, *, threads: int = 4, statement_timeout: timedelta = timedelta(seconds=30)) -> Store:
        """`sqlite:///var/chipwire.db` or `postgresql://user:password@host/name`. Raises Misconfigured for any other URL."""
        try:
            parsed = sa.make_url(url)
        except sa.exc.ArgumentError as exc:
            raise Misconfigured("CHIPWIRE_STORE is no database URL; expected sqlite:///path or postgresql://user@host/name") from exc
        if parsed.get_backend_name() == "sqlite":
            return cls(_sqlite(parsed, statement_timeout), threads)
        if parsed.get_backend_name() == "postgresql":
            return cls(_postgresql(parsed, threads, statement_timeout), threads)
        raise Misconfigured(f"CHIPWIRE_STORE names {parsed.get_backend_name()!r}; expected sqlite or postgresql")

    @property
    def dialect(self) -> str:
        """sqlite or postgresql."""
        return self._engine.dialect.name

    @property
    def directory(self) -> Path | None:
        """Where the database's file is, and what belongs beside it; None when it is no file of ours."""
        path = self._engine.url.database
        return Path(path).parent if self.dialect == "sqlite" and path and path != ":memory:" else None

    @property
    def engine(self) -> Engine:
        """For migrations."""
        return self._engine

    async def run(self, work: Callable[[Connection], T]) -> T:
        """One transaction. Once begun it runs to its end, even when the caller is cancelled. Raises Unavailable when the database is."""
        return await self._in_thread(self.run_sync, work)

    async def read(self, work: Callable[[Connection], T]) -> T:
        """A transaction that only reads: on SQLite it waits for no writer."""
        return await self._in_thread(self.read_sync, work)

    def run_sync(self, work: Callable[[Connection], T]) -> T:
        """`run` for callers without an event loop."""
        with _translated(), self._engine.connect() as db:
            if self.dialect == "sqlite":
                db.exec_driver_sql("BEGIN IMMEDIATE")  # the write lock at once: no deadlock by upgrade
            with db.begin() if not db.in_transaction() else _finishing(db):
                return work(db)

    def read_sync(self, work: Callable[[Connection], T]) -> T:
        """`read` for callers without an event loop."""
        with _translated(), self._engine.connect() as db:
            try:
                return work(db)
            finally:
                db.rollback()

    async def ping(self) -> None:
        """Returns if the database answers. Raises Unavailable."""
        await self.read(lambda db: db.execute(sa.text("SELECT 1")).scalar_one())

    async def close(self) -> None:
        await asyncio.to_thread(self.close_sync)

    def close_sync(self) -> None:
        """`close` for callers without an event loop."""
        self._pool.shutdown(wait=True)
        self._engine.dispose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    async def _in_thread(self, call: Callable[[Callable[[Connection], T]], T], work: Callable[[Connection], T]) -> T:
        future = asyncio.get_running_loop().run_in_executor(self._pool, call, work)
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            await asyncio.wait([future])  # the transaction ends before the caller does
            raise


def insert(db: Connection, table: sa.Table) -> postgresql.Insert | sqlite.Insert:
    """An INSERT that knows ON CONFLICT, in the words of the database at hand."""
    if db.dialect.name == "sqlite":
        return sqlite.insert(table)
    from sqlalchemy.dialects import postgresql  # brings every driver it knows along: a tenth of a second, only for who uses it

    return postgresql.insert(table)


def place_lock(db: Connection) -> None:
    """Makes placing serial across processes until the transaction ends. SQLite's BEGIN IMMEDIATE has done so already."""
    if db.dialect.name == "postgresql":
        db.execute(sa.text("SELECT pg_advisory_xact_lock(hashtext('chipwire.place'))"))


def database_now(db: Connection, fallback: datetime) -> datetime:
    """The database's clock, which all processes share. On SQLite, one machine, it is the caller's clock: `fallback`."""
    if db.dialect.name == "sqlite":
        return fallback
    return cast("datetime", db.execute(sa.text("SELECT clock_timestamp()")).scalar_one()).astimezone(UTC)


def _sqlite(url: sa.URL, timeout: timedelta) -> Engine:
    if url.database and url.database != ":memory:":
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    engine = sa.create_engine(url, connect_args={"timeout": timeout.total_seconds(), "check_same_thread": False, "isolation_level": None})

    @event.listens_for(engine, "connect")
    def _prepare(connection: sqlite3.Connection, _record: object) -> None:
        _write_ahead(connection, timeout)
        for pragma in ("synchronous=NORMAL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")

    return engine


def _write_ahead(connection: sqlite3.Connection, timeout: timedelta) -> None:
    """SQLite waits for other locks by itself; where two change the journal of a new file at once it answers one of them "locked" without waiting."""
    give_up = time.monotonic() + timeout.total_seconds()
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as exc:
            if exc.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > give_up:
                raise
            time.sleep(0.01)


def _postgresql(url: sa.URL, threads: int, timeout: timedelta) -> Engine:
    milliseconds = round(timeout.total_seconds() * 1000)
    options = f"-c statement_timeout={milliseconds} -c idle_in_transaction_session_timeout={milliseconds} -c timezone=UTC"
    return sa.create_engine(
        url.set(drivername="postgresql+psycopg"),
        pool_size=threads,
        max_overflow=0,
        pool_pre_ping=True,
        connect_args={"options": options, "connect_timeout": 10},
    )


@contextmanager
def _finishing(db: Connection) -> Iterator[None]:
    try:
        yield
    except BaseException:
        db.rollback()
        raise
    db.commit()


def _why(exc: sa.exc.SQLAlchemyError) -> str:
    """What the driver says, such as which address refuses; it names no password. Else the kind of error."""
    said = str(exc.orig) if isinstance(exc, sa.exc.DBAPIError) else ""
    return said.strip().partition("\n")[0] or type(exc).__name__


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (sa.exc.OperationalError, sa.exc.InterfaceError, sa.exc.TimeoutError) as exc:
        raise Unavailable(f"the database does not answer: {_why(exc)}") from exc
    except sa.exc.IntegrityError as exc:
        raise Rejected(f"the database refuses the row: {type(exc.orig).__name__}") from exc
    except sa.exc.DBAPIError as exc:
        if exc.connection_invalidated:  # cut off, such as a transaction that idled too long
            raise Unavailable(f"the database ended the connection: {type(exc.orig).__name__}") from exc
        if type(exc) is sa.exc.DatabaseError:  # not one of its kinds: SQLite was given another program's file
            raise Misconfigured(f"CHIPWIRE_STORE cannot be used: {exc.orig}") from exc
        raise
