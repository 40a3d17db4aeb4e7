"""Vouchers and charges in the store, on both databases: nothing half done, no code twice, exact counts."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, islice, repeat

import pytest
from sqlalchemy import text

from soap_service.domain.codes import CodeMaker, CodeSpaceExhausted
from soap_service.domain.shops import Shop
from soap_service.domain.terms import Terms
from soap_service.operations.house import House
from soap_service.store import charges, shops, vouchers
from soap_service.store.charges import Charge
from soap_service.store.engine import Store
from soap_service.store.vouchers import CodesExhausted, State
from tests.support.books import assert_books_balance
from tests.support.factories import add_charge

TERMS = Terms(currency="EUR")


@pytest.fixture
def house(house: House) -> Iterator[House]:
    """The house; at the end of every test its books must balance."""
    yield house
    assert_books_balance(house.store)


@pytest.fixture
def charge(house: House, shop: Shop) -> Charge:
    return add_charge(house, shop, "Test", TERMS)


def supply(codes: Iterable[str]) -> Callable[[int], list[str]]:
    """A maker of codes that gives out these, one after the other."""
    source = iter(codes)
    return lambda count: list(islice(source, count))


def issue(house: House, charge: Charge, shop: Shop, codes: Iterable[str], count: int | None = None) -> list[str]:
    """Issue vouchers with these codes, the first that are free, in a transaction of the store's own."""
    codes = list(codes)
    assert charge.terms_id is not None
    return vouchers.issue(
        house.store,
        None,
        shop.shop_id,
        charge.charge_id,
        charge.terms_id,
        len(codes) if count is None else count,
        supply(codes),
        house.clock(),
    )


def codes_of(store: Store, charge: Charge, shop: Shop) -> list[str]:
    """All codes of a charge that are not deleted, by way of single steps."""
    found: list[str] = []
    with store.read() as connection:
        while step := vouchers.page(connection, shop.shop_id, charge.charge_id, found[-1] if found else "", 2):
            found += [code for code, _ in step]
    return found


def count_of(store: Store, charge: Charge, shop: Shop) -> int:
    with store.read() as connection:
        return charges.count_vouchers(connection, shop.shop_id, charge.charge_id)


def delete(store: Store, shop: Shop, code: str) -> bool:
    with store.write() as transaction:
        return vouchers.delete(transaction, shop.shop_id, code)


# --- issuing -----------------------------------------------------------------------------------------------


def test_issued_vouchers_are_there_with_everything(house: House, shop: Shop, charge: Charge) -> None:
    assert sorted(issue(house, charge, shop, ["A", "B"])) == ["A", "B"]
    with house.store.read() as connection:
        found = vouchers.find(connection, shop.shop_id, "A")
    assert charge.terms_id is not None
    assert found == vouchers.Voucher("A", charge.charge_id, charge.terms_id, State.ISSUED, house.clock())
    assert count_of(house.store, charge, shop) == 2


def test_taken_codes_are_drawn_anew(house: House, shop: Shop, charge: Charge) -> None:
    issue(house, charge, shop, ["A", "B"])
    given_out = ["A", "C", "B", "D", "E", "F"]
    fresh = issue(house, charge, shop, given_out, count=2)
    assert len(fresh) == 2
    assert set(fresh) < {"C", "D", "E", "F"}
    assert codes_of(house.store, charge, shop) == sorted(["A", "B", *fresh])
    assert count_of(house.store, charge, shop) == 4


def test_a_code_drawn_twice_in_one_batch_is_issued_once(house: House, shop: Shop, charge: Charge) -> None:
    fresh = issue(house, charge, shop, ["X", "X", "Y", "X", "X", "Y", "Z"], count=3)
    assert sorted(fresh) == ["X", "Y", "Z"]
    assert codes_of(house.store, charge, shop) == ["X", "Y", "Z"]


def test_taken_codes_are_drawn_anew_inside_a_transaction(house: House, shop: Shop, charge: Charge) -> None:
    issue(house, charge, shop, ["A"])
    with house.store.write() as transaction:
        fresh = vouchers.issue(
            house.store,
            transaction,
            shop.shop_id,
            charge.charge_id,
            charge.terms_id or 0,
            2,
            supply(["A", "B", "B", "C"]),
            house.clock(),
        )
        assert sorted(fresh) == ["B", "C"]
    assert codes_of(house.store, charge, shop) == ["A", "B", "C"]
    assert count_of(house.store, charge, shop) == 3


def test_when_codes_run_out_nothing_is_left_behind(house: House, shop: Shop, charge: Charge) -> None:
    issue(house, charge, shop, ["A"])
    with pytest.raises(CodesExhausted):
        issue(house, charge, shop, chain(["A", "free"], ["A"] * 100), count=2)
    assert codes_of(house.store, charge, shop) == ["A"]
    assert count_of(house.store, charge, shop) == 1


