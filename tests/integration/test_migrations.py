"""Migrations: up, down, killed half way, all at once; and the check that the server makes before it starts."""

from __future__ import annotations

import logging
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import inspect, text

from soap_service import paths
from soap_service.store import migrations, shops
from soap_service.store.engine import Store, StoreUnavailable
from soap_service.store.migrations import NotMigrated
from tests.support.schemas import schema_of, table_names

MakeStore = Callable[..., Store]


def signing_keys(store: Store) -> list[bytes]:
    with store.read() as connection:
        return shops.signing_keys(connection)


# --- up and down -------------------------------------------------------------------------------------------


def test_up_down_and_up_again(empty_store: Store) -> None:
    migrations.upgrade(empty_store)
    first_schema, first_keys = schema_of(empty_store), signing_keys(empty_store)
    assert migrations.current(empty_store) == migrations.head()
    assert [len(key) for key in first_keys] == [32]

    migrations.downgrade(empty_store, "base")
    assert table_names(empty_store) == {"alembic_version"}
    assert migrations.current(empty_store) is None
    leftovers = schema_of(empty_store)
    assert not any(leftovers.values() if empty_store.is_postgresql else leftovers)

    migrations.upgrade(empty_store)
    assert schema_of(empty_store) == first_schema
    assert [len(key) for key in signing_keys(empty_store)] == [32]
    assert signing_keys(empty_store) != first_keys


def test_an_upgrade_of_what_is_up_to_date_changes_nothing(empty_store: Store) -> None:
    migrations.upgrade(empty_store)
    keys = signing_keys(empty_store)
    migrations.upgrade(empty_store)
    assert signing_keys(empty_store) == keys


def test_an_upgrade_is_quiet(
    empty_store: Store, capfd: pytest.CaptureFixture[str], recwarn: pytest.WarningsRecorder
) -> None:
    root, alembic = logging.getLogger(), logging.getLogger("alembic")
    before = (root.level, root.handlers[:], alembic.level, alembic.handlers[:], alembic.disabled)
    ours = logging.getLogger("soap_service.test_an_upgrade_is_quiet")
    migrations.upgrade(empty_store)
    migrations.require_current(empty_store)
    migrations.downgrade(empty_store, "base")
    assert (root.level, root.handlers[:], alembic.level, alembic.handlers[:], alembic.disabled) == before
    assert not ours.disabled
    assert capfd.readouterr() == ("", "")
    assert [str(warning.message) for warning in recwarn] == []


