"""The table of fields: how each is read, checked, kept and written, and what counts as not said."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soap_service.domain import kinds
from soap_service.domain.faults import FaultCode, VoucherFault
from soap_service.domain.kinds import Kind
from soap_service.domain.shops import Shop
from soap_service.domain.terms import (
    BY_ATTRIBUTE,
    BY_WIRE,
    FIELDS,
    REQUEST_FIELDS,
    Terms,
    check_explicit,
    is_sentinel,
    read_explicit,
    to_wire,
)
from tests.support.checks import outcome, refused

SHOP = Shop(1, "TestShop", "EUR", "Europe/Berlin", ("B2c", "B2B", "Süd 1"), (1, 2))

# wire name: (attribute, [(text, kept value, text written back)], [not built so], [not allowed])
TABLE: dict[str, tuple[str, list[tuple[str, Any, str]], list[str], list[str]]] = {
    "Amount": (
        "amount",
        [
            ("25.50", Decimal("25.50"), "25.50"),
            (" +1.5e1 ", Decimal("15.00"), "15.00"),
            ("0.01", Decimal("0.01"), "0.01"),
            ("12345.669921875", Decimal("12345.67"), "12345.67"),
            ("9999999999.99", Decimal("9999999999.99"), "9999999999.99"),
        ],
        ["ten", "10,00", "NaN", "INF", "1_0", "0x10", "-x1", "-٣", "10 EUR"],
        ["0", "-0", "0.00", "-1", "-999999998", "10.005", "1e10", "0.001", "1e-60"],
    ),
    "AmountType": (
        "amount_type",
        [("0", 0, "0"), ("1", 1, "1"), (" 2.0 ", 2, "2")],
        ["x", "1.5", "true", "-1x"],
        ["3", "-1", "1e9", "-1000000000", "-999999998"],
    ),
    "AmountMultiCurrency": (
        "amounts",
        [
            (
                "EUR=10;CHF:11.5",
                (("EUR", Decimal("10.00")), ("CHF", Decimal("11.50"))),
                "EUR:10.00;CHF:11.50",
            )
        ],
        ["10.00", "EUR", "EUR:x", "-999999999"],
        ["EUR:0", "EUR:-1", "EUR:1.005", "EUR:1;EUR:2", "ABC:1", "EUR:-999999999"],
    ),
    "Currency": (
        "currency",
        [("EUR", "EUR", "EUR"), (" CHF\n", "CHF", "CHF")],
        [],
        ["eur", "ABC", "€", "-999999999"],
    ),
    "MinOrderValue": (
        "min_order_value",
        [("0", Decimal("0.00"), "0.00"), ("-0", Decimal("0.00"), "0.00"), ("49.9", Decimal("49.90"), "49.90")],
        ["ten", "-", "1 0"],
        ["-0.01", "-1", "10.005", "1e11", "-999999998.99", "1e-60"],
    ),
    "MinOrderValueMultiCurrency": (
        "min_order_values",
        [("EUR:0", (("EUR", Decimal("0.00")),), "EUR:0.00")],
        ["0"],
        ["EUR:-0.01", "XYZ:1"],
    ),
    "MaxDiscountValue": ("max_discount_value", [("20", Decimal("20.00"), "20.00")], ["x"], ["0", "-5", "1.001"]),
    "MaxDiscountValueMultiCurrency": (
        "max_discount_values",
        [("<EUR>20</EUR>", (("EUR", Decimal("20.00")),), "EUR:20.00")],
        ["20"],
        ["EUR:0", "EUR:20 CHF:0"],
    ),
    "Subshop": (
        "subshops",
        [
            ("B2c,B2B", ("B2c", "B2B"), "B2c,B2B"),
            (" B2B , Süd 1,,B2B", ("B2B", "Süd 1"), "B2B,Süd 1"),
            ("B2c", ("B2c",), "B2c"),
        ],
        [],
        ["b2c", "B2C", "B2c;B2B", "B2c,other", "B2c B2B", "-999999999"],
    ),
    "Type": (
        "kind",
        [(str(n), kinds.BY_TYPE[n], str(n)) for n in range(8)],
        ["a", "0.5"],
        ["8", "-1", "-1000000000"],
    ),
    "Type2": ("type2", [("1", 1, "1"), ("2", 2, "2")], ["a"], ["0", "3"]),
    "ValidFrom": (
        "valid_from",
        [(" 2018-06-30 ", date(2018, 6, 30), "2018-06-30")],
        ["30.06.2018", "2018-06-31"],
        [],
    ),
    "ValidUntil": (
        "valid_until",
        [("2024-02-29", date(2024, 2, 29), "2024-02-29")],
        ["2023-02-29", "-999999999"],
        [],
    ),
    "ValidFromDays": ("valid_from_days", [("0", 0, "0"), ("14", 14, "14")], ["x"], ["-1", "36501"]),
    "ValidUntilDays": ("valid_until_days", [("30", 30, "30"), ("36500", 36500, "36500")], ["1.5"], ["-1", "1e9"]),
    "VATIndex": ("vat_index", [("-1", -1, "-1"), ("0", 0, "0"), ("1", 1, "1"), ("2", 2, "2")], ["x"], ["3", "-2"]),
    "CustomerFilter": (
        "customer_filter",
        [
            (" <n>1</n> <n>2</n>", (("n", "1"), ("n", "2")), "<n>1</n><n>2</n>"),
            ("<i>7</i>", (("i", "7"),), "<i>7</i>"),
        ],
        ["1", "<pn>1</pn>", "<i>a</i>"],
        ["<i>1</i><n>1</n>"],
    ),
    "CatProdFilterSetBehavior": (
        "cat_prod_filter_set_behavior",
        [("0", 0, "0"), ("1", 1, "1")],
        ["x"],
        ["2", "-1"],
    ),
    "CatProdFilter": (
        "cat_prod_filter",
        [("<ci>1</ci><pn>a&amp;b</pn>", (("ci", "1"), ("pn", "a&b")), "<ci>1</ci><pn>a&amp;b</pn>")],
        ["<i>1</i>", "abc"],
        [],
    ),
    "ChargeLabel": ("labels", [("Sommer, 2026", ("Sommer, 2026",), "Sommer, 2026")], [], ["x" * 256]),
}
NUMERIC = {
    *("Amount", "AmountType", "MinOrderValue", "MaxDiscountValue", "Type", "Type2"),
    *("ValidFromDays", "ValidUntilDays", "VATIndex", "CatProdFilterSetBehavior"),
}
FLOATS = {"Amount", "MinOrderValue", "MaxDiscountValue"}


def rows(of: Callable[[Any], list[Any]]) -> list[Any]:
    return [
        pytest.param(wire, case, id=f"{wire}-{str(case[0] if isinstance(case, tuple) else case)[:30]}")
        for wire, row in TABLE.items()
        for case in of(row)
    ]


def read(wire: str, text: str | None) -> dict[str, Any]:
    return check_explicit(read_explicit({wire: text}, FIELDS), SHOP)


def test_the_table_above_is_complete() -> None:
    assert [field.wire for field in FIELDS] == list(TABLE)
    assert {field.attribute for field in FIELDS} | {"active"} == {field.name for field in fields(Terms)}
    assert {field.wire for field in FIELDS if field.numeric} == NUMERIC
    assert {field.wire for field in FIELDS if field.float_sentinel} == FLOATS


def test_a_request_has_no_relative_dates() -> None:
    assert {"ValidFromDays", "ValidUntilDays"} == set(TABLE) - {field.wire for field in REQUEST_FIELDS}
    assert read_explicit({"ValidFromDays": "3", "ValidUntilDays": "rubbish"}) == {}


@pytest.mark.parametrize(("wire", "case"), rows(lambda row: row[1]))
def test_allowed_values(wire: str, case: tuple[str, Any, str]) -> None:
    text, kept, written = case
    attribute = TABLE[wire][0]
    assert read(wire, text) == {attribute: kept}
    assert BY_WIRE[wire].attribute == attribute
    assert BY_ATTRIBUTE[attribute].write(read(wire, text)[attribute]) == written
    assert read(wire, written) == {attribute: kept}


@pytest.mark.parametrize(("wire", "case"), rows(lambda row: row[2]))
def test_texts_that_are_not_built_so(wire: str, case: str) -> None:
    with refused("ES012", wire):
        read_explicit({wire: case}, FIELDS)


@pytest.mark.parametrize(("wire", "case"), rows(lambda row: row[3]))
def test_values_that_are_not_allowed(wire: str, case: str) -> None:
    explicit = read_explicit({wire: case}, FIELDS)
    with refused("ES021", wire):
        check_explicit(explicit, SHOP)


@pytest.mark.parametrize("wire", TABLE)
@pytest.mark.parametrize("text", [None, "$ChargeVal$", " $ChargeVal$\n"])
def test_not_said(wire: str, text: str | None) -> None:
    assert read(wire, text) == {}
    assert read_explicit({}, FIELDS) == {}


@pytest.mark.parametrize("wire", sorted(NUMERIC))
@pytest.mark.parametrize(
    "text", ["-999999999", " -999999999\n", "-999999999.0", "-999999999.00", "-9.99999999E+8", "-999999999."]
)
def test_the_sentinel_of_numbers(wire: str, text: str) -> None:
    assert read(wire, text) == {}


@pytest.mark.parametrize("wire", sorted(NUMERIC))
@pytest.mark.parametrize(
    "text",
    [
        *("-1000000000", "-1E+09", "-1e+09", "-1.0e9", "-1000000000.000000", "-999999999.5"),
        *("-3.4028235E+38", "-1.7976931348623157E+308", "-1e9999999999"),
    ],
)
def test_the_sentinel_of_floats_is_everything_from_there_down(wire: str, text: str) -> None:
    if wire in FLOATS:
        assert read(wire, text) == {}
    else:  # an integer is exact in every stub
        with refused("ES012" if text.endswith(".5") else "ES021", wire):
            read(wire, text)


@pytest.mark.parametrize("wire", sorted(TABLE.keys() - NUMERIC))
def test_texts_have_no_sentinel_of_numbers(wire: str) -> None:
    if wire == "ChargeLabel":
        assert read(wire, "-999999999") == {"labels": ("-999999999",)}
    else:
        with refused("ES021" if wire in ("Currency", "Subshop") else "ES012", wire):
            read(wire, "-999999999")


@pytest.mark.parametrize("text", ["$chargeval$", "$ChargeVal", "ChargeVal", "$ChargeVal$$", "$Charge Val$", ""])
def test_what_is_no_sentinel(text: str) -> None:
    assert not is_sentinel(text, numeric=False)
    assert not is_sentinel(text, numeric=True, float_sentinel=True)


@pytest.mark.parametrize("wire", TABLE)
@pytest.mark.parametrize("text", ["", " ", "\n\t"])
def test_an_empty_text_lifts_and_an_empty_number_or_currency_is_not_said(wire: str, text: str) -> None:
    if wire in NUMERIC or wire == "Currency":
        assert read(wire, text) == {}
    elif wire in ("ValidFrom", "ValidUntil"):
        assert read(wire, text) == {TABLE[wire][0]: None}
    else:
        assert read(wire, text) == {TABLE[wire][0]: ()}


def test_a_list_of_nothing_lifts_too() -> None:
    assert read("Subshop", " , ,") == {"subshops": ()}


def test_the_first_fault_is_that_of_the_first_field_of_the_table() -> None:
    bad_format = {wire: row[2][0] for wire, row in TABLE.items() if row[2]}
    while bad_format:
        first = next(iter(bad_format))
        with refused("ES012", first):
            read_explicit(dict(reversed(bad_format.items())), FIELDS)
        del bad_format[first]
    bad_value = {wire: row[3][0] for wire, row in TABLE.items() if row[3]}
    while bad_value:
        first = next(iter(bad_value))
        explicit = read_explicit(dict(reversed(bad_value.items())), FIELDS)
        with refused("ES021", first):
            check_explicit(explicit, SHOP)
        del bad_value[first]


@pytest.mark.parametrize("wire", TABLE)
@settings(max_examples=40)
@given(text=st.one_of(st.text(), st.text("-+0123456789.eE $ChargeVal,;:<>n/", max_size=15)))
def test_any_text_at_all_is_read_or_refused(wire: str, text: str) -> None:
    marked = outcome(lambda: read(wire, f"{text}Zq7Zq7"))
    assert not isinstance(marked, VoucherFault) or "Zq7" not in (marked.expected or ""), "no input in faults"
    found = outcome(lambda: read(wire, text))
    if isinstance(found, VoucherFault):
        assert found.code in (FaultCode.BAD_FORMAT, FaultCode.BAD_VALUE)
        assert found.field == wire
        assert found.expected
    else:
        assert set(found) <= {TABLE[wire][0]}


FULL = Terms(
    currency="EUR",
    amount=Decimal("10.00"),
    amount_type=1,
    amounts=(("EUR", Decimal("10.00")),),
    min_order_value=Decimal("0.00"),
    min_order_values=(("EUR", Decimal("0.00")),),
    max_discount_value=Decimal("5.00"),
    max_discount_values=(("EUR", Decimal("5.00")),),
    subshops=("B2c", "B2B"),
    kind=kinds.BY_TYPE[5],
    type2=2,
    valid_from=date(2026, 1, 1),
    valid_until=date(2026, 12, 31),
    valid_from_days=0,
    valid_until_days=30,
    vat_index=0,
    customer_filter=(("n", "1"),),
    cat_prod_filter_set_behavior=0,
    cat_prod_filter=(("pn", "a"),),
    labels=("x",),
    active=False,
)


def test_everything_that_is_said_is_written() -> None:
    assert to_wire(FULL) == {
        "Amount": "10.00",
        "AmountType": "1",
        "AmountMultiCurrency": "EUR:10.00",
        "Currency": "EUR",
        "MinOrderValue": "0.00",
        "MinOrderValueMultiCurrency": "EUR:0.00",
        "MaxDiscountValue": "5.00",
        "MaxDiscountValueMultiCurrency": "EUR:5.00",
        "Subshop": "B2c,B2B",
        "Type": "5",
        "Type2": "2",
        "ValidFrom": "2026-01-01",
        "ValidUntil": "2026-12-31",
        "ValidFromDays": "0",
        "ValidUntilDays": "30",
        "VATIndex": "0",
        "CustomerFilter": "<n>1</n>",
        "CatProdFilterSetBehavior": "0",
        "CatProdFilter": "<pn>a</pn>",
        "ChargeLabel": "x",
    }


def test_what_is_absent_is_left_out_and_the_documented_defaults_are_written() -> None:
    assert to_wire(Terms(currency="EUR")) == {
        "AmountType": "0",
        "Currency": "EUR",
        "Type": "0",
        "Type2": "1",
        "VATIndex": "-1",
    }


@pytest.mark.parametrize("name", [field.name for field in fields(Terms) if field.name != "currency"])
def test_every_field_counts_in_the_hash_and_a_default_does_not(name: str) -> None:
    plain = Terms(currency="EUR")
    changed = replace(plain, **{name: getattr(FULL, name)})
    assert changed != plain
    assert changed.content_hash() != plain.content_hash()
    assert replace(changed, **{name: getattr(plain, name)}).content_hash() == plain.content_hash()
    assert changed.content_hash() != replace(FULL, **{name: getattr(plain, name)}).content_hash()


terms = st.builds(
    Terms,
    currency=st.sampled_from(["EUR", "CHF"]),
    amount=st.none() | st.sampled_from([Decimal("1.00"), Decimal("1.10"), Decimal("11.00")]),
    subshops=st.lists(st.sampled_from(["a", "b", "a,b", "a'", "a', 'b"]), max_size=3).map(tuple),
    labels=st.lists(st.sampled_from(["a", "b", "a\nb=1", "a', 'b"]), max_size=2).map(tuple),
    type2=st.sampled_from([1, 2]),
    kind=st.sampled_from([*kinds.BY_TYPE.values(), Kind(app_only=True)]),
)


@given(terms, terms)
def test_the_hash_is_equal_for_equal_terms_and_only_for_them(one: Terms, other: Terms) -> None:
    assert len(one.content_hash()) == 32
    assert (one.content_hash() == other.content_hash()) == (one == other)
    assert replace(one).content_hash() == one.content_hash()


@pytest.mark.parametrize(
    ("subshops", "allowed"),
    [((), True), (("B2c",), True), (("B2B",), False), (("B2B", "B2c"), True), (("b2c",), False)],
)
def test_no_restriction_is_redeemable_everywhere(subshops: tuple[str, ...], allowed: bool) -> None:
    assert Terms(currency="EUR", subshops=subshops).redeemable_in("B2c") is allowed
