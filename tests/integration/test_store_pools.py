"""Pool stock in the store, on both databases: each code once, the oldest first, all or none."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, suppress
from decimal import Decimal
from itertools import chain

import pytest
from sqlalchemy import Connection, delete, update

from soap_service.domain.shops import Shop
from soap_service.domain.terms import Terms
from soap_service.operations.house import House
from soap_service.store import charges, pools, vouchers
from soap_service.store.charges import Charge
from soap_service.store.engine import Store
from soap_service.store.pools import Lane, StockMoved
from soap_service.store.tables import pool_code, pool_lane
from tests.support.books import assert_books_balance
from tests.support.factories import add_charge, add_pool

STOCK = Terms(currency="EUR", amount=Decimal("5.00"))


@pytest.fixture
def house(house: House) -> Iterator[House]:
    """The house; at the end of every test its books must balance."""
    yield house
    assert_books_balance(house.store)


@pytest.fixture
def charge(house: House, shop: Shop) -> Charge:
    return add_charge(house, shop, "Pool", STOCK)


def lanes_of(house: House, shop: Shop, charge: Charge) -> list[Lane]:
    with house.store.read() as connection:
        return pools.lanes(connection, shop.shop_id, charge.charge_id)


def count_of(house: House, shop: Shop, charge: Charge) -> int:
    with house.store.read() as connection:
        return charges.count_vouchers(connection, shop.shop_id, charge.charge_id)


def draw(house: House, shop: Shop, charge: Charge, *counts: int, lanes: list[Lane] | None = None) -> list[str]:
    """Draw so many codes from each of the lanes there are (or of those given)."""
    lanes = lanes_of(house, shop, charge) if lanes is None else lanes
    takes = [(lane, count) for lane, count in zip(lanes, counts, strict=False) if count]
    drawn = pools.draw(
        house.store, None, shop.shop_id, charge.charge_id, charge.terms_id or 0, takes, house.clock()
    )
    return sorted(drawn)


def remove(house: House, shop: Shop, lane_id: int, *codes: str) -> None:
    """Take stock out of a lane: its numbers become holes."""
    with house.store.write() as transaction:
        gone = transaction.execute(
            delete(pool_code).where(pool_code.c.shop_id == shop.shop_id, pool_code.c.code.in_(codes))
        ).rowcount
        transaction.execute(
            update(pool_lane)
            .where(pool_lane.c.shop_id == shop.shop_id, pool_lane.c.lane_id == lane_id)
            .values(holes=pool_lane.c.holes + gone)
        )


def issue(house: House, shop: Shop, charge: Charge, code: str) -> None:
    """Make a voucher with this very code, past the pool."""
    vouchers.issue(
        house.store,
        None,
        shop.shop_id,
        charge.charge_id,
        charge.terms_id or 0,
        1,
        lambda count: [code] * count,
        house.clock(),
    )


def test_stock_is_drawn_in_the_order_of_its_numbers(house: House, shop: Shop, charge: Charge) -> None:
    lane_id = add_pool(house, shop, "Pool", ["z", "y", "x", "w", "v"], STOCK)
    assert lanes_of(house, shop, charge) == [Lane(lane_id, charge.terms_id or 0, 5, 0)]
    assert draw(house, shop, charge, 2) == ["y", "z"]
    assert draw(house, shop, charge, 1) == ["x"]
    assert lanes_of(house, shop, charge) == [Lane(lane_id, charge.terms_id or 0, 2, 0)]
    assert draw(house, shop, charge, 2) == ["v", "w"]
    assert lanes_of(house, shop, charge) == []
    assert count_of(house, shop, charge) == 5
    with house.store.read() as connection:
        assert vouchers.page(connection, shop.shop_id, charge.charge_id, "", 9) == [
            (code, charge.terms_id) for code in "vwxyz"
        ]


def test_on_postgresql_one_lane_without_holes_needs_no_transaction(
    house: House, shop: Shop, charge: Charge, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One statement is the fast way; a test of that alone would not see it go."""
    first = add_pool(house, shop, "Pool", ["1", "2", "3", "4", "5", "6", "7"], STOCK)
    add_pool(house, shop, "Pool", ["b"], STOCK)
    begun = 0
    write = Store.write

    def counting(store: Store) -> AbstractContextManager[Connection]:
        nonlocal begun
        begun += 1
        return write(store)

    monkeypatch.setattr(Store, "write", counting)

    def transactions_of(*counts: int) -> int:
        before = begun
        draw(house, shop, charge, *counts)
        return begun - before

    quick = 0 if house.store.is_postgresql else 1
    assert transactions_of(2) == quick
    assert transactions_of(1, 1) == 1
    issue(house, shop, charge, "4")
    assert transactions_of(1) == 1
    remove(house, shop, first, "6")
    assert transactions_of(1) == 1
    assert lanes_of(house, shop, charge) == []