def test_when_codes_run_out_the_whole_transaction_goes(house: House, shop: Shop, charge: Charge) -> None:
    issue(house, charge, shop, ["A"])
    endless = supply(chain(["free"], repeat("A")))

    def add_and_issue() -> None:
        with house.store.write() as transaction:
            new = charges.add(transaction, shop.shop_id, "New", house.clock(), terms_id=charge.terms_id)
            assert new is not None
            terms_id = charge.terms_id or 0
            vouchers.issue(house.store, transaction, shop.shop_id, new, terms_id, 2, endless, house.clock())

    with pytest.raises(CodesExhausted):
        add_and_issue()
    with house.store.read() as connection:
        assert charges.find(connection, shop.shop_id, "New") is None
        assert vouchers.find(connection, shop.shop_id, "free") is None


def test_a_broken_random_source_ends_in_an_error_not_in_a_loop(house: House, shop: Shop, charge: Charge) -> None:
    always_the_same = CodeMaker(random_bytes=lambda count: bytes(count))

    def draw(count: int) -> list[str]:
        terms_id, now = charge.terms_id or 0, house.clock()
        return vouchers.issue(
            house.store, None, shop.shop_id, charge.charge_id, terms_id, count, always_the_same, now
        )

    assert draw(1) == ["2222-2222-2222-2222"]
    with pytest.raises(CodesExhausted):
        draw(1)
    with pytest.raises(CodeSpaceExhausted):
        draw(2)
    assert count_of(house.store, charge, shop) == 1


def test_concurrent_issues_of_the_same_codes_give_each_code_once(house: House, shop: Shop, charge: Charge) -> None:
    """Four threads draw from one small set of codes, so that many statements meet taken ones."""
    codes = [f"C{number:03}" for number in range(120)]
    start = threading.Barrier(4)

    def work(seed: int) -> list[str]:
        drawn = random.Random(seed)
        start.wait()
        return [code for _ in range(5) for code in issue(house, charge, shop, drawn.sample(codes, 120), count=3)]

    with ThreadPoolExecutor(4) as pool:
        issued = list(chain.from_iterable(pool.map(work, range(4))))
    assert len(issued) == 60
    assert codes_of(house.store, charge, shop) == sorted(issued)
    assert count_of(house.store, charge, shop) == 60


def test_the_same_code_in_two_shops(house: House, shop: Shop, charge: Charge) -> None:
    with house.store.write() as transaction:
        shops.add(
            transaction,
            {"name": "Other", "currency": "EUR", "time_zone": "UTC", "subshops": (), "vat_ids": ()},
            "",
            house.clock(),
        )
        record = shops.find(transaction, "Other")
    assert record is not None
    other = add_charge(house, record.shop, "Test", TERMS)
    assert issue(house, charge, shop, ["A", "B"]) == ["A", "B"]
    assert issue(house, other, record.shop, ["A"]) == ["A"]
    assert delete(house.store, record.shop, "A")
    assert codes_of(house.store, charge, shop) == ["A", "B"]
    assert codes_of(house.store, other, record.shop) == []


# --- counting and deleting ---------------------------------------------------------------------------------


def test_the_count_written_with_a_new_charge_is_not_written_twice(
    house: House, shop: Shop, charge: Charge
) -> None:
    with house.store.write() as transaction:
        new = charges.add(transaction, shop.shop_id, "New", house.clock(), terms_id=charge.terms_id, vouchers=3)
        assert new is not None
        vouchers.issue(
            house.store,
            transaction,
            shop.shop_id,
            new,
            charge.terms_id or 0,
            3,
            house.make_codes,
            house.clock(),
            counted=False,
        )
    with house.store.read() as connection:
        assert charges.count_vouchers(connection, shop.shop_id, new) == 3


def test_uncounted_means_uncounted_outside_a_transaction_too(house: House, shop: Shop, charge: Charge) -> None:
    terms_id, now = charge.terms_id or 0, house.clock()
    vouchers.issue(
        house.store, None, shop.shop_id, charge.charge_id, terms_id, 2, supply("AB"), now, counted=False
    )
    assert count_of(house.store, charge, shop) == 0
    with house.store.write() as transaction:
        charges.add_to_count(transaction, shop.shop_id, charge.charge_id, 2)


def test_deleting_counts_once_and_keeps_the_code(house: House, shop: Shop, charge: Charge) -> None:
    issue(house, charge, shop, ["A", "B"])
    assert delete(house.store, shop, "A")
    assert not delete(house.store, shop, "A")
    assert not delete(house.store, shop, "never there")
    assert count_of(house.store, charge, shop) == 1
    assert codes_of(house.store, charge, shop) == ["B"]
    with house.store.read() as connection:
        kept = vouchers.find(connection, shop.shop_id, "A")
    assert kept is not None
    assert kept.state == State.DELETED


