"""The operations that look, on both databases."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from soap_service.domain.requests import ChargeInfo, ListCharges, ListCodes, PoolInfo
from soap_service.domain.shops import Shop
from soap_service.domain.terms import Terms
from soap_service.operations.charge_info import ChargeFacts, charge_info
from soap_service.operations.house import House
from soap_service.operations.list_charges import ListedCharge, list_charges
from soap_service.operations.list_codes import CodesPage, list_codes
from soap_service.operations.pool_info import pool_info
from soap_service.store import charges, shops, vouchers
from tests.support.checks import refused, unchanged
from tests.support.factories import add_charge, add_pool, create

TEN = Terms(currency="EUR", amount=Decimal("10.00"))
FIVE = Terms(currency="EUR", amount=Decimal("5.00"))


@pytest.fixture
def other_shop(house: House, shop: Shop) -> Shop:
    """A second shop with the same password, which has charges of the same names."""
    with house.store.write() as transaction:
        settings = {
            "name": "OtherShop",
            "currency": "CHF",
            "time_zone": "UTC",
            "subshops": ("B2c",),
            "vat_ids": (),
        }
        assert shops.add(transaction, settings, house.passwords.hash("geheim"), house.clock())
        record = shops.find(transaction, "OtherShop")
    assert record is not None
    return record.shop


# --- list charges ------------------------------------------------------------------------------------------


def test_no_charges(house: House, shop: Shop, other_shop: Shop) -> None:
    add_charge(house, other_shop, "Fremd", TEN)
    assert list_charges(house, shop, ListCharges(None)) == []
    assert list_charges(house, shop, ListCharges("all")) == []


def test_charges_are_listed_by_name_with_or_without_a_template(house: House, shop: Shop, other_shop: Shop) -> None:
    add_charge(house, shop, "b", FIVE)
    add_charge(house, shop, "Ä", TEN)
    add_charge(house, shop, "B", subscribe_subshop=None)
    add_charge(house, shop, "Anmeldung", FIVE, subscribe_subshop="B2c")
    add_charge(house, other_shop, "Fremd", TEN)
    create(house, shop, ChargeId="Neu", VoucherCount=1, CreateCharge=True, Amount=7)
    with unchanged(house.store):
        templates = list_charges(house, shop, ListCharges("template"))
        everything = list_charges(house, shop, ListCharges("all"))
    assert templates == [
        ListedCharge("Anmeldung", "B2c", FIVE),
        ListedCharge("b", None, FIVE),
        ListedCharge("Ä", None, TEN),
    ]
    assert everything == [
        ListedCharge("Anmeldung", "B2c", FIVE),
        ListedCharge("B", None, None),
        ListedCharge("Neu", None, replace(TEN, amount=Decimal("7.00"))),
        ListedCharge("b", None, FIVE),
        ListedCharge("Ä", None, TEN),
    ]
    assert list_charges(house, shop, ListCharges(None)) == templates


def test_a_template_is_listed_with_its_relative_dates(house: House, shop: Shop) -> None:
    template = replace(TEN, valid_from_days=0, valid_until_days=30)
    add_charge(house, shop, "T", template)
    assert list_charges(house, shop, ListCharges(None)) == [ListedCharge("T", None, template)]


def test_deleted_charges_are_not_listed(house: House, shop: Shop) -> None:
    charge = add_charge(house, shop, "T", TEN)
    with house.store.write() as transaction:
        charges.change(transaction, shop.shop_id, charge.charge_id, deleted_at=house.clock())
    assert list_charges(house, shop, ListCharges("all")) == []


def test_charge_types_of_lists(house: House, shop: Shop) -> None:
    with refused("ES021", "ChargeType"):
        list_charges(house, shop, ListCharges("every"))


# --- charge info -------------------------------------------------------------------------------------------


def test_charge_info_counts_issued_vouchers(house: House, shop: Shop, other_shop: Shop) -> None:
    add_charge(house, shop, "T", TEN)
    add_charge(house, shop, "Pool")
    add_charge(house, other_shop, "T")
    add_pool(house, shop, "Pool", ["P1", "P2", "P3"], TEN)
    assert charge_info(house, shop, ChargeInfo("T")) == ChargeFacts(0, True)
    create(house, shop, ChargeId="T", VoucherCount=3)
    create(house, shop, ChargeId="T", VoucherCount=1000)
    create(house, shop, ChargeId="Pool", VoucherCount=2, Pool=True)
    create(house, shop, ChargeId="Neu", VoucherCount=4, CreateCharge=True, Amount=7)
    with unchanged(house.store):
        assert charge_info(house, shop, ChargeInfo("T")) == ChargeFacts(1003, True)
        assert charge_info(house, shop, ChargeInfo("Pool")) == ChargeFacts(2, False)
        assert charge_info(house, shop, ChargeInfo("Neu")) == ChargeFacts(4, False)
        assert charge_info(house, other_shop, ChargeInfo("T")) == ChargeFacts(0, False)


def test_a_deleted_voucher_is_not_counted(house: House, shop: Shop) -> None:
    add_charge(house, shop, "T", TEN)
    codes = create(house, shop, ChargeId="T", VoucherCount=3).codes
    with house.store.write() as transaction:
        assert vouchers.delete(transaction, shop.shop_id, codes[1])
    assert charge_info(house, shop, ChargeInfo("T")) == ChargeFacts(2, True)
    listed = list_codes(house, shop, ListCodes("T", None, None))
    assert [code for code, _ in listed.vouchers] == sorted({codes[0], codes[2]})


def test_unknown_charges(house: House, shop: Shop, other_shop: Shop) -> None:
    add_charge(house, shop, "T", TEN)
    add_charge(house, other_shop, "Fremd", TEN)
    for name in ("Nobody", "t", "T ", "Fremd"):
        with refused("ES028"):
            charge_info(house, shop, ChargeInfo(name))
        with refused("ES028"):
            pool_info(house, shop, PoolInfo(name, None, None))
        with refused("ES028"):
            list_codes(house, shop, ListCodes(name, None, None))
        with refused("ES028"):
            list_codes(house, shop, ListCodes(name, None, "no token"))


# --- pool info ---------------------------------------------------------------------------------------------


def test_pool_info_counts_what_is_left_to_draw(house: House, shop: Shop) -> None:
    add_charge(house, shop, "Pool")

    def left(subshop: str | None = None) -> int:
        return pool_info(house, shop, PoolInfo("Pool", "all", subshop))

    assert left() == 0
    add_pool(house, shop, "Pool", [f"A{n}" for n in range(15)], TEN)
    add_pool(house, shop, "Pool", [f"B{n}" for n in range(10)], replace(TEN, subshops=("B2B",)))
    add_pool(house, shop, "Pool", [f"C{n}" for n in range(4)], replace(TEN, subshops=("B2c", "B2B")))
    with unchanged(house.store):
        assert (left(), left("B2B"), left("B2c")) == (29, 29, 19)
    create(house, shop, ChargeId="Pool", VoucherCount=15, Pool=True)
    assert (left(), left("B2B"), left("B2c")) == (14, 14, 4)
    create(house, shop, ChargeId="Pool", VoucherCount=3, Pool=True, SubShopValidity="B2c")
    assert (left(), left("B2B"), left("B2c")) == (11, 11, 1)


def test_a_charge_without_a_pool_has_nothing_to_draw(house: House, shop: Shop) -> None:
    add_charge(house, shop, "T", TEN)
    create(house, shop, ChargeId="T", VoucherCount=3)
    assert pool_info(house, shop, PoolInfo("T", None, None)) == 0


def test_values_of_pool_info_come_before_its_charge(house: House, shop: Shop) -> None:
    for charge_type, subshop, field in (
        ("every", None, "ChargeType"),
        (None, "b2c", "SubShopValidity"),
        ("all", "B2c,B2B", "SubShopValidity"),
    ):
        with refused("ES021", field):
            pool_info(house, shop, PoolInfo("Nobody", charge_type, subshop))


# --- list codes --------------------------------------------------------------------------------------------


def test_a_page_holds_codes_terms_and_where_to_go_on(house: House, shop: Shop) -> None:
    add_charge(house, shop, "T", TEN)
    made = create(house, shop, ChargeId="T", VoucherCount=3).codes
    made += create(house, shop, ChargeId="T", VoucherCount=2, Amount=5).codes
    with unchanged(house.store):
        page = list_codes(house, shop, ListCodes("T", None, None))
    assert [code for code, _ in page.vouchers] == sorted(made)
    assert page.next_token is None
    assert {code: page.terms[terms_id] for code, terms_id in page.vouchers} == dict.fromkeys(
        made[:3], TEN
    ) | dict.fromkeys(made[3:], FIVE)


def walk(house: House, shop: Shop, name: str, size: int) -> list[CodesPage]:
    pages = [list_codes(house, shop, ListCodes(name, size, None))]
    while token := pages[-1].next_token:
        pages.append(list_codes(house, shop, ListCodes(name, size, token)))
    return pages


def test_the_last_page_is_the_one_without_a_token(house: House, shop: Shop) -> None:
    for made, size, lengths in (
        (0, 2, [0]),
        (1, 2, [1]),
        (2, 2, [2]),
        (5, 2, [2, 2, 1]),
        (4, 1, [1, 1, 1, 1]),
        (5, 0, [5]),
        (5, 5000, [5]),
    ):
        name = f"{made} by {size}"
        add_charge(house, shop, name, TEN)
        codes = create(house, shop, ChargeId=name, VoucherCount=made).codes if made else []
        pages = walk(house, shop, name, size)
        assert [len(page.vouchers) for page in pages] == lengths
        assert [code for page in pages for code, _ in page.vouchers] == sorted(codes)


def test_no_page_is_longer_than_1000(house: House, shop: Shop) -> None:
    create(house, shop, ChargeId="T", VoucherCount=1000, CreateCharge=True, Amount=1)
    add_charge(house, shop, "U", TEN)
    create(house, shop, ChargeId="U", VoucherCount=1000)
    create(replace(house, make_codes=lambda _: ["ZZZZ-last"]), shop, ChargeId="U", VoucherCount=1)
    for size in (None, 0, 1000, 1001, 10**9):
        assert list_codes(house, shop, ListCodes("T", size, None)).next_token is None
        page = list_codes(house, shop, ListCodes("U", size, None))
        assert len(page.vouchers) == 1000
        assert page.next_token is not None
        last = list_codes(house, shop, ListCodes("U", size, page.next_token))
        assert [code for code, _ in last.vouchers] == ["ZZZZ-last"]
        assert last.next_token is None


def test_drawn_stock_is_listed_and_undrawn_is_not(house: House, shop: Shop) -> None:
    add_charge(house, shop, "Pool")
    add_pool(house, shop, "Pool", ["P1", "P2", "P3"], TEN)
    assert list_codes(house, shop, ListCodes("Pool", None, None)) == CodesPage([], {}, None)
    create(house, shop, ChargeId="Pool", VoucherCount=2, Pool=True)
    assert [code for code, _ in list_codes(house, shop, ListCodes("Pool", None, None)).vouchers] == ["P1", "P2"]


def test_codes_are_sorted_by_their_bytes(house: House, shop: Shop) -> None:
    codes = ["a", "B", "Z", "z", "ä", "ß", "-", "1", "10", "2", "é", "\U0001f381", "Ａ"]
    house = replace(house, make_codes=lambda count: codes[:count])
    create(house, shop, ChargeId="T", VoucherCount=len(codes), CreateCharge=True, Amount=1)
    pages = walk(house, shop, "T", 2)
    assert [code for page in pages for code, _ in page.vouchers] == sorted(codes, key=str.encode)


@pytest.fixture
def token(house: House, shop: Shop) -> str:
    add_charge(house, shop, "T", TEN)
    create(house, shop, ChargeId="T", VoucherCount=3)
    page = list_codes(house, shop, ListCodes("T", 1, None))
    assert page.next_token is not None
    return page.next_token


def test_a_token_belongs_to_its_shop_and_charge(house: House, shop: Shop, other_shop: Shop, token: str) -> None:
    add_charge(house, shop, "U", TEN)
    add_charge(house, other_shop, "T", TEN)
    assert len(list_codes(house, shop, ListCodes("T", None, token)).vouchers) == 2
    for stranger, name in ((shop, "U"), (other_shop, "T")):
        with refused("ES030"):
            list_codes(house, stranger, ListCodes(name, None, token))


def test_a_token_of_a_deleted_charge_is_not_one_of_the_next_charge_of_that_name(
    house: House, shop: Shop, token: str
) -> None:
    with house.store.write() as transaction:
        charge = charges.find(transaction, shop.shop_id, "T")
        assert charge is not None
        charges.change(transaction, shop.shop_id, charge.charge_id, deleted_at=house.clock())
    add_charge(house, shop, "T", TEN)
    with refused("ES030"):
        list_codes(house, shop, ListCodes("T", None, token))


def test_a_token_survives_a_new_signing_key(house: House, shop: Shop, token: str) -> None:
    with house.store.write() as transaction:
        shops.add_signing_key(transaction, b"n" * 32, house.clock())
    page = list_codes(house, shop, ListCodes("T", 1, token))
    assert len(page.vouchers) == 1
    assert page.next_token is not None
    assert list_codes(house, shop, ListCodes("T", 1, page.next_token)).next_token is None


def test_refusals_of_list_codes(house: House, shop: Shop) -> None:
    add_charge(house, shop, "T", TEN)
    for name, size, text, code in (
        ("T", -1, "rubbish", "ES021"),
        ("Nobody", -1, "rubbish", "ES021"),
        ("T", None, "rubbish", "ES027"),
        ("T", None, "", "ES027"),
        ("T", None, "QUJD.QUJD", "ES030"),
    ):
        with refused(code):
            list_codes(house, shop, ListCodes(name, size, text))
