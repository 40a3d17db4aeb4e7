"""Fixtures for the tests of the wire: a running server per database, a client that speaks its WSDL."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from uuid import uuid4

import pytest
from argon2 import PasswordHasher

from soap_service.operations.house import House
from soap_service.operations.passwords import Passwords
from soap_service.store import migrations
from soap_service.store.engine import Store
from tests.support.postgres import PostgresServer
from tests.support.server import Authority, RunningServer, running_server
from tests.support.world import build_world


@dataclass
class Served:
    """A server and the store behind it, which the test looks at from its own side."""

    server: RunningServer
    store: Store


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """The authority that every server's certificate is from."""
    return Authority(tmp_path_factory.mktemp("authority"))


def fill(store: Store) -> None:
    """Migrate an empty database and build the world in it, with password hashes that are quick to check."""
    migrations.upgrade(store)
    hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    build_world(House(store, passwords=Passwords(hasher)))


@pytest.fixture(scope="session")
def sqlite_served(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[Served]:
    """A server on SQLite, over TLS, with the world in its store."""
    directory = tmp_path_factory.mktemp("sqlite-server")
    store = Store(f"sqlite:///{directory / 'vouchers.db'}")
    fill(store)
    with running_server(directory, authority, f"sqlite:///{directory / 'vouchers.db'}") as server:
        yield Served(server, store)
    store.close()


@pytest.fixture(scope="session")
def postgresql_served(
    tmp_path_factory: pytest.TempPathFactory, authority: Authority, postgres: PostgresServer
) -> Iterator[Served]:
    """The same on PostgreSQL."""
    name = f"served_{uuid4().hex}"
    postgres.create_database(name)
    store = Store(postgres.url(name))
    fill(store)
    with running_server(tmp_path_factory.mktemp("postgresql-server"), authority, postgres.url(name)) as server:
        yield Served(server, store)
    store.close()
    postgres.drop_database(name)


@pytest.fixture(params=["sqlite", "postgresql"])
def served(request: pytest.FixtureRequest) -> Served:
    """A running server; every test that takes it runs on both databases."""
    found: Served = request.getfixturevalue(f"{request.param}_served")
    return found