def test_a_deleted_code_never_returns(house: House, shop: Shop, charge: Charge) -> None:
    issue(house, charge, shop, ["A"])
    assert delete(house.store, shop, "A")
    assert issue(house, charge, shop, ["A", "A", "B"], count=1) == ["B"]
    assert codes_of(house.store, charge, shop) == ["B"]


def test_a_deleted_charge_frees_its_name_and_subshop_but_not_its_codes(house: House, shop: Shop) -> None:
    old = add_charge(house, shop, "Again", TERMS, subscribe_subshop="B2c")
    issue(house, old, shop, ["A"])
    with house.store.write() as transaction:
        assert charges.add(transaction, shop.shop_id, "Again", house.clock()) is None
        assert charges.add(transaction, shop.shop_id, "Else", house.clock(), subscribe_subshop="B2c") is None
        charges.change(transaction, shop.shop_id, old.charge_id, deleted_at=house.clock())
    with house.store.read() as connection:
        assert charges.find(connection, shop.shop_id, "Again") is None
        assert charges.find_registration_voucher(connection, shop.shop_id, "B2c") is None
        assert charges.list_all(connection, shop.shop_id, templates_only=False) == []
        remembered = charges.get(connection, shop.shop_id, old.charge_id)
    assert remembered is not None
    assert remembered.deleted_at == house.clock()

    new = add_charge(house, shop, "Again", TERMS, subscribe_subshop="B2c")
    assert new.charge_id != old.charge_id
    assert issue(house, new, shop, ["A", "A", "B"], count=1) == ["B"]


def test_of_many_callers_one_gets_the_charge(house: House, shop: Shop) -> None:
    start = threading.Barrier(6)

    def add(_: int) -> int | None:
        start.wait()
        with house.store.write() as transaction:
            return charges.add(transaction, shop.shop_id, "Race", house.clock())

    with ThreadPoolExecutor(6) as pool:
        ids = list(pool.map(add, range(6)))
    winners = [charge_id for charge_id in ids if charge_id is not None]
    assert len(winners) == 1
    with house.store.read() as connection:
        found = charges.find(connection, shop.shop_id, "Race")
    assert found is not None
    assert found.charge_id == winners[0]


# --- paging ------------------------------------------------------------------------------------------------

# In this order in UTF-8; a locale, UTF-16 or case folding would each sort some of them otherwise.
BYTEWISE = ["10", "10-A", "9", "B", "_", "a", "a b", "ab", "Ä", "é", "ﬀ", "\uffff", "😀"]


def test_pages_are_in_the_order_of_bytes(house: House, shop: Shop, charge: Charge) -> None:
    assert sorted(BYTEWISE, key=str.encode) == BYTEWISE
    other = add_charge(house, shop, "Other", TERMS)
    issue(house, other, shop, ["A", "aa", "Z"])
    issue(house, charge, shop, reversed(BYTEWISE))
    with house.store.read() as connection:
        if house.store.is_postgresql:  # by its indexes a small table comes in order even when nobody asks for it
            connection.execute(text("SET enable_indexscan = off"))
            connection.execute(text("SET enable_bitmapscan = off"))

        def page(after: str, size: int) -> list[str]:
            return [code for code, _ in vouchers.page(connection, shop.shop_id, charge.charge_id, after, size)]

        assert page("", 100) == BYTEWISE
        assert page("", 1) == ["10"]
        assert page("B", 3) == ["_", "a", "a b"]
        assert page("B0 (no such code)", 1) == ["_"]
        assert page("😀", 10) == []
    assert codes_of(house.store, charge, shop) == BYTEWISE


def test_a_page_leaves_deleted_vouchers_out_but_is_full(house: House, shop: Shop, charge: Charge) -> None:
    issue(house, charge, shop, ["A", "B", "C", "D"])
    delete(house.store, shop, "B")
    with house.store.read() as connection:
        found = vouchers.page(connection, shop.shop_id, charge.charge_id, "", 2)
    assert found == [("A", charge.terms_id), ("C", charge.terms_id)]


def test_charges_are_listed_in_the_order_of_bytes(house: House, shop: Shop) -> None:
    for name in reversed(BYTEWISE):
        add_charge(house, shop, name, TERMS if name in {"a", "Ä"} else None)
    with house.store.read() as connection:
        everything = charges.list_all(connection, shop.shop_id, templates_only=False)
        templates = charges.list_all(connection, shop.shop_id, templates_only=True)
    assert [found.name for found in everything] == BYTEWISE
    assert [found.name for found in templates] == ["a", "Ä"]
