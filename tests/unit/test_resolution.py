"""Resolution: explicit, template, default, absent; alternatives as one; relative dates in the shop's zone."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from soap_service.domain import kinds
from soap_service.domain.resolution import check_combination, inherit, resolve
from soap_service.domain.shops import Shop
from soap_service.domain.terms import FIELDS, Terms, check_explicit, read_explicit
from tests.support.checks import refused

SHOP = Shop(1, "TestShop", "EUR", "Europe/Berlin", ("B2c", "B2B"), (1, 2))
TODAY = date(2026, 6, 15)
ALTERNATIVES = {
    "Amount": "AmountMultiCurrency",
    "MinOrderValue": "MinOrderValueMultiCurrency",
    "MaxDiscountValue": "MaxDiscountValueMultiCurrency",
    "ValidFrom": "ValidFromDays",
    "ValidUntil": "ValidUntilDays",
}
ALTERNATIVES |= {other: one for one, other in ALTERNATIVES.items()}
ATTRIBUTE = {field.wire: field.attribute for field in FIELDS}
NUMERIC = {field.wire for field in FIELDS if field.numeric}

# A template that says everything, once with single values and once with several currencies and relative dates.
SINGLE = Terms(
    currency="CHF",
    amount=Decimal("10.00"),
    amount_type=1,
    min_order_value=Decimal("50.00"),
    max_discount_value=Decimal("5.00"),
    subshops=("B2B",),
    kind=kinds.BY_TYPE[5],
    type2=2,
    valid_from=date(2026, 1, 1),
    valid_until=date(2026, 12, 31),
    vat_index=0,
    customer_filter=(("n", "1"),),
    cat_prod_filter_set_behavior=1,
    cat_prod_filter=(("pn", "a"),),
    labels=("Vorlage",),
    active=False,
)
SEVERAL = replace(
    SINGLE,
    amount=None,
    amounts=(("CHF", Decimal("11.00")),),
    min_order_value=None,
    min_order_values=(("CHF", Decimal("55.00")),),
    max_discount_value=None,
    max_discount_values=(("CHF", Decimal("5.50")),),
    valid_from=None,
    valid_until=None,
    valid_from_days=3,
    valid_until_days=30,
)
SEVERAL_RESOLVED = replace(
    SEVERAL,
    valid_from=date(2026, 6, 18),
    valid_until=date(2026, 7, 15),
    valid_from_days=None,
    valid_until_days=None,
)
# What a voucher has when nobody says anything but an amount (interface documentation, request table).
DEFAULT = Terms(
    currency="EUR",
    amount=Decimal("7.00"),
    amount_type=0,
    kind=kinds.BY_TYPE[0],
    type2=1,
    vat_index=-1,
    active=True,
)

# wire name: (text of the request, value it means)
SAID: dict[str, tuple[str, Any]] = {
    "Amount": ("20", Decimal("20.00")),
    "AmountType": ("1", 1),
    "AmountMultiCurrency": ("EUR:20", (("EUR", Decimal("20.00")),)),
    "Currency": ("USD", "USD"),
    "MinOrderValue": ("0", Decimal("0.00")),
    "MinOrderValueMultiCurrency": ("EUR:0", (("EUR", Decimal("0.00")),)),
    "MaxDiscountValue": ("9", Decimal("9.00")),
    "MaxDiscountValueMultiCurrency": ("EUR:9", (("EUR", Decimal("9.00")),)),
    "Subshop": ("B2c,B2B", ("B2c", "B2B")),
    "Type": ("0", kinds.BY_TYPE[0]),
    "Type2": ("1", 1),
    "ValidFrom": ("2026-06-16", date(2026, 6, 16)),
    "ValidUntil": ("2026-08-01", date(2026, 8, 1)),
    "VATIndex": ("-1", -1),
    "CustomerFilter": ("<i>4</i>", (("i", "4"),)),
    "CatProdFilterSetBehavior": ("0", 0),
    "CatProdFilter": ("<ci>4</ci>", (("ci", "4"),)),
    "ChargeLabel": ("Neu", ("Neu",)),
}


def resolved(template: Terms | None, texts: dict[str, str], today: date = TODAY) -> Terms:
    explicit = check_explicit(read_explicit(texts), SHOP)
    return resolve(explicit, template, currency=SHOP.currency, today=today)


def set_field(terms: Terms, wire: str, value: Any) -> Terms:
    """The terms with a field set and its alternative gone."""
    changes = {ATTRIBUTE[wire]: value}
    if wire in ALTERNATIVES:
        other = ATTRIBUTE[ALTERNATIVES[wire]]
        changes[other] = getattr(Terms(currency=""), other)
    return replace(terms, **changes)


def test_the_table_above_is_complete() -> None:
    assert set(SAID) | {"ValidFromDays", "ValidUntilDays"} == set(ATTRIBUTE)


@pytest.mark.parametrize("wire", SAID)
@pytest.mark.parametrize(("template", "inherited"), [(SINGLE, SINGLE), (SEVERAL, SEVERAL_RESOLVED)])
def test_an_explicit_value_goes_before_the_template(wire: str, template: Terms, inherited: Terms) -> None:
    text, value = SAID[wire]
    assert resolved(template, {wire: text}) == set_field(inherited, wire, value)


@pytest.mark.parametrize("wire", SAID)
@pytest.mark.parametrize(("template", "inherited"), [(SINGLE, SINGLE), (SEVERAL, SEVERAL_RESOLVED)])
def test_what_is_not_said_comes_from_the_template(wire: str, template: Terms, inherited: Terms) -> None:
    for texts in ({}, {wire: "$ChargeVal$"}, {wire: "-999999999"} if wire in NUMERIC else {}):
        assert resolved(template, texts) == inherited


@pytest.mark.parametrize("wire", SAID)
@pytest.mark.parametrize(("template", "inherited"), [(SINGLE, SINGLE), (SEVERAL, SEVERAL_RESOLVED)])
def test_an_empty_text_lifts_what_the_template_says(wire: str, template: Terms, inherited: Terms) -> None:
    if wire in NUMERIC or wire == "Currency":
        assert resolved(template, {wire: ""}) == inherited
    elif wire == "AmountMultiCurrency":  # it drops its alternative as every explicit value does
        with refused("ES009", "Amount"):
            resolved(template, {wire: ""})
    else:
        empty = None if wire in ("ValidFrom", "ValidUntil") else ()
        assert resolved(template, {wire: ""}) == set_field(inherited, wire, empty)


@pytest.mark.parametrize("wire", SAID)
def test_without_a_template_what_is_not_said_has_its_default(wire: str) -> None:
    text, value = SAID[wire]
    texts = {"Amount": "7", wire: text}
    expected = set_field(DEFAULT, wire, value)
    if wire.startswith("MaxDiscount"):
        texts["AmountType"] = "1"
        expected = replace(expected, amount_type=1)
    if wire == "AmountMultiCurrency":
        del texts["Amount"]
    assert resolved(None, texts) == expected
    others = {name: "-999999999" if name in NUMERIC else "$ChargeVal$" for name in SAID if name not in texts}
    assert resolved(None, others | texts) == expected
    assert resolved(None, dict.fromkeys(others, "") | texts) == expected


@pytest.mark.parametrize("template", [None, replace(SINGLE, amount=None)])
@pytest.mark.parametrize("text", [None, "", "-999999999", "-1E+09", "$ChargeVal$"])
def test_an_amount_must_come_from_somewhere(template: Terms | None, text: str | None) -> None:
    with refused("ES009", "Amount"):
        resolved(template, {} if text is None else {"Amount": text})


@pytest.mark.parametrize("one", [wire for wire, other in ALTERNATIVES.items() if other.endswith("MultiCurrency")])
@pytest.mark.parametrize("template", [None, SINGLE, SEVERAL])
def test_both_alternatives_said_contradict_each_other(one: str, template: Terms | None) -> None:
    other = ALTERNATIVES[one]
    with refused("ES021", one):
        resolved(template, {"AmountType": "1", one: SAID[one][0], other: SAID[other][0]})


@pytest.mark.parametrize("one", [wire for wire, other in ALTERNATIVES.items() if other.endswith("MultiCurrency")])
@pytest.mark.parametrize("template", [SINGLE, SEVERAL])
def test_an_empty_alternative_contradicts_nothing(one: str, template: Terms) -> None:
    other = ALTERNATIVES[one]
    for kept, empty in ((one, other), (other, one)):
        terms = resolved(template, {kept: SAID[kept][0], empty: ""})
        assert getattr(terms, ATTRIBUTE[kept]) == SAID[kept][1]
        assert not getattr(terms, ATTRIBUTE[empty])


@pytest.mark.parametrize(
    ("fixed", "days"), [("ValidFrom", "ValidFromDays"), ("ValidUntil", "ValidUntilDays")], ids=["from", "until"]
)
def test_a_template_says_a_day_or_a_number_of_days(fixed: str, days: str) -> None:
    both = read_explicit({fixed: "2026-07-01", days: "5"}, FIELDS)
    with refused("ES021", fixed):
        check_combination(both)
    with refused("ES021", fixed):
        inherit(both, None, "EUR")
    changed = inherit(read_explicit({days: "5"}, FIELDS), SINGLE, "EUR")
    assert (getattr(changed, ATTRIBUTE[fixed]), getattr(changed, ATTRIBUTE[days])) == (None, 5)
    changed = inherit(read_explicit({fixed: "2026-07-01"}, FIELDS), SEVERAL, "EUR")
    assert (getattr(changed, ATTRIBUTE[fixed]), getattr(changed, ATTRIBUTE[days])) == (date(2026, 7, 1), None)


def test_a_template_may_lack_an_amount_and_keeps_its_relative_dates() -> None:
    texts = {"ValidFromDays": "0", "ValidUntilDays": "30", "Subshop": "B2c"}
    template = inherit(check_explicit(read_explicit(texts, FIELDS), SHOP), None, "EUR")
    assert template == Terms(currency="EUR", subshops=("B2c",), valid_from_days=0, valid_until_days=30)


@pytest.mark.parametrize("kind", ["0", "2"])
@pytest.mark.parametrize("template", [SINGLE, SEVERAL])
def test_an_inherited_maximum_is_dropped_where_it_has_no_meaning(kind: str, template: Terms) -> None:
    terms = resolved(template, {"AmountType": kind})
    assert terms.amount_type == int(kind)
    assert (terms.max_discount_value, terms.max_discount_values) == (None, ())


@pytest.mark.parametrize("cap", ["MaxDiscountValue", "MaxDiscountValueMultiCurrency"])
@pytest.mark.parametrize(
    ("template", "texts"),
    [
        (None, {}),
        (None, {"AmountType": "0"}),
        (SINGLE, {"AmountType": "0"}),
        (SINGLE, {"AmountType": "2"}),
        (replace(SINGLE, amount_type=0), {}),
        (replace(SINGLE, amount_type=2), {"AmountType": "-999999999"}),
    ],
)
def test_an_explicit_maximum_is_refused_there(cap: str, template: Terms | None, texts: dict[str, str]) -> None:
    with refused("ES021", cap):
        resolved(template, {"Amount": "5", cap: SAID[cap][0], **texts})


@pytest.mark.parametrize("cap", ["", "$ChargeVal$", "-999999999"])
def test_a_maximum_that_is_not_said_is_not_refused(cap: str) -> None:
    assert resolved(None, {"Amount": "5", "MaxDiscountValue": cap}).max_discount_value is None


@pytest.mark.parametrize(
    ("template", "texts", "allowed"),
    [
        (None, {"Amount": "5", "AmountType": "2"}, False),
        (None, {"Amount": "5", "AmountType": "2", "CatProdFilter": ""}, False),
        (None, {"Amount": "5", "AmountType": "2", "CatProdFilter": "$ChargeVal$"}, False),
        (None, {"Amount": "5", "AmountType": "2", "CatProdFilter": "<pn>a</pn>"}, True),
        (SINGLE, {"AmountType": "2"}, True),
        (SINGLE, {"AmountType": "2", "CatProdFilter": ""}, False),
        (replace(SINGLE, amount_type=2), {}, True),
        (replace(SINGLE, amount_type=2), {"CatProdFilter": ""}, False),
        (replace(SINGLE, amount_type=2), {"CatProdFilter": "", "AmountType": "0"}, True),
        (replace(SINGLE, amount_type=2), {"Amount": "500"}, True),
    ],
)
def test_the_capped_type_needs_a_product_filter(
    template: Terms | None, texts: dict[str, str], allowed: bool
) -> None:
    if allowed:
        assert resolved(template, texts).amount_type == int(texts.get("AmountType", "2"))
    else:
        with refused("ES009", "CatProdFilter"):
            resolved(template, texts)


@pytest.mark.parametrize(
    ("template", "texts", "field"),
    [
        (None, {"Amount": "100", "AmountType": "1"}, None),
        (None, {"Amount": "100.01", "AmountType": "1"}, "Amount"),
        (None, {"Amount": "100.000001", "AmountType": "1"}, None),
        (None, {"Amount": "100.01", "AmountType": "0"}, None),
        (None, {"AmountMultiCurrency": "EUR:100;CHF:101", "AmountType": "1"}, "AmountMultiCurrency"),
        (SINGLE, {"Amount": "101"}, "Amount"),
        (SINGLE, {"AmountMultiCurrency": "EUR:101"}, "AmountMultiCurrency"),
        (replace(SINGLE, amount=Decimal(101), amount_type=0), {"AmountType": "1"}, "Amount"),
        (replace(SINGLE, amount=Decimal(101), amount_type=0), {"AmountType": "1", "Amount": "10"}, None),
    ],
)
def test_a_percentage_is_at_most_100(template: Terms | None, texts: dict[str, str], field: str | None) -> None:
    if field is None:
        resolved(template, texts)
    else:
        with refused("ES021", field):
            resolved(template, texts)


@pytest.mark.parametrize(
    ("template", "texts", "span"),
    [
        (None, {"ValidFrom": "2026-07-01", "ValidUntil": "2026-07-01"}, (date(2026, 7, 1), date(2026, 7, 1))),
        (None, {"ValidFrom": "2026-07-02", "ValidUntil": "2026-07-01"}, None),
        (None, {"ValidFrom": "2020-01-01", "ValidUntil": "2020-01-02"}, (date(2020, 1, 1), date(2020, 1, 2))),
        (SINGLE, {"ValidFrom": "2027-01-01"}, None),
        (SINGLE, {"ValidUntil": "2025-12-31"}, None),
        (SINGLE, {"ValidFrom": "2027-01-01", "ValidUntil": ""}, (date(2027, 1, 1), None)),
        (SINGLE, {"ValidFrom": "", "ValidUntil": ""}, (None, None)),
        (SEVERAL, {"ValidFrom": "2026-07-15"}, (date(2026, 7, 15), date(2026, 7, 15))),
        (SEVERAL, {"ValidFrom": "2026-07-16"}, None),
        (SEVERAL, {"ValidUntil": "2026-06-18"}, (date(2026, 6, 18), date(2026, 6, 18))),
        (SEVERAL, {"ValidUntil": "2026-06-17"}, None),
        (SEVERAL, {"ValidFrom": ""}, (None, date(2026, 7, 15))),
        (SEVERAL, {"ValidUntil": ""}, (date(2026, 6, 18), None)),
        (replace(SEVERAL, valid_from_days=31), {}, None),
    ],
)
def test_the_end_is_not_before_the_beginning(
    template: Terms | None, texts: dict[str, str], span: tuple[date | None, date | None] | None
) -> None:
    if span is None:
        with refused("ES021", "ValidUntil"):
            resolved(template, {"Amount": "5", **texts})
    else:
        terms = resolved(template, {"Amount": "5", **texts})
        assert (terms.valid_from, terms.valid_until) == span