def test_several_lanes_give_their_shares(house: House, shop: Shop, charge: Charge) -> None:
    first = add_pool(house, shop, "Pool", ["a1", "a2"], STOCK)
    second = add_pool(house, shop, "Pool", ["b1", "b2", "b3"], STOCK)
    assert [lane.lane_id for lane in lanes_of(house, shop, charge)] == [first, second]
    assert draw(house, shop, charge, 2, 1) == ["a1", "a2", "b1"]
    assert lanes_of(house, shop, charge) == [Lane(second, charge.terms_id or 0, 2, 0)]
    assert count_of(house, shop, charge) == 3


@pytest.mark.parametrize(
    ("removed", "counts", "drawn", "left"),
    [
        ([], [3], ["1", "2", "3"], (3, 0)),
        (["1", "2"], [2], ["3", "4"], (2, 0)),  # at the front
        (["2", "4"], [2], ["1", "3"], (2, 1)),  # one passed, one still ahead
        (["2", "4"], [3], ["1", "3", "5"], (1, 0)),
        (["6"], [2], ["1", "2"], (3, 1)),  # at the end, still ahead
        (["6"], [5], ["1", "2", "3", "4", "5"], None),
        (["2", "3", "4", "5"], [2], ["1", "6"], None),
    ],
)
def test_a_draw_steps_over_holes(
    house: House,
    shop: Shop,
    charge: Charge,
    removed: list[str],
    counts: list[int],
    drawn: list[str],
    left: tuple[int, int] | None,
) -> None:
    lane_id = add_pool(house, shop, "Pool", ["1", "2", "3", "4", "5", "6"], STOCK)
    remove(house, shop, lane_id, *removed)
    assert [lane.available for lane in lanes_of(house, shop, charge)] == [6 - len(removed)]
    assert draw(house, shop, charge, *counts) == drawn
    expected = [Lane(lane_id, charge.terms_id or 0, *left)] if left else []
    assert lanes_of(house, shop, charge) == expected
    assert count_of(house, shop, charge) == len(drawn)


def test_a_draw_steps_over_codes_that_are_vouchers_already(house: House, shop: Shop, charge: Charge) -> None:
    lane_id = add_pool(house, shop, "Pool", ["1", "2", "3", "4", "5"], STOCK)
    issue(house, shop, charge, "2")
    issue(house, shop, charge, "3")
    assert draw(house, shop, charge, 2) == ["1", "4"]
    assert lanes_of(house, shop, charge) == [Lane(lane_id, charge.terms_id or 0, 1, 0)]
    assert count_of(house, shop, charge) == 4
    assert draw(house, shop, charge, 1) == ["5"]


def test_a_deleted_voucher_of_the_pool_is_not_drawn_again(house: House, shop: Shop, charge: Charge) -> None:
    add_pool(house, shop, "Pool", ["1", "2", "3"], STOCK)
    assert draw(house, shop, charge, 1) == ["1"]
    with house.store.write() as transaction:
        assert vouchers.delete(transaction, shop.shop_id, "1")
    assert count_of(house, shop, charge) == 0
    assert draw(house, shop, charge, 2) == ["2", "3"]


@pytest.mark.parametrize("removed", [[], ["a2"]], ids=["without holes", "with holes"])
def test_a_draw_of_more_than_there_is_takes_nothing(
    house: House, shop: Shop, charge: Charge, removed: list[str]
) -> None:
    lane_id = add_pool(house, shop, "Pool", ["a1", "a2", "a3"], STOCK)
    remove(house, shop, lane_id, *removed)
    before = lanes_of(house, shop, charge)
    with pytest.raises(StockMoved):
        draw(house, shop, charge, 4 - len(removed))
    assert lanes_of(house, shop, charge) == before
    assert count_of(house, shop, charge) == 0


