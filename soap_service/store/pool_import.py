"""Queries of the pool import: lines staged in temporary tables, compared with the store, merged in one go.

Staging and comparing hold no lock: on SQLite nothing is written to the database itself, so that its one
writer stays free. Only the merge is a transaction. It relies on the unique key of `pool_code`: whoever came in
between makes it fail as a whole, and the lines are compared anew.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import Any

from sqlalchemy import Connection, exc, func, insert, select, text

from soap_service.store import dialects
from soap_service.store.engine import Store
from soap_service.store.tables import charge, pool_lane


class Verdict(IntEnum):
    """Why a line of the file does not become stock. From ALREADY_THERE on, the line is in order."""

    UNREADABLE = 1
    REPEATED = 2
    ISSUED = 3
    ELSEWHERE = 4
    ALREADY_THERE = 10
    ALREADY_THERE_OTHERWISE = 11


@dataclass(frozen=True, slots=True)
class Outcome:
    """A line that does not become stock.

    `detail` is the reason of an UNREADABLE line, the number of the first line of a REPEATED code, the ChargeId
    that an ISSUED or ELSEWHERE code belongs to.
    """

    line: int
    verdict: Verdict
    detail: str


class Overtaken(Exception):
    """Another import was faster with one of the codes: compare again."""


class ChargeGone(Exception):
    """The charge was deleted meanwhile."""


_TABLES = (
    "CREATE TEMPORARY TABLE import_line (line {big} NOT NULL, lane integer NOT NULL, code text {bytewise} NOT NULL)",
    "CREATE TEMPORARY TABLE import_lane (lane integer PRIMARY KEY, terms_id {big}, lane_id {big})",
    "CREATE TEMPORARY TABLE import_out (line {big} PRIMARY KEY, verdict integer NOT NULL, detail text NOT NULL)",
)
_BY_CODE = "CREATE INDEX {temporary}import_line_code ON import_line (code, line)"

_ADD = "INSERT INTO import_line (line, lane, code) VALUES (?, ?, ?)"
_REFUSE = "INSERT INTO import_out (line, verdict, detail) VALUES (:line, 1, :detail)"

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
_ACCEPTED = "FROM import_line l WHERE NOT EXISTS (SELECT 1 FROM import_out o WHERE o.line = l.line)"
_PER_LANE = f"SELECT l.lane, count(*) {_ACCEPTED} GROUP BY l.lane ORDER BY l.lane"  # noqa: S608
# In the order of the file, which is the order in which a draw will read them.
_MERGE = f"""
    INSERT INTO pool_code (shop_id, lane_id, seq, code)
    SELECT :shop, m.lane_id, numbered.seq, numbered.code
    FROM (SELECT l.lane, l.code, row_number() OVER (PARTITION BY l.lane ORDER BY l.line) AS seq {_ACCEPTED}) AS numbered
    JOIN import_lane m ON m.lane = numbered.lane
    ORDER BY numbered.lane, numbered.seq
"""  # noqa: S608 - made of constants
