"""Shops, kept answers and points in time in the store, on both databases."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from soap_service.domain.shops import Shop
from soap_service.operations.house import House
from soap_service.store import charges, idempotency, shops, terms
from soap_service.store.engine import Store
from soap_service.store.tables import voucher
from tests.support.factories import FakeClock

# --- points in time ----------------------------------------------------------------------------------------

_zones = st.one_of(
    st.sampled_from([UTC, ZoneInfo("Europe/Berlin"), ZoneInfo("America/St_Johns"), ZoneInfo("Pacific/Apia")]),
    st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes))),
)
_instants = st.datetimes(datetime(1000, 1, 2), datetime(9998, 12, 30), timezones=_zones)  # noqa: DTZ001


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=_instants)
def test_a_point_in_time_comes_back_as_the_same_in_utc(house: House, shop: Shop, at: datetime) -> None:
    with house.store.write() as transaction:
        charge_id = charges.add(transaction, shop.shop_id, f"{at.isoformat()} {at.tzinfo}", at)
        if charge_id is None:  # an example that was there already
            return
        charges.change(transaction, shop.shop_id, charge_id, deleted_at=at)
    with house.store.read() as connection:
        found = charges.get(connection, shop.shop_id, charge_id)
    assert found is not None
    assert found.created_at == found.deleted_at == at.astimezone(UTC)
    assert found.created_at.utcoffset() == timedelta(0)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=_instants, off=st.integers(-2, 2).map(lambda micros: timedelta(microseconds=micros)), zone=_zones)
def test_points_in_time_compare_across_zones(
    house: House, shop: Shop, at: datetime, off: timedelta, zone: timezone
) -> None:
    """A text comparison, as on SQLite, must say what the comparison of instants says."""
    not_before = (at.astimezone(UTC) + off).astimezone(zone)
    with house.store.write() as transaction:
        idempotency.keep(transaction, shop.shop_id, "key", b"print", b"answer", at)
        found = idempotency.find(transaction, shop.shop_id, "key", not_before)
    assert (found is not None) == (off <= timedelta(0))


# --- answers kept ------------------------------------------------------------------------------------------


def test_a_kept_answer_is_replaced_and_purged(house: House, shop: Shop, clock: FakeClock) -> None:
    with house.store.write() as transaction:
        idempotency.keep(transaction, shop.shop_id, "Key", b"1", b"one", clock())
        idempotency.keep(transaction, shop.shop_id, "Key", b"2", b"two\0\xff", clock())
        idempotency.keep(transaction, shop.shop_id, "key", b"3", b"", clock() + timedelta(hours=1))
    long_ago = clock() - timedelta(days=1)
    with house.store.write() as transaction:
        found = idempotency.find(transaction, shop.shop_id, "Key", long_ago)
        assert found == idempotency.KeptAnswer(b"2", b"two\0\xff")
        assert idempotency.purge(transaction, clock() + timedelta(minutes=1)) == 1
        assert idempotency.find(transaction, shop.shop_id, "Key", long_ago) is None
        assert idempotency.find(transaction, shop.shop_id, "key", long_ago) is not None


def test_a_key_is_claimed_by_one_transaction_at_a_time(postgresql_store: Store) -> None:
    with postgresql_store.write() as one, postgresql_store.write() as other:
        assert idempotency.claim(one, 1, "key")
        assert idempotency.claim(one, 1, "key")
        assert not idempotency.claim(other, 1, "key")
        assert idempotency.claim(other, 1, "another")
        assert idempotency.claim(other, 2, "key")
    with postgresql_store.write() as later:
        assert idempotency.claim(later, 1, "key")


# --- shops -------------------------------------------------------------------------------------------------


def test_a_shop_is_kept_changed_and_found_as_it_is(house: House, shop: Shop) -> None:
    assert shop == Shop(shop.shop_id, "TestShop", "EUR", "Europe/Berlin", ("B2c", "B2B"), (1, 2))
    with house.store.write() as transaction:
        taken = {"name": "TestShop", "currency": "CHF", "time_zone": "UTC", "subshops": (), "vat_ids": ()}
        assert not shops.add(transaction, taken, "hash", house.clock())
        shops.change(
            transaction, shop.shop_id, {"subshops": ("Österreich, B2B",), "vat_ids": (), "enabled": False}
        )
        shops.change(transaction, shop.shop_id, {"password_hash": "another"})
    with house.store.read() as connection:
        record = shops.find(connection, "TestShop")
        assert shops.find(connection, "testshop") is None
        assert shops.list_all(connection) == [record]
    assert record is not None
    assert record.password_hash == "another"
    assert record.shop == Shop(
        shop.shop_id, "TestShop", "EUR", "Europe/Berlin", ("Österreich, B2B",), (), enabled=False
    )


def test_signing_keys_come_oldest_first(house: House) -> None:
    with house.store.write() as transaction:
        shops.add_signing_key(transaction, b"newer", house.clock())
        first, *more = shops.signing_keys(transaction)
    assert len(first) == 32
    assert more == [b"newer"]


def test_a_test_begins_with_an_empty_store_and_one_signing_key(house: House) -> None:
    """Guards the fixture: the test before this one left something behind."""
    with house.store.read() as connection:
        assert len(shops.signing_keys(connection)) == 1
        assert shops.list_all(connection) == []
        assert connection.execute(select(voucher)).all() == []
        assert terms.load(house.store, connection, 1, [1]) == {}
