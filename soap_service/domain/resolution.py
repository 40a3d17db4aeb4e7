"""Resolution of terms: explicit value, then template, then documented default, then absent.

Pure functions, tested as tables. Source: interface documentation, "Senden des Request"; contract, section 3.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

from soap_service.domain.faults import bad_value, missing
from soap_service.domain.terms import (
    AMOUNT_PERCENT,
    AMOUNT_PERCENT_CAPPED,
    BY_ATTRIBUTE,
    Explicit,
    Terms,
)

# Two ways to say one thing. An explicit one of a pair drops what is inherited for the other.
ALTERNATIVES = (
    ("amount", "amounts"),
    ("min_order_value", "min_order_values"),
    ("max_discount_value", "max_discount_values"),
    ("valid_from", "valid_from_days"),
    ("valid_until", "valid_until_days"),
)
_NOTHING: tuple[Any, ...] = (None, ())
_DEFAULTS = Terms(currency="")


def check_combination(explicit: Explicit) -> None:
    """Refuse (ES021) explicit values that contradict each other whatever the template says."""
    for one, other in ALTERNATIVES:
        if explicit.get(one) not in _NOTHING and explicit.get(other) not in _NOTHING:
            raise bad_value(_wire(one), f"either {_wire(one)} or {_wire(other)}, not both")
    kind = explicit.get("amount_type")
    if kind is not None:
        if kind == AMOUNT_PERCENT:
            _check_percentages(explicit.get("amount"), explicit.get("amounts", ()))
        else:
            _refuse_cap(explicit)
    _check_order(explicit.get("valid_from"), explicit.get("valid_until"))


def inherit(explicit: Explicit, template: Terms | None, currency: str) -> Terms:
    """Terms of a template, of pool stock or of a voucher to be: explicit over `template` over defaults.

    `currency` is the shop's, the default where nobody names one. Relative dates stay relative, and an amount
    may still be absent. Raises ES021 for a combination that no voucher can have.
    """
    check_combination(explicit)
    terms = template or replace(_DEFAULTS, currency=currency)
    if explicit:
        dropped: dict[str, Any] = {}
        for pair in ALTERNATIVES:
            if any(attribute in explicit for attribute in pair):
                dropped |= {attribute: getattr(_DEFAULTS, attribute) for attribute in pair}
        terms = replace(terms, **(dropped | dict(explicit)))
    if terms.amount_type == AMOUNT_PERCENT:
        _check_percentages(terms.amount, terms.amounts)
    else:
        _refuse_cap(explicit)
        if terms.max_discount_value is not None or terms.max_discount_values:
            terms = replace(terms, max_discount_value=None, max_discount_values=())
    _check_order(terms.valid_from, terms.valid_until)
    return terms


def resolve(explicit: Explicit, template: Terms | None, *, currency: str, today: date) -> Terms:
    """The terms of the vouchers of one call, ready to be stored.

    `today` is the day in the shop's time zone from which a template's relative dates count; a validity of
    N days ends N days after it, inclusive. Raises ES009 Amount when no amount is anywhere, ES009
    CatProdFilter for AmountType 2 without one, ES021 for values that contradict each other.
    """
    terms = inherit(explicit, template, currency)
    if terms.amount is None and not terms.amounts:
        raise missing("Amount")
    if terms.amount_type == AMOUNT_PERCENT_CAPPED and not terms.cat_prod_filter:
        raise missing("CatProdFilter")
    if terms.valid_from_days is not None or terms.valid_until_days is not None:
        terms = replace(
            terms,
            valid_from=_day(today, terms.valid_from_days, terms.valid_from),
            valid_until=_day(today, terms.valid_until_days, terms.valid_until),
            valid_from_days=None,
            valid_until_days=None,
        )
        _check_order(terms.valid_from, terms.valid_until)
    return terms


def _wire(attribute: str) -> str:
    return BY_ATTRIBUTE[attribute].wire


def _check_percentages(amount: Any, amounts: Any) -> None:
    if amount is not None and amount > 100:
        raise bad_value("Amount", "a percentage of at most 100")
    if any(value > 100 for _, value in amounts):
        raise bad_value("AmountMultiCurrency", "percentages of at most 100")


def _refuse_cap(explicit: Explicit) -> None:
    for attribute in ("max_discount_value", "max_discount_values"):
        if explicit.get(attribute) not in _NOTHING:
            raise bad_value(_wire(attribute), f"no maximum unless AmountType is {AMOUNT_PERCENT}")


def _check_order(start: date | None, end: date | None) -> None:
    if start is not None and end is not None and end < start:
        raise bad_value("ValidUntil", "a day not before ValidFrom")


def _day(today: date, days: int | None, fixed: date | None) -> date | None:
    return fixed if days is None else today + timedelta(days=days)
