"""The fast path of the store gives what the plain one gives."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import exc, insert, text

from soap_service.domain.shops import Shop
from soap_service.operations.house import House
from soap_service.store import charges, pools, shops, vouchers
from soap_service.store.engine import Store
from soap_service.store.prepared import Prepared
from soap_service.store.tables import charge, idempotency

_READS = [
    (f"{module.__name__.rpartition('.')[2]}.{name}", statement)
    for module in (shops, charges, vouchers, pools)
    for name, statement in vars(module).items()
    if isinstance(statement, Prepared) and statement.statement.is_select
]
_PARAMETERS = {
    "name": "TestCharge",
    "charge": "TestCharge",
    "subshop": "B2c",
    "after": "",
    "size": 3,
}


@pytest.fixture
def filled(house: House, shop: Shop) -> dict[str, object]:
    now = house.clock()
    with house.store.write() as connection:
        charge_id = charges.add(
            connection, shop.shop_id, "TestCharge", now, description="Ärger & Co", subscribe_subshop="B2c"
        )
    assert charge_id is not None
    vouchers.issue(house.store, None, shop.shop_id, charge_id, 1, 5, house.make_codes, now)
    return {**_PARAMETERS, "shop_id": shop.shop_id, "charge_id": charge_id}


@pytest.mark.parametrize(("label", "statement"), _READS, ids=[label for label, _ in _READS])
def test_every_prepared_read_returns_the_rows_of_plain_execution(
    label: str, statement: Prepared, house: House, filled: dict[str, object]
) -> None:
    wanted = {name: filled[name] for name in statement.statement.compile().params if name in filled}
    if label in ("shops._BY_NAME", "shops._WITH_CHARGE"):
        wanted["name"] = "TestShop"
    with house.store.read() as connection:
        plain = [tuple(row) for row in connection.execute(statement.statement, wanted)]
        fast = [tuple(row) for row in statement.rows(connection, wanted)]
    assert fast == plain
    assert [[type(value) for value in row] for row in fast] == [[type(value) for value in row] for row in plain]
    if label not in ("pools._LANES", "vouchers._FIND"):
        assert fast, "the comparison must have rows to compare"


def test_instants_and_flags_are_converted_both_ways(house: House, filled: dict[str, object]) -> None:
    with house.store.read() as connection:
        found = charges.find(connection, filled["shop_id"], "TestCharge")
    assert found is not None
    assert found.created_at == house.clock()
    assert found.has_template is False


def test_errors_are_those_of_plain_execution(store: Store) -> None:
    row = {
        "shop_id": 1,
        "idempotency_key": "k",
        "fingerprint": b"",
        "answer": b"",
        "created_at": datetime(2026, 1, 1, tzinfo=UTC),
    }
    with store.read() as connection, pytest.raises(exc.IntegrityError) as caught:
        Prepared(insert(idempotency)).run(connection, row)  # no such shop
    assert "2026" not in str(caught.value), "parameters stay out of error texts"
    broken = Prepared(text("SELECT no_such_column FROM charge"))
    with store.read() as connection, pytest.raises(exc.DBAPIError):
        broken.rows(connection, {})


def test_it_works_inside_a_transaction_that_is_rolled_back(house: House, shop: Shop) -> None:
    def add_and_fail() -> None:
        with house.store.write() as connection:
            charges.add(connection, shop.shop_id, "Gone", house.clock())
            assert charges.find(connection, shop.shop_id, "Gone") is not None
            raise RuntimeError

    with pytest.raises(RuntimeError):
        add_and_fail()
    with house.store.read() as connection:
        assert charges.find(connection, shop.shop_id, "Gone") is None
        assert connection.execute(charge.select()).first() is None
