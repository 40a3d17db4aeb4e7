"""Queries of the pool import: lines staged in temporary tables, compared with the store, merged in one go.

Staging and comparing hold no lock: on SQLite nothing is written to the database itself, so that its one
writer stays free. Only the merge is a transaction. It relies on the unique key of `pool_code`: a code that
came in between makes it fail as a whole, and the lines are compared anew.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum

import psycopg
from sqlalchemy import Connection, exc, func, insert, select, text

from soap_service.store import dialects
from soap_service.store.engine import Store, StoreUnavailable
from soap_service.store.tables import charge, pool_lane


class Verdict(IntEnum):
    """Why a line of the file does not become stock."""

    UNREADABLE = 1
    REPEATED = 2
    ISSUED = 3
    ELSEWHERE = 4
    ALREADY_THERE = 10
    ALREADY_THERE_OTHERWISE = 11


REFUSED = (Verdict.UNREADABLE, Verdict.REPEATED, Verdict.ISSUED, Verdict.ELSEWHERE)


@dataclass(frozen=True, slots=True)
class Outcome:
    """A line that does not become stock.

    `detail`: of an UNREADABLE line the reason, of a REPEATED code the number of its first line, else the
    ChargeId whose voucher or stock the code is.
    """

    line: int
    verdict: Verdict
    detail: str


class Overtaken(Exception):
    """Another import was faster with one of the codes: compare again."""


class ChargeGone(Exception):
    """The charge was deleted meanwhile."""


_TABLES = (
    "CREATE TEMPORARY TABLE import_line (line {big} NOT NULL, lane integer NOT NULL, code text {bytes} NOT NULL)",
    "CREATE TEMPORARY TABLE import_lane (lane integer PRIMARY KEY, terms_id {big}, lane_id {big})",
    "CREATE TEMPORARY TABLE import_out (line {big} PRIMARY KEY, verdict integer NOT NULL, detail text NOT NULL)",
)
_PREPARE = {
    # The planner knows nothing of a temporary table by itself; the sort below must not spill in small pieces.
    True: ("ANALYZE import_line", "SET work_mem = '64MB'"),
    False: ("CREATE INDEX temp.import_line_code ON import_line (code, line)",),
}
# Without it, random inserts into the index of codes read the file again and again: 3 s a million, not 10.
_SQLITE_CACHE = "PRAGMA cache_size = -65536"

_LINES = "import_line (line, lane, code)"
_OUT = "import_out (line, verdict, detail)"
_SET_LANE = text("INSERT INTO import_lane (lane, terms_id) VALUES (:lane, :terms_id)")
_SET_LANE_ID = text("UPDATE import_lane SET lane_id = :lane_id WHERE lane = :lane")

# Each statement leaves lines alone that an earlier one has sorted out.
_COMPARE = (
    """
    INSERT INTO import_out (line, verdict, detail)
    SELECT l.line, 2, CAST(twice.first AS text)
    FROM (SELECT code, min(line) AS first FROM import_line GROUP BY code HAVING count(*) > 1) AS twice
    JOIN import_line l ON l.code = twice.code AND l.line > twice.first
    """,
    """
    INSERT INTO import_out (line, verdict, detail)
    SELECT l.line, 3, c.name
    FROM import_line l
    JOIN voucher v ON v.code = l.code AND v.shop_id = :shop
    JOIN charge c ON c.shop_id = v.shop_id AND c.charge_id = v.charge_id
    WHERE true ON CONFLICT DO NOTHING
    """,
    """
    INSERT INTO import_out (line, verdict, detail)
    SELECT l.line,
           CASE WHEN s.charge_id <> :charge THEN 4 WHEN p.seq < s.next_seq THEN 3
                WHEN s.terms_id = m.terms_id THEN 10 ELSE 11 END,
           c.name
    FROM import_line l
    JOIN pool_code p ON p.code = l.code AND p.shop_id = :shop
    JOIN pool_lane s ON s.shop_id = p.shop_id AND s.lane_id = p.lane_id
    JOIN charge c ON c.shop_id = s.shop_id AND c.charge_id = s.charge_id
    JOIN import_lane m ON m.lane = l.lane
    WHERE true ON CONFLICT DO NOTHING
    """,
)
_COUNT = text("SELECT verdict, count(*) FROM import_out GROUP BY verdict")
_OUTCOMES = text(
    "SELECT line, verdict, detail FROM import_out WHERE verdict < 10 AND line > :after ORDER BY line LIMIT :size"
)
_ACCEPTED = "FROM import_line l WHERE NOT EXISTS (SELECT 1 FROM import_out o WHERE o.line = l.line)"
_PER_LANE = text(f"SELECT l.lane, count(*) AS codes {_ACCEPTED} GROUP BY l.lane ORDER BY l.lane")
# The window leaves the rows in the order in which draws will read them, lane by lane, and CROSS JOIN keeps
# SQLite from turning that round. Sorted by code they would go in about as fast, and every draw of a thousand
# would then touch a thousand pages.
_MERGE = text(
    f"""
    INSERT INTO pool_code (shop_id, lane_id, seq, code)
    SELECT :shop, m.lane_id, numbered.seq, numbered.code
    FROM (SELECT l.lane, l.code, row_number() OVER (PARTITION BY l.lane ORDER BY l.line) AS seq {_ACCEPTED})
        AS numbered
    CROSS JOIN import_lane m WHERE m.lane = numbered.lane
    """  # noqa: S608 - made of constants
)
_PAGE = 5000
_SQLITE_TRIES = 6


@contextmanager
def staging(store: Store, shop_id: int, charge_id: int) -> Iterator[Staging]:
    """A place for the lines of one import into the pool of a charge; gone at the end of the block.

    Raises StoreUnavailable, at any point within, when the database is away.
    """
    with store.read() as connection:
        names = {"big": "bigint", "bytes": 'COLLATE "C"' if store.is_postgresql else ""}
        try:
            for statement in _TABLES:
                connection.exec_driver_sql(statement.format(**names))
            if not store.is_postgresql:
                connection.exec_driver_sql(_SQLITE_CACHE)
            yield Staging(connection, shop_id, charge_id)
        finally:
            connection.invalidate()  # closes it, and the temporary tables with it


class Staging:
    """The lines of one import. Line numbers are unique and grow with the file; a lane is one set of terms."""

    def __init__(self, connection: Connection, shop_id: int, charge_id: int) -> None:
        self._connection = connection
        self._shop_id = shop_id
        self._charge_id = charge_id
        self._on_postgresql = dialects.is_postgresql(connection)
        self._prepared = False

    def add(self, lines: Sequence[tuple[int, int, str]]) -> None:
        """Stage readable lines: (line number, lane, code). A code must have no control characters."""
        self._load(_LINES, lines)

    def refuse(self, lines: Sequence[tuple[int, str]]) -> None:
        """Stage lines that cannot be used: (line number, reason). A reason must have no control characters."""
        self._load(_OUT, [(line, int(Verdict.UNREADABLE), reason) for line, reason in lines])

    def compare(self, terms_ids: Mapping[int, int | None]) -> dict[Verdict, int]:
        """Sort out the lines that cannot become stock, or are it already; how many there are of each verdict.

        `terms_ids`: for every lane the id of its terms, None when the store does not have them yet.
        """
        if not self._prepared:
            for statement in _PREPARE[self._on_postgresql]:
                self._connection.exec_driver_sql(statement)
            self._prepared = True
        for statement in ("DELETE FROM import_lane", "DELETE FROM import_out WHERE verdict > 1"):
            self._connection.exec_driver_sql(statement)
        if terms_ids:
            lanes = [{"lane": lane, "terms_id": terms_id} for lane, terms_id in terms_ids.items()]
            self._connection.execute(_SET_LANE, lanes)
        for statement in _COMPARE:
            self._connection.execute(text(statement), {"shop": self._shop_id, "charge": self._charge_id})
        return {Verdict(verdict): count for verdict, count in self._connection.execute(_COUNT)}

    def accepted(self) -> dict[int, int]:
        """After `compare`: the lanes that get stock, in order, and how many codes each."""
        return {row.lane: row.codes for row in self._connection.execute(_PER_LANE)}

    def refused(self) -> Iterator[Outcome]:
        """After `compare`: the refused lines in the order of the file."""
        after = 0
        while page := self._connection.execute(_OUTCOMES, {"after": after, "size": _PAGE}).all():
            for line, verdict, detail in page:
                yield Outcome(line, Verdict(verdict), detail)
            after = page[-1].line

    def merge(self, lanes: Mapping[int, tuple[int, int]], now: datetime) -> None:
        """Make stock of the lines left: all of it, or none when it raises.

        `lanes`: for each lane of `accepted` its terms id and number of codes, in order. Raises Overtaken or
        ChargeGone.
        """
        try:
            with self._transaction():
                self._lock()
                self._store(lanes, now)
        except exc.IntegrityError as error:
            raise Overtaken from error

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """A transaction on the one connection that has the temporary tables, which otherwise has none."""
        run = self._connection.exec_driver_sql
        if self._on_postgresql:
            run("BEGIN")
        else:
            self._become_the_writer()
        try:
            yield
            run("COMMIT")
        except BaseException:
            if not self._connection.invalidated:
                with suppress(exc.DBAPIError):
                    run("ROLLBACK")
            raise

    def _become_the_writer(self) -> None:
        for patience in reversed(range(_SQLITE_TRIES)):  # each waits as long as a call may
            try:
                self._connection.exec_driver_sql("BEGIN IMMEDIATE")
            except exc.OperationalError as error:
                if not patience or getattr(error.orig, "sqlite_errorcode", 0) & 0xFF != sqlite3.SQLITE_BUSY:
                    raise
            else:
                return

    def _load(self, target: str, rows: Sequence[tuple[int, int, str]]) -> None:
        if not rows:
            return
        if not self._on_postgresql:
            # A plain BEGIN takes no lock as long as only temporary tables are written.
            self._connection.exec_driver_sql("BEGIN")
            self._connection.exec_driver_sql(f"INSERT INTO {target} VALUES (?, ?, ?)", list(rows))  # noqa: S608
            self._connection.exec_driver_sql("COMMIT")
            return
        connection = self._connection.connection.driver_connection
        assert isinstance(connection, psycopg.Connection)
        lines = [f"{line}\t{number}\t{words.replace(chr(92), chr(92) * 2)}\n" for line, number, words in rows]
        try:
            with connection.cursor() as cursor, cursor.copy(f"COPY {target} FROM STDIN") as copy:
                copy.write("".join(lines))
        except psycopg.OperationalError as error:
            raise StoreUnavailable(type(error).__name__) from error

    def _lock(self) -> None:
        connection = self._connection
        if self._on_postgresql:  # one merge at a time per shop: two with the same codes could wait for each other
            number = func.hashtextextended(f"pool import {self._shop_id}", 0)
            connection.execute(select(func.pg_advisory_xact_lock(number)))
        alive = (
            select(charge.c.charge_id)
            .where(
                charge.c.shop_id == self._shop_id,
                charge.c.charge_id == self._charge_id,
                charge.c.deleted_at.is_(None),
            )
            .with_for_update(key_share=True)
        )
        if connection.execute(alive).first() is None:
            raise ChargeGone

    def _store(self, lanes: Mapping[int, tuple[int, int]], now: datetime) -> None:
        for lane, (terms_id, count) in lanes.items():
            row = {
                "shop_id": self._shop_id,
                "charge_id": self._charge_id,
                "terms_id": terms_id,
                "next_seq": 1,
                "last_seq": count,
                "imported_at": now,
                **dialects.next_id(self._connection, pool_lane.c.lane_id),
            }
            statement = insert(pool_lane).values(row).returning(pool_lane.c.lane_id)
            lane_id = self._connection.execute(statement).scalar_one()
            self._connection.execute(_SET_LANE_ID, {"lane": lane, "lane_id": lane_id})
        stored = self._connection.execute(_MERGE, {"shop": self._shop_id}).rowcount
        expected = sum(count for _, count in lanes.values())
        if stored != expected:
            raise RuntimeError(f"{stored} codes stored where {expected} were counted")
