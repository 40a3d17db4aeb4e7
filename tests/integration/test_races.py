"""Many callers at once, on both databases: one charge, each code once, exact ends, exact counts."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from decimal import Decimal
from itertools import chain
from typing import Any

import pytest

from soap_service.domain.faults import VoucherFault
from soap_service.domain.requests import ChargeInfo, ListCodes, PoolInfo, read_create_vouchers
from soap_service.domain.shops import Shop
from soap_service.domain.terms import Terms
from soap_service.operations.charge_info import ChargeFacts, charge_info
from soap_service.operations.create_vouchers import CreatedVouchers, create_vouchers
from soap_service.operations.house import House
from soap_service.operations.list_codes import list_codes
from soap_service.operations.pool_info import pool_info
from tests.support.books import assert_books_balance
from tests.support.checks import contents, outcome
from tests.support.factories import add_charge, add_pool

ANYWHERE = Terms(currency="EUR", amount=Decimal("20.00"))
THREADS = 16


@pytest.fixture
def house(house: House) -> Iterator[House]:
    """The house; at the end of every test its books must balance."""
    yield house
    assert_books_balance(house.store)


@pytest.fixture(params=["alone", "in a transaction"])
def call(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """CreateVouchers: what it made, or its fault."""

    def create(house: House, shop: Shop, **texts: str) -> CreatedVouchers | VoucherFault:
        asked = read_create_vouchers(texts)

        def within() -> CreatedVouchers:
            with house.store.write() as transaction:
                return create_vouchers(house, shop, asked, transaction)

        return outcome((lambda: create_vouchers(house, shop, asked)) if request.param == "alone" else within)

    return create


def at_once(work: Callable[[int], Any], threads: int = THREADS) -> list[Any]:
    """What `work(number)` returns in each of so many threads that start together."""
    start = threading.Barrier(threads)

    def wait_and_work(number: int) -> Any:
        start.wait(30)
        return work(number)

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(wait_and_work, range(threads)))


def codes_in(house: House, shop: Shop, name: str) -> list[str]:
    return [code for code, _ in list_codes(house, shop, ListCodes(name, None, None)).vouchers]


def test_of_many_callers_one_creates_the_charge(house: House, shop: Shop, call: Callable[..., Any]) -> None:
    for turn in range(3):
        name = f"Neu {turn}"
        found = at_once(
            lambda number, name=name: call(
                house,
                shop,
                ChargeId=name,
                CreateCharge="true",
                VoucherCount=str(number + 1),
                Amount=str(number + 1),
            )
        )
        won = [answer for answer in found if isinstance(answer, CreatedVouchers)]
        assert len(won) == 1
        assert Counter(answer.code for answer in found if isinstance(answer, VoucherFault)) == {
            "ES018": THREADS - 1
        }
        assert codes_in(house, shop, name) == sorted(won[0].codes)
        assert charge_info(house, shop, ChargeInfo(name)) == ChargeFacts(int(won[0].terms.amount or 0), False)
    assert len(contents(house.store)["charge"]) == 3


def test_many_callers_create_many_charges_with_the_same_terms(
    house: House, shop: Shop, call: Callable[..., Any]
) -> None:
    at_once(
        lambda number: call(
            house, shop, ChargeId=f"Neu {number}", CreateCharge="true", VoucherCount="2", Amount="7"
        )
    )
    assert len(contents(house.store)["terms"]) == 1
    assert len(contents(house.store)["voucher"]) == 2 * THREADS


def test_counts_are_exact_though_codes_collide(house: House, shop: Shop, call: Callable[..., Any]) -> None:
    add_charge(house, shop, "T", ANYWHERE)
    add_charge(house, shop, "U", ANYWHERE)
    chance, lock = random.Random(5), threading.Lock()
    space = [f"{number:03}" for number in range(600)]

    def make_codes(count: int) -> list[str]:
        with lock:
            return chance.sample(space, count)

    tight = replace(house, make_codes=make_codes)
    found = at_once(
        lambda number: [call(tight, shop, ChargeId="TU"[number % 2], VoucherCount="5") for _ in range(4)]
    )
    codes = {
        name: [code for made in found[which::2] for one in made for code in one.codes]
        for which, name in enumerate("TU")
    }
    assert len({*codes["T"], *codes["U"]}) == THREADS * 20
    for name in "TU":
        assert codes_in(house, shop, name) == sorted(codes[name])
        assert charge_info(house, shop, ChargeInfo(name)).voucher_count == len(codes[name])


def drain(
    house: House, shop: Shop, call: Callable[..., Any], most: int, subshop: str | None = None
) -> list[CreatedVouchers]:
    """Draw 1 to `most` codes again and again until not even one is left; check every refusal on the way."""
    drawn: list[CreatedVouchers] = []
    number = most
    while True:
        said = {"SubShopValidity": subshop} if subshop else {}
        found = call(house, shop, ChargeId="Pool", Pool="true", VoucherCount=str(number), **said)
        if isinstance(found, CreatedVouchers):
            assert len(found.codes) == number
            drawn.append(found)
            number = number % most + 1
            continue
        assert (found.code, found.count) == ("ES024", number)
        if number == 1:
            # Stock only shrinks, so what was refused then is not there now either.
            assert pool_info(house, shop, PoolInfo("Pool", None, subshop)) == 0
            return drawn
        number = 1


@pytest.mark.parametrize("lanes", [1, 3, 40])
def test_a_pool_is_emptied_to_its_exact_end(
    house: House, shop: Shop, call: Callable[..., Any], lanes: int
) -> None:
    add_charge(house, shop, "Pool")
    codes = [f"{number:03}" for number in range(120)]
    for lane in range(lanes):
        add_pool(house, shop, "Pool", codes[lane::lanes], ANYWHERE)
    found = at_once(lambda number: drain(house, shop, call, 1 + number % 3), threads=8)
    drawn = [code for made in chain.from_iterable(found) for code in made.codes]
    assert sorted(drawn) == codes
    assert codes_in(house, shop, "Pool") == codes
    assert charge_info(house, shop, ChargeInfo("Pool")) == ChargeFacts(120, False)


def test_subshops_and_sets_of_terms_are_kept_apart(house: House, shop: Shop, call: Callable[..., Any]) -> None:
    add_charge(house, shop, "Pool")
    sorts = {
        "A": ANYWHERE,
        "B": replace(ANYWHERE, subshops=("B2B",)),
        "C": replace(ANYWHERE, subshops=("B2c",)),
        "D": replace(ANYWHERE, amount=Decimal("5.00")),
    }
    for batch in range(3):
        for sort, terms in sorts.items():
            add_pool(house, shop, "Pool", [f"{sort}{batch}{number:02}" for number in range(10)], terms)
    allowed = {"B2c": "ACD", "B2B": "ABD", None: "ABCD"}
    subshops = [*allowed, None]
    found = at_once(lambda number: drain(house, shop, call, 1 + number % 3, subshops[number % 4]), threads=8)
    drawn: list[str] = []
    for number, answers in enumerate(found):
        for made in answers:
            assert len({code[0] for code in made.codes}) == 1
            assert made.terms == sorts[made.codes[0][0]]
            assert made.codes[0][0] in allowed[subshops[number % 4]]
            drawn += made.codes
    assert sorted(drawn) == codes_in(house, shop, "Pool")
    assert len(set(drawn)) == len(drawn) == 120


def test_draws_and_new_vouchers_of_one_charge_do_not_disturb_each_other(
    house: House, shop: Shop, call: Callable[..., Any]
) -> None:
    add_charge(house, shop, "Pool", ANYWHERE)
    stock = [f"{number:03}" for number in range(60)]
    add_pool(house, shop, "Pool", stock[:30], ANYWHERE)
    add_pool(house, shop, "Pool", stock[30:], ANYWHERE)

    def work(number: int) -> list[CreatedVouchers]:
        if number % 2:
            return drain(house, shop, call, 2)
        return [call(house, shop, ChargeId="Pool", VoucherCount="3", Amount=str(turn + 1)) for turn in range(5)]

    found = at_once(work, threads=8)
    codes = [code for made in chain.from_iterable(found) for code in made.codes]
    assert len(set(codes)) == len(codes) == 60 + 4 * 15
    assert codes_in(house, shop, "Pool") == sorted(codes)
    assert set(stock) <= set(codes)
