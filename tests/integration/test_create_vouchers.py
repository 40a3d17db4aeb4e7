"""CreateVouchers from templates, registration vouchers and with new charges: what it makes, on both databases.

Every test runs twice on each: with a transaction of the operation's own, and inside one that somebody else
owns, as calls with an Idempotency-Key do.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from soap_service.domain.kinds import BY_TYPE
from soap_service.domain.requests import ChargeInfo, ListCodes, read_create_vouchers
from soap_service.domain.shops import Shop
from soap_service.domain.terms import Terms
from soap_service.operations.charge_info import ChargeFacts, charge_info
from soap_service.operations.create_vouchers import CreatedVouchers, create_vouchers
from soap_service.operations.house import House
from soap_service.operations.list_codes import list_codes
from soap_service.store import charges, shops, vouchers
from soap_service.store.vouchers import CodesExhausted
from tests.support.books import assert_books_balance
from tests.support.checks import contents, refused, unchanged
from tests.support.factories import FakeClock, add_charge

Call = Callable[..., CreatedVouchers]

TEMPLATE = Terms(currency="EUR", amount=Decimal("10.00"), subshops=("B2c", "B2B"))
REGISTRATION = Terms(currency="EUR", amount=Decimal("5.00"), valid_until_days=30)
FORM = re.compile(r"[2-9A-HJ-NP-Z]{4}(-[2-9A-HJ-NP-Z]{4}){3}")


@pytest.fixture(params=["alone", "in a transaction"])
def call(request: pytest.FixtureRequest) -> Call:
    def create(house: House, shop: Shop, **texts: str | None) -> CreatedVouchers:
        asked = read_create_vouchers(texts)
        if request.param == "alone":
            return create_vouchers(house, shop, asked)
        with house.store.write() as transaction:
            return create_vouchers(house, shop, asked, transaction)

    return create


@pytest.fixture
def house(house: House) -> Iterator[House]:
    """The house; at the end of every test its books must balance."""
    yield house
    assert_books_balance(house.store)


def listed(house: House, shop: Shop, name: str) -> dict[str, Terms]:
    page = list_codes(house, shop, ListCodes(name, None, None))
    return {code: page.terms[terms_id] for code, terms_id in page.vouchers}


# --- from a template ---------------------------------------------------------------------------------------


def test_vouchers_have_the_terms_of_the_template(house: House, shop: Shop, call: Call, clock: FakeClock) -> None:
    charge = add_charge(house, shop, "TestCharge", TEMPLATE)
    before = contents(house.store)
    made = call(house, shop, ChargeId="TestCharge", VoucherCount="2")
    assert made.terms == TEMPLATE
    assert len(set(made.codes)) == 2
    assert all(FORM.fullmatch(code) for code in made.codes)
    assert listed(house, shop, "TestCharge") == dict.fromkeys(made.codes, TEMPLATE)
    assert charge_info(house, shop, ChargeInfo("TestCharge")) == ChargeFacts(2, True)
    with house.store.read() as connection:
        for code in made.codes:
            found = vouchers.find(connection, shop.shop_id, code)
            assert found is not None
            assert (found.charge_id, found.terms_id, found.created_at) == (
                charge.charge_id,
                charge.terms_id,
                clock(),
            )
    after = contents(house.store)
    assert {name for name in after if after[name] != before[name]} == {"voucher", "charge_count"}


@pytest.mark.parametrize("count", [1, 1000])
def test_the_least_and_the_most_vouchers(house: House, shop: Shop, call: Call, count: int) -> None:
    add_charge(house, shop, "TestCharge", TEMPLATE)
    assert len(set(call(house, shop, ChargeId="TestCharge", VoucherCount=str(count)).codes)) == count
    assert len(set(call(house, shop, ChargeId="TestCharge", VoucherCount=f" +{count}.0\n").codes)) == count
    assert charge_info(house, shop, ChargeInfo("TestCharge")).voucher_count == 2 * count


def test_everything_that_is_said_is_kept(house: House, shop: Shop, call: Call) -> None:
    add_charge(house, shop, "TestCharge", TEMPLATE)
    said = {
        "Amount": "12.345678e1",
        "AmountType": "0",
        "Currency": "CHF",
        "MinOrderValueMultiCurrency": "CHF=50,EUR=45.5",
        "Subshop": "",
        "Type": "4",
        "Type2": "2",
        "ValidFrom": "2026-12-01",
        "ValidUntil": "2027-01-31",
        "VATIndex": "2",
        "CustomerFilter": "<n>4711 &amp; Söhne</n><n>4712</n>",
        "CatProdFilterSetBehavior": "1",
        "CatProdFilter": "<ci>543</ci>\n<pn>abc &lt;1&gt;</pn>",
        "ChargeDescr": "wird hier nicht gebraucht",
        "ChargeLabel": 'Herbst, "2026"',
        "CreateCharge": "false",
        "Pool": "0",
        "SubscribeVoucher": "false",
        "SubscribeSubshopID": "gibt es nicht",
        "MsgID": "123",
    }
    with refused("ES021", "Amount"):
        call(house, shop, ChargeId="TestCharge", VoucherCount="3", **said)
    made = call(house, shop, ChargeId="TestCharge", VoucherCount="3", **said | {"Amount": "12.345e1"})
    assert made.terms == Terms(
        currency="CHF",
        amount=Decimal("123.45"),
        min_order_values=(("CHF", Decimal("50.00")), ("EUR", Decimal("45.50"))),
        kind=BY_TYPE[4],
        type2=2,
        valid_from=date(2026, 12, 1),
        valid_until=date(2027, 1, 31),
        vat_index=2,
        customer_filter=(("n", "4711 & Söhne"), ("n", "4712")),
        cat_prod_filter_set_behavior=1,
        cat_prod_filter=(("ci", "543"), ("pn", "abc <1>")),
        labels=('Herbst, "2026"',),
    )
    assert listed(house, shop, "TestCharge") == dict.fromkeys(made.codes, made.terms)
    assert call(house, shop, ChargeId="TestCharge", VoucherCount="1").terms == TEMPLATE


def test_sentinels_stand_for_the_template(house: House, shop: Shop, call: Call) -> None:
    template = replace(TEMPLATE, min_order_value=Decimal("20.00"), customer_filter=(("i", "1"),), vat_index=1)
    add_charge(house, shop, "TestCharge", template)
    for number in ("-999999999", "-1000000000", "-1E+09", "-3.4028235E+38"):
        texts = dict.fromkeys(("Currency", "Subshop", "ValidFrom", "CustomerFilter", "ChargeLabel"), "$ChargeVal$")
        texts |= dict.fromkeys(
            ("AmountType", "Type", "Type2", "VATIndex", "CatProdFilterSetBehavior"), "-999999999"
        )
        texts |= dict.fromkeys(("Amount", "MinOrderValue", "MaxDiscountValue"), number)
        assert call(house, shop, ChargeId="TestCharge", VoucherCount="1", **texts).terms == template


@pytest.mark.parametrize(
    ("now", "time_zone", "start", "end"),
    [
        ("2026-06-15T21:59:59", "Europe/Berlin", "2026-06-15", "2026-07-15"),
        ("2026-06-15T22:00:00", "Europe/Berlin", "2026-06-16", "2026-07-16"),
        ("2026-06-15T22:00:00", "UTC", "2026-06-15", "2026-07-15"),
        ("2026-12-31T23:00:00", "Europe/Berlin", "2027-01-01", "2027-01-31"),
        ("2028-01-29T23:30:00", "Europe/Berlin", "2028-01-30", "2028-02-29"),
        ("2026-02-27T23:30:00", "Europe/Berlin", "2026-02-28", "2026-03-30"),
        ("2026-10-25T22:59:59", "Europe/Berlin", "2026-10-25", "2026-11-24"),
    ],
)
def test_relative_dates_count_from_the_shops_today(
    house: House, shop: Shop, clock: FakeClock, now: str, time_zone: str, start: str, end: str
) -> None:
    shop = replace(shop, time_zone=time_zone)
    add_charge(house, shop, "TestCharge", replace(TEMPLATE, valid_from_days=0, valid_until_days=30))
    clock.set(datetime.fromisoformat(now).replace(tzinfo=UTC))
    made = create_vouchers(house, shop, read_create_vouchers({"ChargeId": "TestCharge", "VoucherCount": "1"}))
    assert (made.terms.valid_from, made.terms.valid_until) == (date.fromisoformat(start), date.fromisoformat(end))
    assert listed(house, shop, "TestCharge") == {made.codes[0]: made.terms}


def test_the_day_after_vouchers_have_other_terms(house: House, shop: Shop, call: Call, clock: FakeClock) -> None:
    add_charge(house, shop, "TestCharge", replace(TEMPLATE, valid_until_days=1))
    days = []
    for _ in range(3):
        days.append(call(house, shop, ChargeId="TestCharge", VoucherCount="1").terms.valid_until)
        clock.advance(hours=12)
    assert days == [date(2026, 6, 16), date(2026, 6, 17), date(2026, 6, 17)]
    assert sorted(terms.valid_until or date.min for terms in listed(house, shop, "TestCharge").values()) == days


# --- registration vouchers ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "charge", [{}, {"ChargeId": ""}, {"ChargeId": "Nobody"}, {"ChargeId": "x" * 300}, {"CreateCharge": "true"}]
)
def test_a_registration_needs_the_subshop_and_ignores_the_charge(
    house: House, shop: Shop, call: Call, charge: dict[str, str]
) -> None:
    add_charge(house, shop, "Anmeldung", REGISTRATION, subscribe_subshop="B2c")
    add_charge(
        house, shop, "Anmeldung B2B", replace(REGISTRATION, amount=Decimal("6.00")), subscribe_subshop="B2B"
    )
    made = call(house, shop, VoucherCount="2", SubscribeVoucher="true", SubscribeSubshopID="B2c", **charge)
    assert made.terms == replace(REGISTRATION, valid_until_days=None, valid_until=date(2026, 7, 15))
    assert listed(house, shop, "Anmeldung") == dict.fromkeys(made.codes, made.terms)
    assert charge_info(house, shop, ChargeInfo("Anmeldung B2B")).voucher_count == 0


def test_a_registration_voucher_can_be_used_as_a_charge_too(house: House, shop: Shop, call: Call) -> None:
    add_charge(house, shop, "Anmeldung", REGISTRATION, subscribe_subshop="B2c")
    assert call(house, shop, ChargeId="Anmeldung", VoucherCount="1").terms.amount == Decimal("5.00")


# --- new charges -------------------------------------------------------------------------------------------


def test_a_new_charge_has_its_terms_and_no_template(
    house: House, shop: Shop, call: Call, clock: FakeClock
) -> None:
    new = {"ChargeId": "Neu", "CreateCharge": "true", "Amount": "7.5", "ChargeDescr": "Zum Fest", "Subshop": "B2c"}
    made = call(house, shop, VoucherCount="4", **new)
    assert made.terms == Terms(currency="EUR", amount=Decimal("7.50"), subshops=("B2c",))
    assert listed(house, shop, "Neu") == dict.fromkeys(made.codes, made.terms)
    assert charge_info(house, shop, ChargeInfo("Neu")) == ChargeFacts(4, False)
    with house.store.read() as connection:
        charge = charges.find(connection, shop.shop_id, "Neu")
    assert charge is not None
    assert (charge.description, charge.created_at, charge.subscribe_subshop) == ("Zum Fest", clock(), None)
    with unchanged(house.store):
        with refused("ES018"):
            call(house, shop, VoucherCount="4", **new)
        with refused("ES020"):
            call(house, shop, VoucherCount="4", **new | {"CreateCharge": "false"})
        with refused("ES020"):
            call(house, shop, VoucherCount="4", ChargeId="Neu")


def test_a_new_charge_takes_nothing_from_others(house: House, shop: Shop, call: Call) -> None:
    add_charge(house, shop, "TestCharge", TEMPLATE)
    made = call(house, shop, ChargeId="testcharge", CreateCharge="1", VoucherCount="1", Amount="1", Currency="")
    assert made.terms == Terms(currency="EUR", amount=Decimal("1.00"))
    with unchanged(house.store), refused("ES009", "Amount"):
        call(house, shop, ChargeId="Other", CreateCharge="1", VoucherCount="1", Amount="-999999999")


def test_each_shop_has_its_own_names(house: House, shop: Shop, call: Call) -> None:
    other = _add_shop(house, "OtherShop", "Europe/Zurich", "CHF")
    add_charge(house, shop, "Neu", TEMPLATE)
    made = call(house, other, ChargeId="Neu", CreateCharge="true", VoucherCount="1", Amount="1")
    assert made.terms.currency == "CHF"
    assert charge_info(house, shop, ChargeInfo("Neu")) == ChargeFacts(0, True)
    assert charge_info(house, other, ChargeInfo("Neu")) == ChargeFacts(1, False)
    with refused("ES019"):
        call(house, other, ChargeId="TestCharge", VoucherCount="1")


def test_the_name_of_a_deleted_charge_is_free(house: House, shop: Shop, call: Call) -> None:
    old = add_charge(house, shop, "Neu", TEMPLATE)
    codes = call(house, shop, ChargeId="Neu", VoucherCount="2").codes
    with house.store.write() as transaction:
        charges.change(transaction, shop.shop_id, old.charge_id, deleted_at=house.clock())
    with refused("ES019"):
        call(house, shop, ChargeId="Neu", VoucherCount="1")
    again = call(house, shop, ChargeId="Neu", CreateCharge="true", VoucherCount="1", Amount="1")
    assert set(listed(house, shop, "Neu")) == set(again.codes)
    assert not set(again.codes) & set(codes)


@pytest.mark.parametrize(
    "name", ["ä€😀 <&>\"'", " mit Rand ", "x" * 255, "$chargeval$", "'; DROP TABLE voucher; --"]
)
def test_any_text_can_be_a_name(house: House, shop: Shop, call: Call, name: str) -> None:
    made = call(house, shop, ChargeId=name, CreateCharge="true", VoucherCount="1", Amount="1")
    assert list(listed(house, shop, name)) == made.codes


# --- codes -------------------------------------------------------------------------------------------------


def test_codes_that_are_taken_are_drawn_anew(house: House, shop: Shop, call: Call) -> None:
    add_charge(house, shop, "TestCharge", TEMPLATE)
    chance = random.Random(11)
    space = [f"{number:02}" for number in range(80)]
    house = replace(house, make_codes=lambda count: chance.sample(space, count))
    codes = [code for _ in range(6) for code in call(house, shop, ChargeId="TestCharge", VoucherCount="8").codes]
    new = call(house, shop, ChargeId="Neu", VoucherCount="8", CreateCharge="true", Amount="1").codes
    assert len({*codes, *new}) == 56
    assert set(listed(house, shop, "TestCharge")) == set(codes)
    assert set(listed(house, shop, "Neu")) == set(new)


@pytest.mark.parametrize(
    "new", [{}, {"CreateCharge": "true", "ChargeId": "Neu", "Amount": "10", "Subshop": "B2c,B2B"}]
)
def test_when_codes_run_out_nothing_is_kept(house: House, shop: Shop, call: Call, new: dict[str, str]) -> None:
    add_charge(house, shop, "TestCharge", TEMPLATE)
    house = replace(house, make_codes=lambda count: ["A", "B", "C"][:count])
    assert sorted(call(house, shop, ChargeId="TestCharge", VoucherCount="2").codes) == ["A", "B"]
    with unchanged(house.store), pytest.raises(CodesExhausted):
        call(house, shop, **{"ChargeId": "TestCharge", "VoucherCount": "2"} | new)
    assert call(
        replace(house, make_codes=lambda _: ["D"]), shop, ChargeId="TestCharge", VoucherCount="1"
    ).codes == ["D"]


def _add_shop(house: House, name: str, time_zone: str, currency: str) -> Shop:
    settings = {"currency": currency, "time_zone": time_zone, "subshops": ("B2c", "B2B"), "vat_ids": (1, 2)}
    with house.store.write() as transaction:
        assert shops.add(transaction, settings | {"name": name}, "no hash", house.clock())
        record = shops.find(transaction, name)
    assert record is not None
    return record.shop
