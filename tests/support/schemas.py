"""What the two databases say about their schemas, in forms that can be compared."""

from __future__ import annotations

import re
from typing import Any

from sqlalchemy import inspect, text

from soap_service.store.engine import Store

# What PostgreSQL itself has to say about the tables of a database, one row a fact.
CATALOGUE = {
    "tables": """
        SELECT c.relname, c.relpersistence, c.reloptions::text
        FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r'
    """,
    "columns": """
        SELECT c.relname, a.attname, a.attnum, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity,
               l.collname, pg_get_expr(d.adbin, d.adrelid)
        FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        LEFT JOIN pg_collation l ON l.oid = a.attcollation
        LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r'
    """,
    "constraints": """
        SELECT conrelid::regclass::text, conname, contype, pg_get_constraintdef(oid)
        FROM pg_constraint WHERE connamespace = 'public'::regnamespace
    """,
    "indexes": """
        SELECT i.indrelid::regclass::text, c.relname, pg_get_indexdef(c.oid), c.reloptions::text
        FROM pg_class c JOIN pg_index i ON i.indexrelid = c.oid WHERE c.relnamespace = 'public'::regnamespace
    """,
    "sequences": """
        SELECT sequencename, data_type::text, start_value, increment_by, min_value, max_value, cycle, cache_size
        FROM pg_sequences WHERE schemaname = 'public'
    """,
    "others": """
        SELECT c.relname, c.relkind FROM pg_class c
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind NOT IN ('r', 'i', 'S')
    """,
}


def catalogue(store: Store) -> dict[str, set[tuple[Any, ...]]]:
    """Everything PostgreSQL knows about a store's schema, but Alembic's own table."""
    with store.read() as connection:
        return {
            about: {tuple(row) for row in connection.execute(text(query)) if row[0] != "alembic_version"}
            for about, query in CATALOGUE.items()
        }


def statements(store: Store) -> dict[str, str]:
    """What SQLite keeps of its schema, by name; blanks do not count, nor does Alembic's own table."""
    with store.read() as connection:
        rows = connection.execute(
            text("SELECT name, sql FROM sqlite_schema WHERE tbl_name <> 'alembic_version' AND sql IS NOT NULL")
        )
        return {name: re.sub(r"\s+", " ", sql).strip() for name, sql in rows}


def schema_of(store: Store) -> dict[str, Any]:
    """The `catalogue` or the `statements` of a store, whichever it has."""
    return catalogue(store) if store.is_postgresql else statements(store)


def table_names(store: Store) -> set[str]:
    """The names of all tables, Alembic's own too."""
    with store.read() as connection:
        return set(inspect(connection).get_table_names())
