"""Connections and transactions: what goes wrong with a database, and that the next call is none the worse."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import exc, text

from soap_service.domain.shops import Shop
from soap_service.operations.house import House
from soap_service.store import charges, engine, migrations, shops
from soap_service.store.engine import Store, StoreUnavailable
from tests.support.factories import add_charge
from tests.support.postgres import OWN, PostgresServer, running_postgres

MakeStore = Callable[..., Store]

BACKEND = text("SELECT pg_backend_pid()")


def end_sessions(server: PostgresServer, store: Store) -> None:
    """End all sessions of a store on the server's side and wait until they are gone."""
    database = store.url.database or ""
    with psycopg.connect(server.libpq(), autocommit=True) as connection:
        sessions = "FROM pg_stat_activity WHERE datname = %s"
        connection.execute(f"SELECT pg_terminate_backend(pid) {sessions}", [database])
        deadline = time.monotonic() + 10
        while connection.execute(f"SELECT 1 {sessions}", [database]).fetchone():
            assert time.monotonic() < deadline
            time.sleep(0.01)


def fill_pool(store: Store, count: int) -> set[int]:
    """Open `count` connections at once and give them back; return the process ids behind them."""
    with ExitStack() as stack:
        connections = [stack.enter_context(store.read()) for _ in range(count)]
        return {connection.execute(BACKEND).scalar_one() for connection in connections}


# --- transactions ------------------------------------------------------------------------------------------


def test_a_transaction_that_raises_leaves_nothing(house: House, shop: Shop) -> None:
    def work() -> None:
        with house.store.write() as transaction:
            assert charges.add(transaction, shop.shop_id, "Gone", house.clock()) is not None
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        work()
    with house.store.read() as connection:
        assert charges.find(connection, shop.shop_id, "Gone") is None


def test_others_see_a_transaction_when_it_ends_and_a_reading_connection_sees_it_then(
    house: House, shop: Shop
) -> None:
    with house.store.read() as reader:
        with house.store.write() as transaction:
            charges.add(transaction, shop.shop_id, "New", house.clock())
            assert charges.find(reader, shop.shop_id, "New") is None
        assert charges.find(reader, shop.shop_id, "New") is not None


def test_a_statement_that_stands_alone_is_kept_at_once(house: House, shop: Shop) -> None:
    with house.store.read() as one, house.store.read() as other:
        shops.change(one, shop.shop_id, {"enabled": False})
        record = shops.find(other, "TestShop")
        assert record is not None
        assert not record.shop.enabled


def test_a_joined_transaction_is_left_to_its_owner(house: House, shop: Shop) -> None:
    with house.store.read() as other:
        with house.store.write() as transaction:
            with house.store.joined(transaction) as joined:
                assert joined is transaction
                charges.add(joined, shop.shop_id, "Joined", house.clock())
            assert charges.find(other, shop.shop_id, "Joined") is None
        assert charges.find(other, shop.shop_id, "Joined") is not None
        with house.store.joined(None) as own:
            charges.add(own, shop.shop_id, "Own", house.clock())
        assert charges.find(other, shop.shop_id, "Own") is not None


def test_transactions_that_read_before_they_write_wait_for_each_other(house: House, shop: Shop) -> None:
    """On SQLite all but one would fail at once, if they did not begin as writers."""
    charge = add_charge(house, shop, "Counter")
    start = threading.Barrier(4)

    def work(_: int) -> None:
        start.wait()
        for _ in range(5):
            with house.store.write() as transaction:
                charges.find(transaction, shop.shop_id, "Counter")
                charges.add_to_count(transaction, shop.shop_id, charge.charge_id, 1)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    with house.store.read() as connection:
        assert charges.count_vouchers(connection, shop.shop_id, charge.charge_id) == 20


def test_a_wrong_statement_is_no_outage(postgresql_store: Store) -> None:
    with pytest.raises(exc.ProgrammingError), postgresql_store.read() as connection:
        connection.execute(text("SELECT nonsense"))


def test_what_the_store_refuses_is_no_outage(house: House, shop: Shop) -> None:
    insert = text("INSERT INTO charge_count (shop_id, charge_id) VALUES (1, NULL)")
    with pytest.raises(exc.IntegrityError), house.store.write() as transaction:
        transaction.execute(insert)


@pytest.mark.parametrize("url", ["mysql://localhost/x", "postgresql+psycopg2://localhost/x"])
def test_other_databases_are_refused(url: str) -> None:
    with pytest.raises(ValueError, match="use sqlite or postgresql"):
        Store(url)


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg"])
def test_every_name_of_postgresql_is_understood(scheme: str) -> None:
    store = Store(f"{scheme}://user:secret@localhost/x")
    assert store.url.drivername == "postgresql+psycopg"
    assert store.is_postgresql


# --- SQLite ------------------------------------------------------------------------------------------------


