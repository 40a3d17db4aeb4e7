"""Every refusal of CreateVouchers: its code, its field, its turn among the others, and that nothing changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from itertools import combinations

import pytest

from soap_service.domain.faults import VoucherFault
from soap_service.domain.requests import read_create_vouchers
from soap_service.domain.shops import Shop
from soap_service.domain.terms import Terms
from soap_service.operations.create_vouchers import CreatedVouchers, create_vouchers
from soap_service.operations.house import House
from tests.support.books import assert_books_balance
from tests.support.checks import outcome, refused, unchanged
from tests.support.factories import add_charge, add_pool, create

Texts = dict[str, str | None]
Call = Callable[[Texts], CreatedVouchers]

TEMPLATE = Terms(currency="EUR", amount=Decimal("10.00"))
GOOD: Texts = {"ChargeId": "TestCharge", "VoucherCount": "2"}
REGISTRATION: Texts = {"SubscribeVoucher": "true", "SubscribeSubshopID": "B2c"}
POOL: Texts = {"Pool": "true", "ChargeId": "Pool"}
NEW: Texts = {"CreateCharge": "true", "ChargeId": "Neu", "Amount": "10"}


@pytest.fixture
def house(house: House, shop: Shop) -> Iterator[House]:
    """A house with a charge of every kind; at the end of every test its books must balance."""
    add_charge(house, shop, "TestCharge", TEMPLATE)
    add_charge(house, shop, "NoTemplate")
    add_charge(house, shop, "NoAmount", replace(TEMPLATE, amount=None))
    add_charge(house, shop, "Percent", replace(TEMPLATE, amount_type=1, max_discount_value=Decimal("5.00")))
    add_charge(house, shop, "Season", replace(TEMPLATE, valid_from_days=10, valid_until_days=20))
    add_charge(house, shop, "Anmeldung", TEMPLATE, subscribe_subshop="B2c")
    add_charge(house, shop, "Pool", TEMPLATE)
    add_pool(house, shop, "Pool", ["A1", "A2", "A3"], TEMPLATE)
    add_pool(house, shop, "Pool", ["B1", "B2"], replace(TEMPLATE, subshops=("B2B",)))
    add_charge(house, shop, "EmptyPool")
    create(house, shop, ChargeId="TestCharge", VoucherCount=3)
    create(house, shop, ChargeId="Made", VoucherCount=3, CreateCharge=True, Amount=10)
    create(house, shop, ChargeId="Pool", VoucherCount=1, Pool=True)
    yield house
    assert_books_balance(house.store)


@pytest.fixture(params=["alone", "in a transaction"])
def call(request: pytest.FixtureRequest, house: House, shop: Shop) -> Call:
    def with_texts(texts: Texts) -> CreatedVouchers:
        asked = read_create_vouchers(texts)
        if request.param == "alone":
            return create_vouchers(house, shop, asked)
        with house.store.write() as transaction:
            return create_vouchers(house, shop, asked, transaction)

    return with_texts


# code, field, what the request says besides GOOD
REFUSALS: list[tuple[str, str | None, Texts]] = [
    ("ES009", "VoucherCount", {"VoucherCount": None}),
    ("ES009", "VoucherCount", {"VoucherCount": " "}),
    ("ES009", "ChargeId", {"ChargeId": ""}),
    ("ES009", "SubscribeSubshopID", {"SubscribeVoucher": "true"}),
    ("ES009", "Amount", {"ChargeId": "NoAmount"}),
    ("ES009", "Amount", {**NEW, "Amount": None}),
    ("ES009", "Amount", {"AmountMultiCurrency": ""}),
    ("ES009", "CatProdFilter", {"AmountType": "2"}),
    ("ES009", "CatProdFilter", {**NEW, "AmountType": "2"}),
    ("ES012", "VoucherCount", {"VoucherCount": "zwei"}),
    ("ES012", "CreateCharge", {"CreateCharge": "ja"}),
    ("ES012", "Pool", {"Pool": "TRUE"}),
    ("ES012", "SubscribeVoucher", {"SubscribeVoucher": "yes"}),
    ("ES012", "Amount", {"Amount": "10,00"}),
    ("ES012", "AmountMultiCurrency", {"AmountMultiCurrency": "10 EUR"}),
    ("ES012", "ValidUntil", {"ValidUntil": "31.12.2026"}),
    ("ES012", "CustomerFilter", {"CustomerFilter": "4711"}),
    ("ES017", "VoucherCount", {"VoucherCount": "1001"}),
    ("ES017", "VoucherCount", {"VoucherCount": "1e60"}),
    ("ES021", "VoucherCount", {"VoucherCount": "0"}),
    ("ES021", "VoucherCount", {"VoucherCount": "-1"}),
    ("ES021", "Amount", {"Amount": "0"}),
    ("ES021", "Amount", {"Amount": "10.005"}),
    ("ES021", "Amount", {"Amount": "101", "AmountType": "1"}),
    ("ES021", "Amount", {"Amount": "101", "ChargeId": "Percent"}),
    ("ES021", "Amount", {"Amount": "1", "AmountMultiCurrency": "EUR:1"}),
    ("ES021", "AmountType", {"AmountType": "3"}),
    ("ES021", "Currency", {"Currency": "eur"}),
    ("ES021", "MinOrderValue", {"MinOrderValue": "-1"}),
    ("ES021", "MaxDiscountValue", {"MaxDiscountValue": "5"}),
    ("ES021", "MaxDiscountValue", {**NEW, "MaxDiscountValue": "5"}),
    ("ES021", "Subshop", {"Subshop": "B2c,B2X"}),
    ("ES021", "Type", {"Type": "8"}),
    ("ES021", "Type2", {"Type2": "0"}),
    ("ES021", "ValidUntil", {"ValidFrom": "2026-12-02", "ValidUntil": "2026-12-01"}),
    ("ES021", "ValidUntil", {"ValidFrom": "2026-07-06", "ChargeId": "Season"}),
    ("ES021", "ValidUntil", {"ValidUntil": "2026-06-24", "ChargeId": "Season"}),
    ("ES021", "VATIndex", {"VATIndex": "3"}),
    ("ES021", "CustomerFilter", {"CustomerFilter": "<i>1</i><n>1</n>"}),
    ("ES021", "CatProdFilterSetBehavior", {"CatProdFilterSetBehavior": "2"}),
    ("ES021", "SubShopValidity", {**POOL, "SubShopValidity": "B2X"}),
    ("ES021", "ChargeId", {**NEW, "ChargeId": "x" * 256}),
    ("ES021", "ChargeDescr", {**NEW, "ChargeDescr": "x" * 4001}),
    ("ES021", "ChargeLabel", {"ChargeLabel": "x" * 256}),
    ("ES023", "Pool", {**POOL, "CreateCharge": "true"}),
    ("ES023", "Pool", {**POOL, **REGISTRATION}),
    ("ES018", None, {**NEW, "ChargeId": "TestCharge"}),
    ("ES018", None, {**NEW, "ChargeId": "Made"}),
    ("ES019", None, {"ChargeId": "Nobody"}),
    ("ES019", None, {"ChargeId": "testcharge"}),
    ("ES019", None, {**POOL, "ChargeId": "Nobody"}),
    ("ES020", None, {"ChargeId": "NoTemplate"}),
    ("ES020", None, {"ChargeId": "Made"}),
    ("ES022", None, {**REGISTRATION, "SubscribeSubshopID": "B2B"}),
    ("ES022", None, {**REGISTRATION, "SubscribeSubshopID": "Nobody"}),
    ("ES024", None, {**POOL, "VoucherCount": "3"}),
    ("ES024", None, {**POOL, "VoucherCount": "1000"}),
    ("ES024", None, {**POOL, "ChargeId": "EmptyPool", "VoucherCount": "1"}),
    ("ES024", None, {**POOL, "ChargeId": "TestCharge", "VoucherCount": "1"}),
    ("ES024", None, {**POOL, "SubShopValidity": "B2c", "VoucherCount": "3"}),
    ("ES021", "Amount", {**POOL, "AmountType": "1", "Amount": "101"}),
    ("ES009", "CatProdFilter", {**POOL, "AmountType": "2"}),
]


def test_every_refusal_leaves_the_store_as_it_was(house: House, call: Call) -> None:
    for code, field, texts in REFUSALS:
        with unchanged(house.store):
            found = outcome(lambda texts=texts: call(GOOD | texts))
        assert isinstance(found, VoucherFault), texts
        assert (found.code, found.field) == (code, field), texts
    call(GOOD)


def test_the_fault_of_a_pool_tells_how_many_were_asked_for(call: Call) -> None:
    found = outcome(lambda: call({**POOL, "VoucherCount": "25"}))
    assert found.text == "ES024 Ungenügende Zahl von Gutscheinen im Pool (25)"


def test_the_refused_call_is_right_as_soon_as_it_is_mended(house: House, call: Call) -> None:
    texts: Texts = {**GOOD, "ChargeId": None, "Amount": "ten", "VoucherCount": "1001", "Type": "9", "Pool": "ja"}
    steps: list[tuple[str, str | None, Texts]] = [
        ("ES009", "ChargeId", {"ChargeId": "NoTemplate"}),
        ("ES012", "Pool", {"Pool": "true", "CreateCharge": "true"}),
        ("ES012", "Amount", {"Amount": "1"}),
        ("ES021", "Type", {"Type": "3"}),
        ("ES017", "VoucherCount", {"VoucherCount": "1"}),
        ("ES023", "Pool", {"Pool": "false"}),
        ("ES018", None, {"CreateCharge": "false"}),
        ("ES020", None, {"ChargeId": "TestCharge"}),
    ]
    with unchanged(house.store):
        for code, field, mended in steps:
            with refused(code, field):
                call(texts)
            texts |= mended
    assert call(texts).terms.amount == Decimal("1.00")


# --- a request wrong in two ways ---------------------------------------------------------------------------

STAGES = {"ES009": 1, "ES012": 2, "ES021": 3, "ES017": 3, "ES023": 4}  # the store's own faults come behind these
DEFECTS: dict[str, tuple[str, Texts]] = {
    "no VoucherCount": ("ES009", {"VoucherCount": None}),
    "no ChargeId": ("ES009", {"ChargeId": ""}),
    "no SubscribeSubshopID": ("ES009", {"SubscribeVoucher": "true", "SubscribeSubshopID": "$ChargeVal$"}),
    "count is a word": ("ES012", {"VoucherCount": "zwei"}),
    "amount is a word": ("ES012", {"Amount": "ten"}),
    "flag is a word": ("ES012", {"Pool": "ja"}),
    "date is German": ("ES012", {"ValidUntil": "31.12.2026"}),
    "filter is bare": ("ES012", {"CatProdFilter": "4711"}),
    "too many": ("ES017", {"VoucherCount": "1001"}),
    "too few": ("ES021", {"VoucherCount": "0"}),
    "amount is nothing": ("ES021", {"Amount": "0"}),
    "unknown subshop": ("ES021", {"Subshop": "B2X"}),
    "unknown validity": ("ES021", {"SubShopValidity": "B2X"}),
    "ends before it begins": ("ES021", {"ValidFrom": "2026-12-02", "ValidUntil": "2026-12-01"}),
    "two order values": ("ES021", {"MinOrderValue": "1", "MinOrderValueMultiCurrency": "EUR:1"}),
    "maximum of no percentage": ("ES021", {"AmountType": "0", "MaxDiscountValue": "1"}),
    "pool and new charge": ("ES023", {"Pool": "true", "CreateCharge": "true"}),
    "pool and registration": ("ES023", {"Pool": "true", **REGISTRATION}),
    "charge exists": ("ES018", {"CreateCharge": "true", "ChargeId": "TestCharge", "Amount": "1"}),
    "charge unknown": ("ES019", {"ChargeId": "Nobody"}),
    "no template": ("ES020", {"ChargeId": "NoTemplate"}),
    "no registration voucher": ("ES022", {"SubscribeVoucher": "true", "SubscribeSubshopID": "B2B"}),
    "pool too small": ("ES024", {"Pool": "true", "ChargeId": "EmptyPool"}),
}


def together(one: Texts, other: Texts) -> Texts | None:
    """Both defects in one request; None where they cannot be, or where one heals the other."""
    if any(one[name] != other[name] for name in one.keys() & other.keys()):
        return None
    both = one | other
    return None if "SubscribeVoucher" in both and both.get("ChargeId") == "" else both


def test_of_two_defects_the_first_in_order_is_told(house: House, call: Call) -> None:
    tried = 0
    with unchanged(house.store):
        for (one, (code, texts)), (other, (other_code, other_texts)) in combinations(DEFECTS.items(), 2):
            both = together(texts, other_texts)
            if both is None:
                continue
            codes = {code, other_code}
            if both.get("Pool") == "true" and "true" in (both.get("CreateCharge"), both.get("SubscribeVoucher")):
                codes.add("ES023")
            first = min(STAGES.get(code, 5) for code in codes)
            found = outcome(lambda texts=both: call(GOOD | texts))
            assert isinstance(found, VoucherFault), (one, other)
            assert found.code in {code for code in codes if STAGES.get(code, 5) == first}, (one, other)
            tried += 1
    assert tried > 200
