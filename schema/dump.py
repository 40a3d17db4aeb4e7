"""Writes `schema.sql`, the schema for reading: `python -m schema.dump`, in the root of the checkout."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateIndex, CreateTable, DDLElement

from soap_service.store.tables import metadata

FILE = Path(__file__).with_name("schema.sql")

_HEADER = """\
-- The migrated schema on PostgreSQL, without Alembic's own table; for reading, databases are made by migrations.
-- Written by `python -m schema.dump` from soap_service/store/tables.py; tests hold it equal to the migrations.
"""


def render() -> str:
    """The text of the file: statements for an empty PostgreSQL, tables before those that refer to them."""
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    parts = [_HEADER]
    for table in metadata.tables.values():
        indexes = sorted(table.indexes, key=lambda index: str(index.name))
        statements: list[DDLElement] = [CreateTable(table), *map(CreateIndex, indexes)]
        parts.append("\n".join(_readable(str(made.compile(dialect=dialect))) for made in statements) + "\n")
    return "\n".join(parts)


def _readable(statement: str) -> str:
    lines = (line.rstrip() for line in statement.replace("\t", "    ").splitlines())
    return "\n".join(line for line in lines if line).replace("\n)\n WITH", "\n) WITH") + ";"


if __name__ == "__main__":
    FILE.write_text(render(), encoding="utf-8")
