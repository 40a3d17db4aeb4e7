"""Where the two databases need different words for one thing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Column, Connection, Insert, Table, func, select
from sqlalchemy.dialects import postgresql, sqlite


def is_postgresql(connection: Connection) -> bool:
    return connection.dialect.name == "postgresql"


def insert_or_skip(connection: Connection, table: Table) -> Insert:
    """An INSERT that leaves rows out which are there already, to be completed with values and RETURNING."""
    if is_postgresql(connection):
        return postgresql.insert(table).on_conflict_do_nothing()
    return sqlite.insert(table).on_conflict_do_nothing()


def text_array(texts: Sequence[str]) -> str:
    """PostgreSQL's text form of a text[]; the driver's own takes longer for it than the server for the insert."""
    joined = '","'.join(texts)
    if "\\" in joined or joined.count('"') != 2 * (len(texts) - 1):
        joined = '","'.join(text.replace("\\", "\\\\").replace('"', '\\"') for text in texts)
    return f'{{"{joined}"}}' if texts else "{}"


def next_id(connection: Connection, column: Column[int]) -> dict[str, Any]:
    """The value for a key that numbers itself: nothing on PostgreSQL, which has identity columns.

    SQLite cannot number a part of a composite key. Its one writer makes the largest plus one safe, and
    since no such row is ever deleted, no number comes twice.
    """
    if is_postgresql(connection):
        return {}
    return {column.name: select(func.coalesce(func.max(column), 0) + 1).scalar_subquery()}
