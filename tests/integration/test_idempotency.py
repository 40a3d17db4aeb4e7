"""Calls with an Idempotency-Key: answered once, the same again, or not at all; on both databases."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest
from sqlalchemy import Connection

from soap_service.domain.faults import VoucherFault
from soap_service.domain.requests import ChargeInfo, ListCodes, read_create_vouchers
from soap_service.domain.shops import Shop
from soap_service.domain.terms import Terms
from soap_service.operations.charge_info import charge_info
from soap_service.operations.create_vouchers import create_vouchers
from soap_service.operations.house import House
from soap_service.operations.idempotency import answer_once, check_key
from soap_service.operations.list_codes import list_codes
from soap_service.store import shops
from tests.support.books import assert_books_balance
from tests.support.checks import contents, outcome, refused, unchanged
from tests.support.factories import FakeClock, add_charge, add_pool

TEN = Terms(currency="EUR", amount=Decimal("10.00"))
Work = Callable[[Connection], bytes]


@pytest.fixture
def house(house: House, shop: Shop) -> Iterator[House]:
    """The house with a charge and a pool; at the end of every test its books must balance."""
    add_charge(house, shop, "T", TEN)
    add_charge(house, shop, "Pool")
    add_pool(house, shop, "Pool", ["A1", "A2", "A3"], TEN)
    yield house
    assert_books_balance(house.store)


def creating(house: House, shop: Shop, **texts: str) -> Work:
    """The work of a CreateVouchers: its answer are the codes."""

    def work(transaction: Connection) -> bytes:
        asked = read_create_vouchers({"ChargeId": "T", "VoucherCount": "2"} | texts)
        return " ".join(create_vouchers(house, shop, asked, transaction).codes).encode()

    return work


def never(_: Connection) -> bytes:
    raise AssertionError("the work must not be done again")


def issued(house: House, shop: Shop, name: str = "T") -> set[str]:
    return {code for code, _ in list_codes(house, shop, ListCodes(name, None, None)).vouchers}


def test_a_repeated_call_is_answered_as_the_first_was(house: House, shop: Shop) -> None:
    first = answer_once(house, shop, "key", b"request", creating(house, shop))
    assert set(first.decode().split()) == issued(house, shop)
    with unchanged(house.store):
        for _ in range(3):
            assert answer_once(house, shop, "key", b"request", never) == first
    other = answer_once(house, shop, "Key", b"request", creating(house, shop))
    assert issued(house, shop) == {*first.decode().split(), *other.decode().split()}
    assert charge_info(house, shop, ChargeInfo("T")).voucher_count == 4


@pytest.mark.parametrize(
    ("name", "texts"),
    [
        ("Neu", {"ChargeId": "Neu", "CreateCharge": "true", "Amount": "3"}),
        ("Pool", {"ChargeId": "Pool", "Pool": "true"}),
    ],
)
def test_every_kind_of_creation_can_be_repeated(
    house: House, shop: Shop, name: str, texts: dict[str, str]
) -> None:
    first = answer_once(house, shop, "key", b"request", creating(house, shop, **texts))
    with unchanged(house.store):
        assert answer_once(house, shop, "key", b"request", never) == first
    assert issued(house, shop, name) == set(first.decode().split())


def test_the_same_key_with_another_body_is_refused(house: House, shop: Shop) -> None:
    answer_once(house, shop, "key", b"request", creating(house, shop))
    with unchanged(house.store):
        for other in (b"Request", b"request ", b"", b"request\x00"):
            with refused("ES021", "Idempotency-Key"):
                answer_once(house, shop, "key", other, never)


@pytest.mark.parametrize("answer", [b"", "ä€😀".encode(), bytes(range(256)), b"x" * 1_000_000])
def test_an_answer_comes_back_byte_by_byte(house: House, shop: Shop, answer: bytes) -> None:
    assert answer_once(house, shop, "key", b"request", lambda _: answer) == answer
    assert answer_once(house, shop, "key", b"request", never) == answer


def test_each_shop_has_its_own_keys(house: House, shop: Shop) -> None:
    settings = {"name": "Other", "currency": "EUR", "time_zone": "UTC", "subshops": (), "vat_ids": ()}
    with house.store.write() as transaction:
        assert shops.add(transaction, settings, "no hash", house.clock())
        record = shops.find(transaction, "Other")
    assert record is not None
    assert answer_once(house, shop, "key", b"request", lambda _: b"one") == b"one"
    assert answer_once(house, record.shop, "key", b"other request", lambda _: b"two") == b"two"
    assert answer_once(house, shop, "key", b"request", never) == b"one"


KEYS = ["x", "!", "~", "x" * 255, "6ba7b810-9dad-11d1-80b4-00c04fd430c8", "".join(map(chr, range(0x21, 0x7F)))]


@pytest.mark.parametrize("key", KEYS)
def test_keys(key: str) -> None:
    check_key(key)


@pytest.mark.parametrize("key", ["", " ", "a b", "x" * 256, "ä", "a\tb", "key\n", "\x7f", "\x00", "ключ", "１"])
def test_what_is_no_key(key: str) -> None:
    with refused("ES012", "Idempotency-Key"):
        check_key(key)


def test_a_bad_key_stops_the_call(house: House, shop: Shop) -> None:
    with unchanged(house.store), refused("ES012", "Idempotency-Key"):
        answer_once(house, shop, "a b", b"request", never)
    for key in KEYS:
        assert answer_once(house, shop, key, b"request", lambda _, key=key: key.encode()) == key.encode()
    for key in KEYS:
        assert answer_once(house, shop, key, b"request", never) == key.encode()


def test_an_answer_is_kept_for_24_hours(house: House, shop: Shop, clock: FakeClock) -> None:
    first = answer_once(house, shop, "key", b"request", creating(house, shop))
    clock.advance(hours=23, minutes=59, seconds=59)
    assert answer_once(house, shop, "key", b"request", never) == first
    with refused("ES021", "Idempotency-Key"):
        answer_once(house, shop, "key", b"other", never)
    clock.advance(seconds=2)
    second = answer_once(house, shop, "key", b"other", creating(house, shop))
    assert not set(second.split()) & set(first.split())
    clock.advance(hours=23)
    assert answer_once(house, shop, "key", b"other", never) == second
    assert len(contents(house.store)["idempotency"]) == 1


def test_a_fault_is_not_kept(house: House, shop: Shop) -> None:
    with unchanged(house.store):
        for texts, code in (
            ({"ChargeId": "Nobody"}, "ES019"),
            ({"VoucherCount": "1001"}, "ES017"),
            ({"ChargeId": "Pool", "Pool": "true", "VoucherCount": "4"}, "ES024"),
            ({"CreateCharge": "true", "Amount": "1"}, "ES018"),
        ):
            with refused(code):
                answer_once(house, shop, "key", b"request", creating(house, shop, **texts))
    answer = answer_once(house, shop, "key", b"mended", creating(house, shop))
    assert answer_once(house, shop, "key", b"mended", never) == answer


@pytest.mark.parametrize(
    "texts",
    [
        {"Amount": "4"},
        {"ChargeId": "Neu", "CreateCharge": "true", "Amount": "4"},
        {"ChargeId": "Pool", "Pool": "true", "Amount": "4"},
    ],
)
def test_work_that_fails_at_its_end_leaves_nothing(house: House, shop: Shop, texts: dict[str, str]) -> None:
    def work(transaction: Connection) -> bytes:
        creating(house, shop, **texts)(transaction)
        raise RuntimeError("the answer could not be written")

    with unchanged(house.store), pytest.raises(RuntimeError, match="could not be written"):
        answer_once(house, shop, "key", b"request", work)
    # Nothing of the lost transaction is remembered in this process either.
    answer = answer_once(house, shop, "key", b"request", creating(house, shop, **texts))
    assert issued(house, shop, texts.get("ChargeId", "T")) == set(answer.decode().split())


def test_a_new_signing_key_does_not_make_a_repeated_call_another_one(house: House, shop: Shop) -> None:
    answer_once(house, shop, "key", b"request", lambda _: b"answer")
    with house.store.write() as transaction:
        shops.add_signing_key(transaction, b"n" * 32, house.clock())
    assert answer_once(house, shop, "key", b"request", never) == b"answer"


def test_what_is_kept_does_not_tell_the_request(house: House, shop: Shop) -> None:
    answer_once(house, shop, "key", b"<Password>geheim</Password>", lambda _: b"answer")
    answer_once(house, shop, "other", b"<Password>geheim</Password>", lambda _: b"answer")
    kept = repr(contents(house.store)["idempotency"])
    assert "geheim" not in kept


def test_a_twin_that_still_runs(house: House, shop: Shop) -> None:
    """On PostgreSQL the second call is told to come back (ES005), on SQLite it waits for its turn."""
    started, go_on = threading.Event(), threading.Event()

    def slow(transaction: Connection) -> bytes:
        answer = creating(house, shop)(transaction)
        started.set()
        assert go_on.wait(20)
        return answer

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(answer_once, house, shop, "key", b"request", slow)
        try:
            assert started.wait(20)
            if house.store.is_postgresql:
                for request in (b"request", b"other"):
                    with refused("ES005"):
                        answer_once(house, shop, "key", request, never)
                assert answer_once(house, shop, "other", b"request", lambda _: b"not waiting") == b"not waiting"
            else:
                second = pool.submit(answer_once, house, shop, "key", b"request", never)
        finally:
            go_on.set()
        assert house.store.is_postgresql or second.result() == first.result()
    assert answer_once(house, shop, "key", b"request", never) == first.result()
    assert issued(house, shop) == set(first.result().decode().split())


def test_of_many_twins_one_works_and_all_get_its_answer(house: House, shop: Shop) -> None:
    start = threading.Barrier(8)
    worked = []

    def work(transaction: Connection) -> bytes:
        worked.append(1)
        return creating(house, shop)(transaction)

    def call(_: int) -> bytes:
        start.wait()
        while True:
            found = outcome(lambda: answer_once(house, shop, "key", b"request", work))
            if not isinstance(found, VoucherFault):
                assert isinstance(found, bytes)
                return found
            assert found.code == "ES005"

    with ThreadPoolExecutor(8) as pool:
        answers = set(pool.map(call, range(8)))
    assert len(answers) == len(worked) == 1
    assert issued(house, shop) == set(answers.pop().decode().split())