def test_sqlite_commits_to_the_disk_and_keeps_foreign_keys(sqlite_store: Store) -> None:
    expected = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}
    for way in (sqlite_store.read, sqlite_store.write, sqlite_store.read):
        with way() as connection:
            found = {name: connection.exec_driver_sql(f"PRAGMA {name}").scalar_one() for name in expected}
            assert found == expected


def test_a_writer_on_sqlite_that_waits_too_long_is_told_so(
    sqlite_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "SQLITE_BUSY_SECONDS", 0.1)
    other = Store(sqlite_store.url)
    with sqlite_store.write():
        with pytest.raises(StoreUnavailable), other.write():
            pytest.fail("two writers at once")
        with other.read() as connection:
            assert len(shops.signing_keys(connection)) == 1  # who only reads does not wait
    with other.write() as transaction:
        assert len(shops.signing_keys(transaction)) == 1
    other.close()


def test_sqlite_without_its_directory_is_away(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path}/missing/store.db")
    for way in (store.read, store.write):
        with pytest.raises(StoreUnavailable), way():
            pytest.fail("there is no database")
    (tmp_path / "missing").mkdir()
    migrations.upgrade(store)
    migrations.require_current(store)
    store.close()


# --- PostgreSQL --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("prepared", [False, True], ids=["plain", "prepared"])
def test_idle_connections_that_died_are_replaced_without_anybody_noticing(
    make_store: MakeStore, postgres: PostgresServer, prepared: bool
) -> None:
    store = make_store("postgresql")
    before = fill_pool(store, 4)
    assert len(before) == 4
    end_sessions(postgres, store)
    for way in (store.read, store.write):
        with way() as connection:
            if prepared:
                assert len(shops.signing_keys(connection)) == 1
            assert connection.execute(BACKEND).scalar_one() not in before
    assert not fill_pool(store, 4) & before


@pytest.mark.parametrize("way", ["read", "write"])
@pytest.mark.parametrize("prepared", [False, True], ids=["plain", "prepared"])
def test_a_connection_that_dies_in_use_is_an_outage_once(
    make_store: MakeStore, postgres: PostgresServer, way: str, prepared: bool
) -> None:
    store = make_store("postgresql")

    def use() -> None:
        with getattr(store, way)() as connection:
            connection.execute(BACKEND)
            end_sessions(postgres, store)
            if prepared:
                shops.signing_keys(connection)
            else:
                connection.execute(BACKEND)

    with pytest.raises(StoreUnavailable):
        use()
    for again in (store.read, store.write):
        with again() as connection:
            assert len(shops.signing_keys(connection)) == 1


def test_a_connection_that_dies_before_the_commit_is_an_outage(
    make_store: MakeStore, postgres: PostgresServer
) -> None:
    store = make_store("postgresql")

    def use() -> None:
        with store.write() as transaction:
            transaction.execute(text("DELETE FROM signing_key"))
            end_sessions(postgres, store)

    with pytest.raises(StoreUnavailable):
        use()
    with store.read() as connection:
        assert len(shops.signing_keys(connection)) == 1


def test_a_lock_not_had_in_time_is_an_outage(make_store: MakeStore) -> None:
    store = make_store("postgresql")
    change = text("UPDATE signing_key SET created_at = now()")

    def wait() -> None:
        with store.write() as other:
            other.execute(text("SET LOCAL lock_timeout = '50ms'"))
            other.execute(change)

    with store.write() as transaction:
        transaction.execute(change)
        with pytest.raises(StoreUnavailable):
            wait()


def test_when_all_connections_are_in_use_the_next_caller_is_told_so(
    make_store: MakeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "CONNECT_SECONDS", 0.1)
    store = make_store("postgresql", pool_size=1)
    with store.read(), store.read(), pytest.raises(StoreUnavailable), store.read():
        pytest.fail("a third connection")
    with store.read() as connection:
        assert connection.execute(BACKEND).scalar_one()


@pytest.fixture(scope="module")
def own_server() -> Iterator[PostgresServer]:
    """A server to stop and start, which nobody else uses; it keeps what it committed."""
    with running_postgres(ways=OWN, durable=True) as server:
        yield server


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_a_store_that_was_away_is_back_without_a_restart(own_server: PostgresServer, how: str) -> None:
    name = f"away_{how}"
    own_server.create_database(name)
    store = Store(own_server.url(name))
    migrations.upgrade(store)
    fill_pool(store, 3)
    getattr(own_server, how)()
    try:
        for way in (store.read, store.write, store.read):
            with pytest.raises(StoreUnavailable), way() as connection:
                shops.signing_keys(connection)
    finally:
        own_server.start()
    for way in (store.read, store.write):
        with way() as connection:
            assert len(shops.signing_keys(connection)) == 1
    store.close()


def test_after_a_fork_the_parents_connections_are_left_alone(make_store: MakeStore) -> None:
    store = make_store("postgresql")
    with store.read() as connection:
        before = connection.execute(BACKEND).scalar_one()
        store.forget_connections()  # as the child does, for which the pool is new
        with store.read() as another:
            assert another.execute(BACKEND).scalar_one() != before
        assert connection.execute(BACKEND).scalar_one() == before
