"""Terms: everything about a voucher but its code and its life, and the one table of their fields.

A field is one line of `FIELDS`: its wire name, its attribute (also its column), how its text is read,
checked and written. Source of names and meanings: interface documentation, request table of CreateVouchers;
of the checks: contract, section 3.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from datetime import date
from decimal import Decimal
from typing import Any

from soap_service.domain import filters, kinds, money
from soap_service.domain.faults import VoucherFault, bad_value
from soap_service.domain.filters import Filter
from soap_service.domain.kinds import Kind
from soap_service.domain.lexical import (
    NUMBER_SENTINEL,
    STRING_SENTINEL,
    XML_BLANKS,
    read_date,
    read_integer,
    read_number,
)
from soap_service.domain.money import MultiCurrency
from soap_service.domain.shops import VAT_STANDARD, Shop

AMOUNT_ABSOLUTE, AMOUNT_PERCENT, AMOUNT_PERCENT_CAPPED = 0, 1, 2
PROMOTION, PURCHASE = 1, 2
LONGEST_LABEL = 255
LONGEST_VALIDITY_DAYS = 36_500


@dataclass(frozen=True, slots=True)
class Terms:
    """What a voucher is worth, where, when and for whom.

    Amounts have two decimals and are in units of `currency`; a percentage is percent (10 = 10 %).
    `valid_until` is inclusive, both dates are days in the shop's time zone. The `…_days` fields occur in
    templates and pool stock only and become dates when a voucher is made. An empty `subshops` is no
    restriction. `amounts` and its like replace the single value of a multi-currency voucher.
    """

    currency: str
    amount: Decimal | None = None
    amount_type: int = AMOUNT_ABSOLUTE
    amounts: MultiCurrency = ()
    min_order_value: Decimal | None = None
    min_order_values: MultiCurrency = ()
    max_discount_value: Decimal | None = None
    max_discount_values: MultiCurrency = ()
    subshops: tuple[str, ...] = ()
    kind: Kind = kinds.BY_TYPE[0]
    type2: int = PROMOTION
    valid_from: date | None = None
    valid_until: date | None = None
    valid_from_days: int | None = None
    valid_until_days: int | None = None
    vat_index: int = VAT_STANDARD
    customer_filter: Filter = ()
    cat_prod_filter_set_behavior: int | None = None
    cat_prod_filter: Filter = ()
    labels: tuple[str, ...] = ()
    active: bool = True

    def content_hash(self) -> bytes:
        """32 bytes, equal for equal terms. Fields at their default do not count."""
        parts = [
            f"{f.name}={value!r}"
            for f in sorted(fields(self), key=lambda f: f.name)
            if (value := getattr(self, f.name)) != f.default
        ]
        return hashlib.sha256("\n".join(parts).encode()).digest()

    def redeemable_in(self, subshop: str) -> bool:
        """Whether the Subshop restriction allows `subshop`; no restriction allows every one."""
        return not self.subshops or subshop in self.subshops


Reader = Callable[[str, str], Any]
Checker = Callable[[str, Any, Shop], Any]


@dataclass(frozen=True, slots=True)
class TermField:
    """One field of the terms.

    `read(wire, text)` raises ES012, `check(wire, value, shop)` ES021 and returns the value to keep; `write`
    gives the wire text of a kept value. `numeric`: an empty text counts as absent and the sentinel is a
    number. `empty`: what an explicitly empty text field becomes; it lifts what the template says.
    """

    wire: str
    attribute: str
    read: Reader
    check: Checker
    write: Callable[[Any], str]
    numeric: bool = False
    float_sentinel: bool = False
    empty: Any = None
    empty_is_absent: bool = False


def _positive(wire: str, value: Decimal, _: Shop) -> Decimal:
    cents = money.to_cents(wire, value)
    if cents <= 0:
        raise bad_value(wire, "an amount above 0")
    return cents


def _not_negative(wire: str, value: Decimal, _: Shop) -> Decimal:
    cents = money.to_cents(wire, value)
    if cents < 0:
        raise bad_value(wire, "an amount of 0 or more")
    return cents


def _each(check: Checker) -> Checker:
    def check_all(wire: str, pairs: MultiCurrency, shop: Shop) -> MultiCurrency:
        return tuple((code, check(wire, amount, shop)) for code, amount in money.check_multi_currency(wire, pairs))

    return check_all


def _one_of(*allowed: int) -> Checker:
    def check(wire: str, value: int, _: Shop) -> int:
        if value not in allowed:
            raise bad_value(wire, "one of " + ", ".join(map(str, allowed)))
        return value

    return check


def _check_kind(wire: str, value: int, _: Shop) -> Kind:
    try:
        return kinds.kind_of(value)
    except KeyError:
        raise bad_value(wire, "a Type from 0 to 7") from None


def _check_currency(wire: str, value: str, _: Shop) -> str:
    return money.check_currency(wire, value)


def _read_list(_: str, text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(part for piece in text.split(",") if (part := piece.strip(XML_BLANKS))))


def _check_subshops(wire: str, value: tuple[str, ...], shop: Shop) -> tuple[str, ...]:
    if any(subshop not in shop.subshops for subshop in value):
        raise bad_value(wire, "subshops of the shop, separated by commas")
    return value


def _check_vat_index(wire: str, value: int, shop: Shop) -> int:
    if not shop.allows_vat_index(value):
        raise bad_value(wire, "-1, 0 or a VAT id of the shop")
    return value


def _check_days(wire: str, value: int, _: Shop) -> int:
    if not 0 <= value <= LONGEST_VALIDITY_DAYS:
        raise bad_value(wire, f"0 to {LONGEST_VALIDITY_DAYS} days")
    return value


def _read_customer_filter(wire: str, text: str) -> Filter:
    return filters.read_filter(wire, text, filters.CUSTOMER_TAGS)


def _read_product_filter(wire: str, text: str) -> Filter:
    return filters.read_filter(wire, text, filters.PRODUCT_TAGS)


def _check_labels(wire: str, value: tuple[str, ...], _: Shop) -> tuple[str, ...]:
    if any(len(label) > LONGEST_LABEL for label in value):
        raise bad_value(wire, f"at most {LONGEST_LABEL} characters")
    return value


def _as_is(_wire: str, value: Any, _: Shop) -> Any:
    return value


def _amount(wire: str, attribute: str, check: Checker) -> TermField:
    return TermField(wire, attribute, read_number, check, money.write_amount, numeric=True, float_sentinel=True)


def _amounts(wire: str, attribute: str, check: Checker) -> TermField:
    return TermField(
        wire, attribute, money.read_multi_currency, _each(check), money.write_multi_currency, empty=()
    )


def _number(wire: str, attribute: str, check: Checker, write: Callable[[Any], str] = str) -> TermField:
    return TermField(wire, attribute, read_integer, check, write, numeric=True)


FIELDS: tuple[TermField, ...] = (
    _amount("Amount", "amount", _positive),
    _number("AmountType", "amount_type", _one_of(AMOUNT_ABSOLUTE, AMOUNT_PERCENT, AMOUNT_PERCENT_CAPPED)),
    _amounts("AmountMultiCurrency", "amounts", _positive),
    TermField(
        "Currency",
        "currency",
        lambda _, text: text.strip(XML_BLANKS),
        _check_currency,
        str,
        empty_is_absent=True,
    ),
    _amount("MinOrderValue", "min_order_value", _not_negative),
    _amounts("MinOrderValueMultiCurrency", "min_order_values", _not_negative),
    _amount("MaxDiscountValue", "max_discount_value", _positive),
    _amounts("MaxDiscountValueMultiCurrency", "max_discount_values", _positive),
    TermField("Subshop", "subshops", _read_list, _check_subshops, ",".join, empty=()),
    _number("Type", "kind", _check_kind, lambda kind: str(kinds.type_of(kind))),
    _number("Type2", "type2", _one_of(PROMOTION, PURCHASE)),
    TermField("ValidFrom", "valid_from", read_date, _as_is, date.isoformat),
    TermField("ValidUntil", "valid_until", read_date, _as_is, date.isoformat),
    _number("ValidFromDays", "valid_from_days", _check_days),
    _number("ValidUntilDays", "valid_until_days", _check_days),
    _number("VATIndex", "vat_index", _check_vat_index),
    TermField(
        "CustomerFilter",
        "customer_filter",
        _read_customer_filter,
        lambda wire, value, _: filters.check_customer_filter(wire, value),
        filters.write_filter,
        empty=(),
    ),
    _number("CatProdFilterSetBehavior", "cat_prod_filter_set_behavior", _one_of(0, 1)),
    TermField("CatProdFilter", "cat_prod_filter", _read_product_filter, _as_is, filters.write_filter, empty=()),
    TermField("ChargeLabel", "labels", lambda _, text: (text,), _check_labels, ",".join, empty=()),
)

BY_WIRE = {field.wire: field for field in FIELDS}
BY_ATTRIBUTE = {field.attribute: field for field in FIELDS}

# Templates and pool stock know relative validity; a CreateVouchers request has no such fields.
TEMPLATE_ONLY = frozenset({"ValidFromDays", "ValidUntilDays"})
REQUEST_FIELDS = tuple(field for field in FIELDS if field.wire not in TEMPLATE_ONLY)

# What a caller said explicitly: attribute -> value. A key that is missing inherits.
Explicit = Mapping[str, Any]


def is_sentinel(text: str, *, numeric: bool, float_sentinel: bool = False) -> bool:
    """Whether a field's text asks for the template's value (interface documentation, special values)."""
    stripped = text.strip(XML_BLANKS)
    if stripped == STRING_SENTINEL:
        return True
    if not numeric or not stripped.startswith("-"):
        return False
    try:
        value = read_number("", stripped)
    except VoucherFault:
        return False  # the field's own reader says so, with the field's name
    return value <= NUMBER_SENTINEL if float_sentinel else value == NUMBER_SENTINEL


def read_explicit(
    texts: Mapping[str, str | None], fields_read: tuple[TermField, ...] = REQUEST_FIELDS
) -> dict[str, Any]:
    """The explicit values among wire texts, read but not yet checked.

    `texts` maps wire names to texts; None, a missing key, the sentinel and an empty number inherit.
    Raises ES012 for the first field, in table order, whose text is not built as its type asks.
    """
    explicit: dict[str, Any] = {}
    for field in fields_read:
        text = texts.get(field.wire)
        if text is None or is_sentinel(text, numeric=field.numeric, float_sentinel=field.float_sentinel):
            continue
        if text.strip(XML_BLANKS):
            explicit[field.attribute] = field.read(field.wire, text)
        elif not (field.numeric or field.empty_is_absent):
            explicit[field.attribute] = field.empty
    return explicit


def check_explicit(explicit: Explicit, shop: Shop) -> dict[str, Any]:
    """The values to keep, each allowed by itself; ES021 for the first, in table order, that is not."""
    checked: dict[str, Any] = {}
    for attribute, value in explicit.items():
        field = BY_ATTRIBUTE[attribute]
        checked[attribute] = value if value in (None, ()) else field.check(field.wire, value, shop)
    return checked


def to_wire(terms: Terms) -> dict[str, str]:
    """Wire name -> text of every field that says something; what is absent or empty is left out."""
    texts: dict[str, str] = {}
    for field in FIELDS:
        value = getattr(terms, field.attribute)
        if value is not None and value != ():
            texts[field.wire] = field.write(value)
    return texts
