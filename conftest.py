"""Fixtures for everybody: the two databases, a clock, the house of operations, a shop.

A test that takes `store`, or anything standing on it, runs on SQLite and on PostgreSQL.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal
from uuid import uuid4

import hypothesis
import psycopg
import pytest
from argon2 import PasswordHasher

from soap_service.domain.shops import Shop
from soap_service.operations.house import House
from soap_service.operations.passwords import Passwords
from soap_service.store import migrations, shops
from soap_service.store.engine import Store
from soap_service.store.tables import metadata
from tests.support.factories import FakeClock
from tests.support.postgres import PostgresServer, running_postgres, share_with_workers

Kind = Literal["sqlite", "postgresql"]
MakeStore = Callable[..., Store]

# A disk or a server that is slow for once is no bug.
hypothesis.settings.register_profile("house", deadline=None, print_blob=True)
hypothesis.settings.load_profile("house")

# Deletes are quicker than TRUNCATE, which makes new files: 1 ms against 5 ms up to some thousand rows.
_EMPTY = "DELETE FROM signing_key WHERE key_id > (SELECT min(key_id) FROM signing_key);" + "".join(
    f"DELETE FROM {table.name};" for table in reversed(metadata.sorted_tables) if table.name != "signing_key"
)


def pytest_configure(config: pytest.Config) -> None:
    # A single process starts its server when the first test wants it; workers must find one that is there.
    if getattr(config.option, "numprocesses", None):
        share_with_workers(config)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """The PostgreSQL server of the test run; give back the databases you make on it."""
    with running_postgres() as server:
        yield server


@pytest.fixture(scope="session")
def _migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "migrated.db"
    store = Store(f"sqlite:///{path}")
    migrations.upgrade(store)
    store.close()
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]  # no journal that a copy would miss
    return path


@pytest.fixture(scope="session")
def _migrated_postgresql(postgres: PostgresServer) -> Iterator[str]:
    name = _new_name()
    postgres.create_database(name)
    store = Store(postgres.url(name))
    migrations.upgrade(store)
    store.close()
    yield name
    postgres.drop_database(name)


@pytest.fixture(scope="session")
def _worker_database(postgres: PostgresServer, _migrated_postgresql: str) -> Iterator[Callable[[], str]]:
    """The database of this process; the call empties it and returns its URL."""
    name = _new_name()
    postgres.create_database(name, template=_migrated_postgresql)
    parameters = postgres.parameters(name) | {"options": "-c lock_timeout=10s"}
    with psycopg.connect(**parameters, autocommit=True) as connection:

        def empty() -> str:
            connection.execute(_EMPTY)
            return postgres.url(name)

        yield empty
    postgres.drop_database(name)


@pytest.fixture
def sqlite_store(tmp_path: Path, _migrated_sqlite: Path) -> Iterator[Store]:
    """A migrated and empty store on SQLite, for a test that is about SQLite."""
    path = tmp_path / "store.db"
    shutil.copyfile(_migrated_sqlite, path)
    store = Store(f"sqlite:///{path}")
    yield store
    store.close()


@pytest.fixture
def postgresql_store(_worker_database: Callable[[], str]) -> Iterator[Store]:
    """A migrated and empty store on PostgreSQL, for a test that is about PostgreSQL."""
    store = Store(_worker_database())
    yield store
    store.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest) -> Store:
    """A migrated and empty store; every test that takes it runs on both databases."""
    found: Store = request.getfixturevalue(f"{request.param}_store")
    return found


@pytest.fixture
def make_store(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[MakeStore]:
    """Makes stores on databases of their own: `make_store("postgresql", migrated=False)`.

    For tests that change the schema, or start servers that must not share a database with other tests.
    """
    made: list[Store] = []
    databases: list[tuple[PostgresServer, str]] = []

    def make(kind: Kind, *, migrated: bool = True, pool_size: int = 5) -> Store:
        name = _new_name()
        if kind == "sqlite":
            path = tmp_path / f"{name}.db"
            if migrated:
                shutil.copyfile(request.getfixturevalue("_migrated_sqlite"), path)
            url = f"sqlite:///{path}"
        else:
            server: PostgresServer = request.getfixturevalue("postgres")
            server.create_database(
                name, template=request.getfixturevalue("_migrated_postgresql") if migrated else None
            )
            databases.append((server, name))
            url = server.url(name)
        made.append(Store(url, pool_size=pool_size))
        return made[-1]

    yield make
    for store in made:
        store.close()
    for server, name in databases:
        server.drop_database(name)


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_store(request: pytest.FixtureRequest, make_store: MakeStore) -> Store:
    """A store on a database of its own without any table."""
    return make_store(request.param, migrated=False)


@pytest.fixture
def clock() -> FakeClock:
    """A clock that stands at 2026-06-15 10:00 UTC."""
    return FakeClock()


@pytest.fixture
def house(store: Store, clock: FakeClock) -> House:
    """What operations work with, on the store of the test and its clock; its password hashes are cheap."""
    hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    return House(store=store, clock=clock, passwords=Passwords(hasher))


@pytest.fixture
def shop(house: House) -> Shop:
    """The shop TestShop, password geheim, as of the demo."""
    settings = {
        "name": "TestShop",
        "currency": "EUR",
        "time_zone": "Europe/Berlin",
        "subshops": ("B2c", "B2B"),
        "vat_ids": (1, 2),
    }
    with house.store.write() as transaction:
        assert shops.add(transaction, settings, house.passwords.hash("geheim"), house.clock())
        record = shops.find(transaction, "TestShop")
    assert record is not None
    return record.shop


def _new_name() -> str:
    return f"createvouchers_{uuid4().hex}"