@pytest.fixture
def next_revision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Pretends that the program knows one more revision, `9999`, whose upgrade does what it is told."""
    directory = tmp_path / "100% schema"  # a per cent sign, because Alembic's settings give it a meaning
    shutil.copytree(paths.schema_directory(), directory)
    head = migrations.head()

    def add(upgrade: str) -> Path:
        body = f"""
            import os, signal
            import sqlalchemy as sa
            from alembic import op
            revision, down_revision = "9999", {head!r}
            def upgrade() -> None:
                op.create_table("later", sa.Column("a", sa.Integer))
                op.execute("INSERT INTO later VALUES (1)")
                {upgrade}
            def downgrade() -> None:
                op.drop_table("later")
        """
        lines = (line.removeprefix(" " * 12) for line in body.splitlines())
        (directory / "versions" / "9999_later.py").write_text("\n".join(lines))
        monkeypatch.setattr(migrations, "schema_directory", lambda: directory)
        return directory

    return add


def test_a_migration_that_fails_leaves_nothing(empty_store: Store, next_revision: Callable[[str], Path]) -> None:
    migrations.upgrade(empty_store)
    before = schema_of(empty_store)
    older = migrations.head()
    next_revision("raise RuntimeError('half way')")
    with pytest.raises(RuntimeError, match="half way"):
        migrations.upgrade(empty_store)
    assert migrations.current(empty_store) == older
    assert schema_of(empty_store) == before


def test_a_first_migration_that_fails_leaves_no_table_at_all(
    empty_store: Store, next_revision: Callable[[str], Path]
) -> None:
    next_revision("raise RuntimeError('half way')")
    with pytest.raises(RuntimeError, match="half way"):
        migrations.upgrade(empty_store)
    assert table_names(empty_store) == set()
    assert migrations.current(empty_store) is None


_UPGRADE = """
import sys
from pathlib import Path
from soap_service.store import migrations
from soap_service.store.engine import Store
migrations.schema_directory = lambda: Path(sys.argv[2])
sys.stdin.readline()
migrations.upgrade(Store(sys.argv[1]))
"""


def start_upgrade(store: Store, directory: Path | None = None) -> subprocess.Popen[str]:
    """Start a process that upgrades the store, by the revisions in a directory, as soon as it gets a line."""
    url = store.url.render_as_string(hide_password=False)
    return subprocess.Popen(
        [sys.executable, "-c", _UPGRADE, url, str(directory or paths.schema_directory())],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_killed_migration_leaves_nothing_and_can_be_repeated(
    empty_store: Store, next_revision: Callable[[str], Path]
) -> None:
    migrations.upgrade(empty_store)
    before, older = schema_of(empty_store), migrations.head()
    process = start_upgrade(empty_store, next_revision("os.kill(os.getpid(), signal.SIGKILL)"))
    _, errors = process.communicate("go\n", timeout=60)
    assert process.returncode == -9, errors
    assert migrations.current(empty_store) == older
    assert schema_of(empty_store) == before

    next_revision("pass")
    migrations.upgrade(empty_store)
    assert migrations.current(empty_store) == "9999"
    assert "later" in table_names(empty_store)


def test_processes_that_upgrade_at_once_all_succeed(empty_store: Store) -> None:
    processes = [start_upgrade(empty_store) for _ in range(4)]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    errors = [process.communicate(timeout=60)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0, 0], "\n".join(errors)
    migrations.require_current(empty_store)
    assert [len(key) for key in signing_keys(empty_store)] == [32]


def test_an_upgrade_waits_for_the_one_at_work(make_store: MakeStore) -> None:
    """Without the lock the second of two upgrades would fail on tables that are there by then."""
    store = make_store("postgresql", migrated=False)
    with store.write() as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(hashtextextended('createvouchers schema', 0))"))
        process = start_upgrade(store)
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
        deadline = time.monotonic() + 60
        while not connection.scalar(text("SELECT count(*) FROM pg_locks WHERE NOT granted")):
            assert process.poll() is None, process.communicate()[1]
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert not inspect(connection).get_table_names()
    assert process.communicate(timeout=60)[1] == ""
    assert process.returncode == 0
    migrations.require_current(store)


# --- the check before the server starts --------------------------------------------------------------------


def test_a_migrated_store_is_good(store: Store) -> None:
    migrations.require_current(store)


def test_a_database_without_tables_is_refused(empty_store: Store) -> None:
    assert migrations.current(empty_store) is None
    with pytest.raises(NotMigrated, match=r"no tables yet.*`createvouchers db upgrade`"):
        migrations.require_current(empty_store)
    assert table_names(empty_store) == set()  # the question changed nothing


def test_a_database_brought_back_to_base_is_refused(empty_store: Store) -> None:
    migrations.upgrade(empty_store)
    migrations.downgrade(empty_store, "base")
    with pytest.raises(NotMigrated, match="`createvouchers db upgrade`"):
        migrations.require_current(empty_store)


def test_an_older_database_is_refused_until_it_is_upgraded(
    empty_store: Store, next_revision: Callable[[str], Path]
) -> None:
    migrations.upgrade(empty_store)
    older = migrations.head()
    next_revision("pass")
    assert migrations.head() == "9999"
    with pytest.raises(NotMigrated, match=rf"has schema {older}, but 9999 is needed: run `createvouchers db up"):
        migrations.require_current(empty_store)
    migrations.upgrade(empty_store)
    migrations.require_current(empty_store)


@pytest.mark.parametrize(
    "act",
    [
        migrations.require_current,
        migrations.upgrade,
        lambda store: migrations.downgrade(store, "base"),
    ],
    ids=["require_current", "upgrade", "downgrade"],
)
def test_a_newer_database_is_refused_and_left_alone(empty_store: Store, act: Callable[[Store], None]) -> None:
    migrations.upgrade(empty_store)
    before = schema_of(empty_store)
    with empty_store.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '12345'"))
    with pytest.raises(NotMigrated, match=r"12345, which is newer.*knows 0001.*`createvouchers db upgrade`"):
        act(empty_store)
    assert schema_of(empty_store) == before
    assert migrations.current(empty_store) == "12345"


def test_a_database_that_is_away_is_said_to_be_away(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path}/no/such/directory/x.db")
    for ask in (migrations.current, migrations.require_current, migrations.upgrade):
        with pytest.raises(StoreUnavailable):
            ask(store)
