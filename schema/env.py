"""Alembic's entry: runs migrations on the connection, and in the transaction, that the caller hands in.

`soap_service.store.migrations` is that caller; it puts an open connection into `config.attributes`.
"""

from __future__ import annotations

from typing import Any

from alembic import context
from sqlalchemy import Identity

from soap_service.store.tables import metadata

connection = context.config.attributes.get("connection")
if connection is None:
    raise RuntimeError("migrations run by `createvouchers db upgrade` (soap_service.store.migrations)")


def _default_differs(_context: Any, _found: Any, column: Any, *_: Any) -> bool | None:
    # SQLite has no identity columns, so it never has what the metadata says of one; None is "look yourself".
    return False if isinstance(column.server_default, Identity) else None


context.configure(
    connection=connection,
    target_metadata=metadata,
    transactional_ddl=True,  # on SQLite too: the store begins its transactions itself
    transaction_per_migration=False,
    compare_server_default=connection.dialect.name == "postgresql" or _default_differs,
)
with context.begin_transaction():
    context.run_migrations()
