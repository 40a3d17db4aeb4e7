"""Walks through the pages of a charge while vouchers come and go, on both databases.

No code twice, none missed that was there throughout, whatever the page sizes. Source: contract, section 4,
GetVoucherCodes.
"""

from __future__ import annotations

import random
import threading
from dataclasses import dataclass, field, replace
from decimal import Decimal
from itertools import count

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from soap_service.domain.requests import ListCodes
from soap_service.domain.shops import Shop
from soap_service.domain.terms import Terms
from soap_service.operations.house import House
from soap_service.operations.list_codes import list_codes
from soap_service.store import shops, vouchers
from tests.support.factories import add_charge, create

TEN = Terms(currency="EUR", amount=Decimal("10.00"))
numbers = count()


@dataclass
class Meanwhile:
    """What happens between one page and the next; `deleted` says which of the codes there are, by place."""

    size: int | None = 2
    inserted: list[str] = field(default_factory=list)
    deleted: list[int] = field(default_factory=list)
    delete_last_seen: bool = False
    new_key: bool = False


# Letters around one another in every order that a database might know: bytes, cases, accents, punctuation.
suffixes = st.text("-0129ABZabzÄäß\U0001f381", max_size=3)
meanwhiles = st.builds(
    Meanwhile,
    size=st.sampled_from([1, 2, 3, 5, 1000, None, 0]),
    inserted=st.lists(suffixes, max_size=4, unique=True),
    deleted=st.lists(st.integers(0, 30), max_size=3),
    delete_last_seen=st.booleans(),
    new_key=st.sampled_from([False, False, False, True]),
)


def insert(house: House, shop: Shop, charge: str, codes: list[str]) -> None:
    if codes:
        create(replace(house, make_codes=lambda _: list(codes)), shop, ChargeId=charge, VoucherCount=len(codes))


def delete(house: House, shop: Shop, code: str) -> None:
    with house.store.write() as transaction:
        assert vouchers.delete(transaction, shop.shop_id, code)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(first=st.lists(suffixes, max_size=12, unique=True), steps=st.lists(meanwhiles, min_size=1, max_size=8))
@example(first=[], steps=[Meanwhile()])
@example(first=list("0123"), steps=[Meanwhile(1, delete_last_seen=True), Meanwhile(1, inserted=["1A", "00"])])
@example(first=list("0129"), steps=[Meanwhile(2, deleted=[2, 2]), Meanwhile(2)])
def test_a_walk_shows_what_is_there_and_nothing_twice(
    house: House, shop: Shop, first: list[str], steps: list[Meanwhile]
) -> None:
    number = next(numbers)
    charge, start = f"Charge {number}", f"{number:05}"  # a code is taken for ever, so every walk has its own
    add_charge(house, shop, charge, TEN)
    insert(house, shop, charge, [start + suffix for suffix in first])
    present = {start + suffix for suffix in first}
    ever, throughout = set(present), set(present)
    seen: list[str] = []
    token: str | None = None
    for step in [*steps, *[Meanwhile(3)] * 100]:
        page = list_codes(house, shop, ListCodes(charge, step.size, token))
        codes = [code for code, _ in page.vouchers]
        ahead = sorted((code for code in present if not seen or code > seen[-1]), key=str.encode)
        assert codes == ahead[: step.size or 1000]
        assert (page.next_token is not None) == (len(ahead) > len(codes))
        seen += codes
        if (token := page.next_token) is None:
            break
        if step.new_key:
            with house.store.write() as transaction:
                shops.add_signing_key(transaction, random.Random(number).randbytes(32), house.clock())
        gone = {sorted(present)[place % len(present)] for place in step.deleted}
        gone |= {seen[-1]} & present if step.delete_last_seen else set()
        for code in gone:
            delete(house, shop, code)
        new = {start + suffix for suffix in step.inserted} - ever
        insert(house, shop, charge, sorted(new))
        present = present - gone | new
        ever |= new
        throughout -= gone
    assert token is None
    assert len(set(seen)) == len(seen)
    assert throughout <= set(seen) <= ever


def test_every_page_size_shows_the_same(house: House, shop: Shop) -> None:
    add_charge(house, shop, "T", TEN)
    codes = sorted(create(house, shop, ChargeId="T", VoucherCount=61).codes)
    chance = random.Random(3)
    for sizes in ([1], [7], [60], [61], [62], [1000], [chance.randint(1, 9) for _ in range(70)]):
        seen: list[str] = []
        token = None
        for size in sizes * 61:
            page = list_codes(house, shop, ListCodes("T", size, token))
            seen += [code for code, _ in page.vouchers]
            if (token := page.next_token) is None:
                break
        assert seen == codes


def test_a_token_can_be_used_again_later(house: House, shop: Shop) -> None:
    add_charge(house, shop, "T", TEN)
    insert(house, shop, "T", ["B", "D", "F", "H"])
    token = list_codes(house, shop, ListCodes("T", 2, None)).next_token

    def after() -> list[str]:
        return [code for code, _ in list_codes(house, shop, ListCodes("T", None, token)).vouchers]

    assert after() == after() == ["F", "H"]
    insert(house, shop, "T", ["A", "C", "E", "G"])
    assert after() == ["E", "F", "G", "H"]
    for code in ("D", "H", "F"):
        delete(house, shop, code)
    assert after() == ["E", "G"]
    for code in ("E", "G"):
        delete(house, shop, code)
    assert after() == []


def test_walks_while_others_insert_and_delete(house: House, shop: Shop) -> None:
    """Two writers and two readers at once; the readers must see what stays, once and in order."""
    add_charge(house, shop, "T", TEN)
    staying = [f"{number:03}-stays" for number in range(0, 200, 2)]
    insert(house, shop, "T", staying)
    done = threading.Event()
    trouble: list[BaseException] = []

    def write(which: int) -> None:
        chance = random.Random(which)
        try:
            for turn in range(15):
                codes = [f"{chance.randrange(200):03}-{which}-{turn}-{place}" for place in range(4)]
                insert(house, shop, "T", codes)
                for code in codes[: turn % 4]:
                    delete(house, shop, code)
        except BaseException as error:
            trouble.append(error)

    def read(size: int) -> None:
        try:
            last_round = False
            while not last_round:
                last_round = done.is_set()
                seen: list[str] = []
                token = None
                while not seen or token:
                    page = list_codes(house, shop, ListCodes("T", size, token))
                    seen += [code for code, _ in page.vouchers]
                    token = page.next_token
                assert seen == sorted(set(seen))
                assert set(staying) <= set(seen)
        except BaseException as error:
            trouble.append(error)

    writers = [threading.Thread(target=write, args=(which,)) for which in (1, 2)]
    readers = [threading.Thread(target=read, args=(size,)) for size in (7, 31)]
    for thread in (*writers, *readers):
        thread.start()
    for thread in writers:
        thread.join()
    done.set()
    for thread in readers:
        thread.join()
    assert trouble == []