def test_when_one_of_several_lanes_fails_none_gives(house: House, shop: Shop, charge: Charge) -> None:
    add_pool(house, shop, "Pool", ["a1", "a2"], STOCK)
    add_pool(house, shop, "Pool", ["b1"], STOCK)
    before = lanes_of(house, shop, charge)
    with pytest.raises(StockMoved):
        draw(house, shop, charge, 2, 2)
    assert lanes_of(house, shop, charge) == before
    assert count_of(house, shop, charge) == 0
    with house.store.read() as connection:
        assert vouchers.find(connection, shop.shop_id, "a1") is None


def test_a_look_at_the_lanes_that_is_out_of_date_takes_nothing(house: House, shop: Shop, charge: Charge) -> None:
    add_pool(house, shop, "Pool", ["1", "2", "3"], STOCK)
    seen = lanes_of(house, shop, charge)
    assert draw(house, shop, charge, 2) == ["1", "2"]
    with pytest.raises(StockMoved):
        draw(house, shop, charge, 2, lanes=seen)
    assert draw(house, shop, charge, 1, lanes=seen) == ["3"]


def test_holes_that_came_after_the_look_move_the_stock(house: House, shop: Shop, charge: Charge) -> None:
    lane_id = add_pool(house, shop, "Pool", ["1", "2", "3"], STOCK)
    seen = lanes_of(house, shop, charge)
    remove(house, shop, lane_id, "1")
    try:
        drawn = draw(house, shop, charge, 2, lanes=seen)
    except StockMoved:  # the fast way does not step over holes it was not told of
        drawn = draw(house, shop, charge, 2)
    assert drawn == ["2", "3"]
    assert lanes_of(house, shop, charge) == []


def test_a_failed_draw_inside_a_transaction_leaves_the_rest_of_it(
    house: House, shop: Shop, charge: Charge
) -> None:
    add_pool(house, shop, "Pool", ["1", "2"], STOCK)
    add_pool(house, shop, "Pool", ["3"], STOCK)
    first, second = lanes_of(house, shop, charge)
    with house.store.write() as transaction:
        assert charges.add(transaction, shop.shop_id, "Beside", house.clock()) is not None

        def take(*takes: tuple[Lane, int]) -> list[str]:
            now, terms_id = house.clock(), charge.terms_id or 0
            return pools.draw(house.store, transaction, shop.shop_id, charge.charge_id, terms_id, takes, now)

        with pytest.raises(StockMoved):
            take((first, 2), (second, 2))
        assert take((first, 1)) == ["1"]
    assert [lane.available for lane in lanes_of(house, shop, charge)] == [1, 1]
    assert count_of(house, shop, charge) == 1
    with house.store.read() as connection:
        assert charges.find(connection, shop.shop_id, "Beside") is not None


def test_a_draw_inside_a_transaction_that_fails_is_undone(house: House, shop: Shop, charge: Charge) -> None:
    add_pool(house, shop, "Pool", ["1", "2"], STOCK)
    lanes = lanes_of(house, shop, charge)
    with suppress(ZeroDivisionError), house.store.write() as transaction:
        now, terms_id = house.clock(), charge.terms_id or 0
        pools.draw(house.store, transaction, shop.shop_id, charge.charge_id, terms_id, [(lanes[0], 2)], now)
        _ = 1 / 0
    assert lanes_of(house, shop, charge) == lanes
    assert count_of(house, shop, charge) == 0


@pytest.mark.parametrize("holes", [False, True], ids=["without holes", "with holes"])
def test_concurrent_draws_give_each_code_once_and_leave_none(
    house: House, shop: Shop, charge: Charge, holes: bool
) -> None:
    """Four threads empty two lanes, by ones and twos and by both lanes at once."""
    stock = [f"{number:02}" for number in range(60)]
    first = add_pool(house, shop, "Pool", stock[:40], STOCK)
    add_pool(house, shop, "Pool", stock[40:], STOCK)
    if holes:
        remove(house, shop, first, "05", "17", "39")
        stock = [code for code in stock if code not in {"05", "17", "39"}]
    start = threading.Barrier(4)

    def work(number: int) -> list[str]:
        start.wait()
        drawn: list[str] = []
        while lanes := lanes_of(house, shop, charge):
            counts = [min(lane.available, 1 + number % 2) for lane in lanes]
            try:
                drawn += draw(house, shop, charge, *counts[: 1 + number // 2], lanes=lanes)
            except StockMoved:
                continue
        return drawn

    with ThreadPoolExecutor(4) as pool:
        drawn = list(chain.from_iterable(pool.map(work, range(4))))
    assert sorted(drawn) == stock
    assert count_of(house, shop, charge) == len(stock)
