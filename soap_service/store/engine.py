"""The engine: connections, transactions, and what the two databases do differently.

SQLite is the embedded default (WAL, every commit on disk, one writer); PostgreSQL is for everything else.
"""

from __future__ import annotations

import select
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from cachetools import LRUCache
from sqlalchemy import Connection, Engine, create_engine, event, exc
from sqlalchemy.engine import URL, make_url

from soap_service.domain.terms import Terms

# Statements stand alone unless a transaction is asked for: most calls need none, and save its round trips.
_TRANSACTION = {"postgresql": "READ COMMITTED", "sqlite": "SERIALIZABLE"}
_ALONE = "AUTOCOMMIT"

SQLITE_BUSY_SECONDS = 10
SQLITE_ASK_AGAIN_SECONDS = 0.002
CONNECT_SECONDS = 5


class TermsCache:
    """Terms seen lately, by id and by content. They never change, so nothing here can be out of date."""

    def __init__(self, size: int = 4096) -> None:
        self._lock = threading.Lock()
        self._ids: LRUCache[tuple[int, Terms], int] = LRUCache(size)
        self._terms: LRUCache[tuple[int, int], Terms] = LRUCache(size)

    def remember(self, shop_id: int, terms_id: int, terms: Terms) -> None:
        with self._lock:
            self._ids[shop_id, terms] = terms_id
            self._terms[shop_id, terms_id] = terms

    def id_of(self, shop_id: int, terms: Terms) -> int | None:
        with self._lock:
            return self._ids.get((shop_id, terms))

    def terms_of(self, shop_id: int, terms_id: int) -> Terms | None:
        with self._lock:
            return self._terms.get((shop_id, terms_id))


class StoreUnavailable(Exception):
    """The database does not answer, or refuses for a reason that may pass; nothing of the call was kept."""


# What says "the store is away" rather than "this statement is wrong": no connection, a lost one, no free one
# in time, a lock not had in time, a full disk, a server that is going down.
_AWAY = (exc.OperationalError, exc.InterfaceError, exc.TimeoutError)


class Store:
    """One database and how to talk to it.

    `read()` gives a connection whose statements stand alone (each sees what is committed by then); `write()`
    one whose statements stand or fall together. Both raise StoreUnavailable when the database is away.
    """

    def __init__(self, url: str | URL, *, pool_size: int = 5) -> None:
        """`url`: an SQLAlchemy URL for SQLite or PostgreSQL; `pool_size`: connections kept per process."""
        self.url = _with_driver(make_url(url))
        self.engine = _make_engine(self.url, pool_size)
        self._transactions = self.engine.execution_options(isolation_level=_TRANSACTION[self.engine.dialect.name])
        self.cache = TermsCache()

    @property
    def is_postgresql(self) -> bool:
        return self.engine.dialect.name == "postgresql"

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection for statements that stand alone: reads, and writes made of a single statement."""
        with _unavailable(), self.engine.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction: committed at the end of the block, rolled back when it raises."""
        with _unavailable(), self._transactions.begin() as connection:
            yield connection

    @contextmanager
    def joined(self, transaction: Connection | None) -> Iterator[Connection]:
        """The transaction given, left open for its owner to end, or else a new one as of `write()`."""
        if transaction is not None:
            yield transaction
        else:
            with self.write() as connection:
                yield connection

    def close(self) -> None:
        """Close the connections of this process."""
        self.engine.dispose()

    def forget_connections(self) -> None:
        """After a fork: drop the parent's connections without closing them under its feet."""
        self.engine.dispose(close=False)


@contextmanager
def _unavailable() -> Iterator[None]:
    try:
        yield
    except _AWAY as error:
        raise StoreUnavailable(
            type(error.orig if isinstance(error, exc.DBAPIError) else error).__name__
        ) from error
    except exc.DBAPIError as error:
        if error.connection_invalidated or _is_passing(error):
            raise StoreUnavailable(type(error.orig).__name__) from error
        raise


def _is_passing(error: exc.DBAPIError) -> bool:
    state = getattr(error.orig, "sqlstate", None) or ""
    # 08 connection, 53 resources, 55P03 lock not available, 57 operator, 58 system, 40 serialization or deadlock
    return state[:2] in {"08", "40", "53", "57", "58"} or state == "55P03"


def _with_driver(url: URL) -> URL:
    if url.drivername in {"postgresql", "postgres"}:
        return url.set(drivername="postgresql+psycopg")
    if url.drivername not in {"postgresql+psycopg", "sqlite", "sqlite+pysqlite"}:
        raise ValueError(f"a database of kind {url.drivername!r} is not supported: use sqlite or postgresql")
    return url


def _make_engine(url: URL, pool_size: int) -> Engine:
    if url.get_backend_name() == "sqlite":
        engine = create_engine(
            url,
            isolation_level=_ALONE,
            pool_size=pool_size,
            max_overflow=pool_size,
            hide_parameters=True,
            connect_args={"timeout": SQLITE_BUSY_SECONDS, "check_same_thread": False},
        )
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_immediate)
        return engine
    arguments: dict[str, Any] = {}
    if "connect_timeout" not in url.query:
        arguments["connect_timeout"] = CONNECT_SECONDS
    engine = create_engine(
        url,
        isolation_level=_ALONE,
        pool_size=pool_size,
        max_overflow=pool_size,
        pool_timeout=CONNECT_SECONDS,
        pool_use_lifo=True,
        connect_args=arguments,
        skip_autocommit_rollback=True,
        hide_parameters=True,  # codes must not reach a log through an error's text
    )
    event.listen(engine, "checkout", _refuse_dead_connection)
    return engine


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # the driver must not begin transactions of its own
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_immediate(connection: Connection) -> None:
    # Take the one writer's lock first, or two transactions that both read first could never both write.
    if stands_alone(connection):
        return
    # SQLite's own waiting backs off to a tenth of a second and lets luck decide; asking often is fairer.
    deadline = time.monotonic() + SQLITE_BUSY_SECONDS
    connection.exec_driver_sql("PRAGMA busy_timeout=0")
    try:
        while True:
            try:
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            except exc.OperationalError as error:
                code = getattr(error.orig, "sqlite_errorcode", 0) & 0xFF
                if code != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                    raise
                time.sleep(SQLITE_ASK_AGAIN_SECONDS)
            else:
                return
    finally:
        connection.exec_driver_sql(f"PRAGMA busy_timeout={SQLITE_BUSY_SECONDS * 1000}")


def stands_alone(connection: Connection) -> bool:
    """Whether each statement of the connection is committed by itself."""
    return "isolation_level" not in connection.get_execution_options()


def _refuse_dead_connection(connection: Any, _record: Any, _proxy: Any) -> None:
    # A server that went away has closed the socket: an idle connection that is readable is dead. Costs a
    # system call, where asking the server would cost a round trip.
    if connection.closed:
        raise exc.DisconnectionError
    poller = select.poll()
    poller.register(connection.fileno(), select.POLLIN | select.POLLHUP | select.POLLERR)
    if poller.poll(0):
        raise exc.DisconnectionError
