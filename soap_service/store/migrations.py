"""Migrations: bring a store to a revision of the schema, and tell which one it has.

The revisions are in `schema/versions`. A migration runs in one transaction on both databases, so that one
that is killed leaves nothing half done, and several servers that upgrade at once do it one after the other.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, func, select

from soap_service.paths import schema_directory
from soap_service.store.engine import Store

COMMAND = "createvouchers db upgrade"

# Alembic keeps the migration at work in module globals.
_ONE_AT_A_TIME = threading.Lock()


class NotMigrated(Exception):
    """The database does not have the schema that this version of the program works with."""


def upgrade(store: Store, revision: str = "head") -> None:
    """Bring the store up to a revision; does nothing when it is there already.

    Raises NotMigrated for a database newer than this program, StoreUnavailable when it does not answer.
    """
    _migrate(store, command.upgrade, revision)


def downgrade(store: Store, revision: str) -> None:
    """Bring the store down to a revision, `base` for the time before the first: what it drops is gone.

    Raises as `upgrade` does.
    """
    _migrate(store, command.downgrade, revision)


def current(store: Store) -> str | None:
    """The revision the store has; None before the first one. Raises StoreUnavailable."""
    with store.read() as connection:
        return _current(connection)


def head() -> str:
    """The newest revision this program knows, which is the one it works with."""
    revision = ScriptDirectory.from_config(_config()).get_current_head()
    assert revision is not None, "schema/versions is empty"
    return revision


def require_current(store: Store) -> None:
    """Raise NotMigrated, with what to do about it, unless the store has the newest revision."""
    found, wanted = current(store), head()
    if found is None:
        raise NotMigrated(f"the database has no tables yet: run `{COMMAND}`")
    _refuse_newer(found)
    if found != wanted:
        raise NotMigrated(f"the database has schema {found}, but {wanted} is needed: run `{COMMAND}`")


def _migrate(store: Store, go: Callable[[Config, str], None], revision: str) -> None:
    with _ONE_AT_A_TIME, store.write() as connection:
        if store.is_postgresql:  # SQLite's transaction is the only writer from its beginning
            lock = func.hashtextextended("createvouchers schema", 0)
            connection.execute(select(func.pg_advisory_xact_lock(lock)))
        _refuse_newer(_current(connection))
        config = _config()
        config.attributes["connection"] = connection
        go(config, revision)


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(schema_directory()).replace("%", "%%"))
    return config


def _current(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _refuse_newer(found: str | None) -> None:
    if found is None:
        return
    try:
        ScriptDirectory.from_config(_config()).get_revision(found)
    except CommandError:
        raise NotMigrated(
            f"the database has schema {found}, which is newer than this program (it knows {head()} and before): "
            f"run the newer program; `{COMMAND}` of this one cannot help"
        ) from None
