"""Fixtures for the tests of the wire: the world in stores of its own, and servers that run on it."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from uuid import uuid4

import pytest

from soap_service.store import migrations, shops
from soap_service.store.engine import Store
from tests.support.postgres import PostgresServer
from tests.support.server import Authority, Served, running_server
from tests.support.world import OpenWorld, build_world, house_on, url_of

SIGNING_KEY = bytes(range(32))


def _fill(store: Store) -> None:
    migrations.upgrade(store)
    house = house_on(store)
    build_world(house)
    with store.write() as transaction:
        shops.add_signing_key(transaction, SIGNING_KEY, house.clock())
    store.close()


@pytest.fixture(scope="session")
def sqlite_world(tmp_path_factory: pytest.TempPathFactory) -> OpenWorld:
    """Worlds on SQLite, each a copy of one that was built once."""
    directory = tmp_path_factory.mktemp("worlds")
    _fill(Store(f"sqlite:///{directory / 'template.db'}"))
    assert [path.name for path in directory.iterdir()] == ["template.db"]  # no journal that a copy would miss

    @contextlib.contextmanager
    def open_world() -> Iterator[Store]:
        path = directory / f"{uuid4().hex}.db"
        shutil.copyfile(directory / "template.db", path)
        store = Store(f"sqlite:///{path}")
        yield store
        store.close()
        path.unlink()

    return open_world


@pytest.fixture(scope="session")
def postgresql_world(postgres: PostgresServer) -> Iterator[OpenWorld]:
    """The same on PostgreSQL."""
    template = f"world_{uuid4().hex}"
    postgres.create_database(template)
    _fill(Store(postgres.url(template)))

    @contextlib.contextmanager
    def open_world() -> Iterator[Store]:
        name = f"world_{uuid4().hex}"
        postgres.create_database(name, template=template)
        store = Store(postgres.url(name))
        yield store
        store.close()
        postgres.drop_database(name)

    yield open_world
    postgres.drop_database(template)


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """The authority that every server's certificate is from."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="session")
def sqlite_served(
    tmp_path_factory: pytest.TempPathFactory, authority: Authority, sqlite_world: OpenWorld
) -> Iterator[Served]:
    """A server on SQLite, over TLS, with the world in its store."""
    with (
        sqlite_world() as store,
        running_server(tmp_path_factory.mktemp("server"), authority, url_of(store)) as server,
    ):
        yield Served(server, store)


@pytest.fixture(scope="session")
def postgresql_served(
    tmp_path_factory: pytest.TempPathFactory, authority: Authority, postgresql_world: OpenWorld
) -> Iterator[Served]:
    """The same on PostgreSQL."""
    with (
        postgresql_world() as store,
        running_server(tmp_path_factory.mktemp("server"), authority, url_of(store)) as server,
    ):
        yield Served(server, store)


@pytest.fixture(params=["sqlite", "postgresql"])
def served(request: pytest.FixtureRequest) -> Served:
    """A running server; every test that takes it runs on both databases."""
    found: Served = request.getfixturevalue(f"{request.param}_served")
    return found
