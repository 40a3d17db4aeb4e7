"""What the five operations are asked: required fields, formats, and what counts as not said."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from soap_service.domain.requests import (
    ChargeInfo,
    ChargeType,
    CreateVouchers,
    ListCharges,
    ListCodes,
    PoolInfo,
    Texts,
    check_charge_type,
    check_length,
    check_page_size,
    check_subshop,
    check_voucher_count,
    read_charge_info,
    read_create_vouchers,
    read_list_charges,
    read_list_codes,
    read_pool_info,
)
from soap_service.domain.shops import Shop
from tests.support.checks import refused

SHOP = Shop(1, "TestShop", "EUR", "Europe/Berlin", ("B2c", "B2B"), (1, 2))
NOT_SAID = [None, "", " ", "\n\t", "$ChargeVal$", " $ChargeVal$ "]
PLAIN: dict[str, str | None] = {"VoucherCount": "2", "ChargeId": "TestCharge"}
READ_LISTED: list[Callable[[Texts], Any]] = [read_list_codes, read_pool_info, read_charge_info]


def test_a_plain_create_vouchers() -> None:
    assert read_create_vouchers(PLAIN) == CreateVouchers(
        voucher_count=2,
        charge_name="TestCharge",
        create_charge=False,
        registration=False,
        registration_subshop=None,
        pool=False,
        subshop_validity=None,
        description=None,
        explicit={},
    )


def test_a_create_vouchers_that_says_everything() -> None:
    texts: dict[str, str | None] = {
        "ShopID": "TestShop",
        "Password": "geheim",
        "MsgID": "1",
        "VoucherCount": " 1E+2 ",
        "SubscribeVoucher": "1",
        "SubscribeSubshopID": "B2c",
        "ChargeId": " Mit Rand ",
        "CreateCharge": "true",
        "Pool": " 1\n",
        "SubShopValidity": "B2B",
        "ChargeDescr": " Zwei\nZeilen ",
        "Amount": "25.50",
        "Subshop": "",
        "Unknown": "x",
    }
    assert read_create_vouchers(texts) == CreateVouchers(
        voucher_count=100,
        charge_name=" Mit Rand ",
        create_charge=True,
        registration=True,
        registration_subshop="B2c",
        pool=True,
        subshop_validity="B2B",
        description=" Zwei\nZeilen ",
        explicit={"amount": Decimal("25.50"), "subshops": ()},
    )


@pytest.mark.parametrize("text", NOT_SAID)
@pytest.mark.parametrize(
    ("field", "given"),
    [
        ("VoucherCount", PLAIN),
        ("ChargeId", PLAIN),
        ("ChargeId", {**PLAIN, "SubscribeVoucher": "false"}),
        ("ChargeId", {**PLAIN, "CreateCharge": "true"}),
        ("ChargeId", {**PLAIN, "Pool": "true"}),
        ("SubscribeSubshopID", {**PLAIN, "SubscribeVoucher": "true"}),
        ("SubscribeSubshopID", {**PLAIN, "SubscribeVoucher": " 1 ", "Pool": "true"}),
    ],
)
def test_required_fields(field: str, given: dict[str, str | None], text: str | None) -> None:
    with refused("ES009", field):
        read_create_vouchers({**given, field: text})
    with refused("ES009", field):
        read_create_vouchers({name: value for name, value in given.items() if name != field})


@pytest.mark.parametrize("charge", NOT_SAID)
def test_a_registration_needs_no_charge(charge: str | None) -> None:
    texts = {"VoucherCount": "1", "SubscribeVoucher": "true", "SubscribeSubshopID": "B2c", "ChargeId": charge}
    assert read_create_vouchers(texts).registration_subshop == "B2c"


@pytest.mark.parametrize("field", ["SubscribeVoucher", "CreateCharge", "Pool", "SubShopValidity", "ChargeDescr"])
@pytest.mark.parametrize("text", NOT_SAID)
def test_optional_fields_that_say_nothing(field: str, text: str | None) -> None:
    assert read_create_vouchers({**PLAIN, field: text}) == read_create_vouchers(PLAIN)


@pytest.mark.parametrize(
    ("field", "text"),
    [
        *(("VoucherCount", text) for text in ("two", "1.5", "NaN", "1_0", "2,0", "1e-1", "true")),
        *(("SubscribeVoucher", text) for text in ("ja", "TRUE", "2", "-999999999")),
        *(("CreateCharge", text) for text in ("ja", "TRUE", "2", "-999999999")),
        *(("Pool", text) for text in ("ja", "TRUE", "2", "-999999999")),
        *(("Amount", "10,00"), ("ValidUntil", "31.12.2026"), ("CatProdFilter", "abc")),
    ],
)
def test_formats(field: str, text: str) -> None:
    with refused("ES012", field):
        read_create_vouchers({**PLAIN, field: text})


@pytest.mark.parametrize(
    ("texts", "code", "field"),
    [
        ({"VoucherCount": "two"}, "ES009", "ChargeId"),
        ({"ChargeId": "T", "Pool": "ja"}, "ES009", "VoucherCount"),
        ({"VoucherCount": "1", "SubscribeVoucher": "ja"}, "ES009", "ChargeId"),
        ({"VoucherCount": "1", "SubscribeVoucher": "true", "Amount": "ten"}, "ES009", "SubscribeSubshopID"),
        ({**PLAIN, "VoucherCount": "two", "SubscribeVoucher": "ja"}, "ES012", "VoucherCount"),
    ],
)
def test_what_is_missing_comes_before_what_is_not_built_right(
    texts: dict[str, str], code: str, field: str
) -> None:
    with refused(code, field):
        read_create_vouchers(texts)


@pytest.mark.parametrize(
    ("count", "code"), [(1001, "ES017"), (10**60, "ES017"), (0, "ES021"), (-1, "ES021"), (-999_999_999, "ES021")]
)
def test_voucher_counts_that_are_not_allowed(count: int, code: str) -> None:
    with refused(code, "VoucherCount"):
        check_voucher_count(count)


@pytest.mark.parametrize("count", [1, 2, 999, 1000])
def test_voucher_counts(count: int) -> None:
    assert check_voucher_count(count) == count


@pytest.mark.parametrize("read", READ_LISTED)
@pytest.mark.parametrize("text", NOT_SAID)
def test_the_looking_operations_need_a_charge_and_say_so_in_their_own_way(
    read: Callable[[Texts], Any], text: str | None
) -> None:
    with refused("ES029"):
        read({"ChargeId": text, "PageSize": "x"})
    with refused("ES029"):
        read({})


def test_the_looking_operations_read() -> None:
    texts = {
        "ChargeId": "C",
        "ChargeType": "all",
        "SubShopValidity": "B2c",
        "PageSize": "5.0",
        "NextPageToken": "t.t",
    }
    assert read_list_charges(texts) == ListCharges("all")
    assert read_list_codes(texts) == ListCodes("C", 5, "t.t")
    assert read_pool_info(texts) == PoolInfo("C", "all", "B2c")
    assert read_charge_info(texts) == ChargeInfo("C")
    assert read_list_charges({}) == ListCharges(None)
    assert read_list_codes({"ChargeId": "C"}) == ListCodes("C", None, None)
    assert read_pool_info({"ChargeId": "C"}) == PoolInfo("C", None, None)


@pytest.mark.parametrize("text", NOT_SAID)
def test_what_the_looking_operations_need_not_be_told(text: str | None) -> None:
    texts = {"ChargeId": "C", "ChargeType": text, "SubShopValidity": text, "PageSize": text, "NextPageToken": text}
    assert read_list_charges(texts) == ListCharges(None)
    assert read_list_codes(texts) == ListCodes("C", None, None)
    assert read_pool_info(texts) == PoolInfo("C", None, None)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        (None, 1000),
        ("0", 1000),
        ("-0", 1000),
        ("-999999999", 1000),
        ("-999999999.0", 1000),
        ("1", 1),
        ("999", 999),
        ("1000", 1000),
        ("1001", 1000),
        ("1E+9", 1000),
    ],
)
def test_page_sizes(text: str | None, size: int) -> None:
    assert check_page_size(read_list_codes({"ChargeId": "C", "PageSize": text}).page_size) == size


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("-1", "ES021"),
        ("-999999998", "ES021"),
        ("-1000000000", "ES021"),
        ("x", "ES012"),
        ("1.5", "ES012"),
        ("-x1", "ES012"),
    ],
)
def test_page_sizes_that_are_refused(text: str, code: str) -> None:
    with refused(code, "PageSize"):
        check_page_size(read_list_codes({"ChargeId": "C", "PageSize": text}).page_size)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, ChargeType.TEMPLATE),
        ("template", ChargeType.TEMPLATE),
        ("all", ChargeType.ALL),
        (" all\n", ChargeType.ALL),
    ],
)
def test_charge_types(text: str | None, expected: ChargeType) -> None:
    assert check_charge_type(text) is expected


@pytest.mark.parametrize("text", ["ALL", "Template", "every", "1", "templates"])
def test_charge_types_that_do_not_exist(text: str) -> None:
    with refused("ES021", "ChargeType"):
        check_charge_type(text)


def test_subshops() -> None:
    assert check_subshop("SubShopValidity", None, SHOP) is None
    assert check_subshop("SubShopValidity", "B2c", SHOP) == "B2c"
    for unknown in ("b2c", "B2c,B2B", " B2c", "TestShop"):
        with refused("ES021", "SubShopValidity"):
            check_subshop("SubShopValidity", unknown, SHOP)


def test_lengths_are_counted_in_characters() -> None:
    check_length("ChargeId", None, 3)
    check_length("ChargeId", "äöü", 3)
    with refused("ES021", "ChargeId"):
        check_length("ChargeId", "abcd", 3)
