"""The rules of resolution once more, written as simply as they can be said, over every mixture of fields."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import event, example, given, settings
from hypothesis import strategies as st

from soap_service.domain import kinds
from soap_service.domain.faults import VoucherFault
from soap_service.domain.resolution import resolve
from soap_service.domain.shops import Shop
from soap_service.domain.terms import Terms, check_explicit, read_explicit
from tests.support.checks import outcome

SHOP = Shop(1, "TestShop", "EUR", "Europe/Berlin", ("B2c", "B2B"), (1, 2))
TODAY = date(2026, 6, 15)


def euros(amount: str) -> tuple[tuple[str, Decimal], ...]:
    return (("EUR", Decimal(amount)),)


# wire name: (attribute, default, {text: what it means})
REQUEST: dict[str, tuple[str, Any, dict[str, Any]]] = {
    "Amount": ("amount", None, {"20": Decimal("20.00"), "150": Decimal("150.00"), "0.100000001": Decimal("0.10")}),
    "AmountType": ("amount_type", 0, {"0": 0, "1": 1, "2": 2}),
    "AmountMultiCurrency": ("amounts", (), {"EUR:20": euros("20.00"), "EUR=150": euros("150.00"), "": ()}),
    "Currency": ("currency", "EUR", {"USD": "USD"}),
    "MinOrderValue": ("min_order_value", None, {"0": Decimal("0.00"), "50": Decimal("50.00")}),
    "MinOrderValueMultiCurrency": ("min_order_values", (), {"EUR:0": euros("0.00"), "": ()}),
    "MaxDiscountValue": ("max_discount_value", None, {"9": Decimal("9.00")}),
    "MaxDiscountValueMultiCurrency": ("max_discount_values", (), {"EUR:9": euros("9.00"), "": ()}),
    "Subshop": ("subshops", (), {"B2c,B2B": ("B2c", "B2B"), "B2B": ("B2B",), "": ()}),
    "Type": ("kind", kinds.BY_TYPE[0], {"0": kinds.BY_TYPE[0], "7": kinds.BY_TYPE[7]}),
    "Type2": ("type2", 1, {"1": 1, "2": 2}),
    "ValidFrom": ("valid_from", None, {"2026-06-15": TODAY, "2026-09-01": date(2026, 9, 1), "": None}),
    "ValidUntil": (
        "valid_until",
        None,
        {"2026-06-14": date(2026, 6, 14), "2026-08-01": date(2026, 8, 1), "": None},
    ),
    "VATIndex": ("vat_index", -1, {"-1": -1, "0": 0, "2": 2}),
    "CustomerFilter": ("customer_filter", (), {"<i>4</i>": (("i", "4"),), "": ()}),
    "CatProdFilterSetBehavior": ("cat_prod_filter_set_behavior", None, {"0": 0, "1": 1}),
    "CatProdFilter": ("cat_prod_filter", (), {"<ci>4</ci>": (("ci", "4"),), "": ()}),
    "ChargeLabel": ("labels", (), {"Neu": ("Neu",), "": ()}),
}
NUMBERS = [wire for wire, row in REQUEST.items() if "" not in row[2] and wire != "Currency"]
TWINS = [wire for wire in REQUEST if wire + "MultiCurrency" in REQUEST]


@st.composite
def requests(draw: st.DrawFn) -> dict[str, str]:
    said = draw(st.lists(st.sampled_from(list(REQUEST)), max_size=7, unique=True))
    return {
        wire: draw(
            st.sampled_from([*REQUEST[wire][2], "", "$ChargeVal$", *(["-999999999"] if wire in NUMBERS else [])])
        )
        for wire in said
    }


@st.composite
def templates(draw: st.DrawFn) -> Terms | None:
    """No template, or one that a shop can have: one of each two alternatives, a maximum for percentages only."""
    if draw(st.booleans()):
        return None
    values = {
        attribute: draw(st.sampled_from([default, *meanings.values()]))
        for attribute, default, meanings in REQUEST.values()
    }
    for wire in TWINS:
        attribute, nothing, _ = REQUEST[draw(st.sampled_from([wire, wire + "MultiCurrency"]))]
        values[attribute] = nothing
    for end in ("valid_from", "valid_until"):
        if days := draw(st.none() | st.sampled_from([0, 3, 60])):
            values |= {end: None, end + "_days": days}
    if values["amount_type"] != 1:
        values |= {"max_discount_value": None, "max_discount_values": ()}
    return Terms(**values, active=draw(st.booleans()))


def simply(template: Terms | None, texts: dict[str, str]) -> tuple[set[tuple[str, str]], dict[str, Any]]:
    """The faults there are (code and field), and the values by attribute if there are none."""
    said = {wire: text for wire, text in texts.items() if text not in ("$ChargeVal$", "-999999999")}
    said = {wire: text for wire, text in said.items() if text in REQUEST[wire][2]}  # an empty number says nothing
    faults: set[tuple[str, str]] = set()
    values = {}
    for wire, (attribute, default, meanings) in REQUEST.items():
        if wire in said:
            values[attribute] = meanings[said[wire]]
        else:
            values[attribute] = getattr(template, attribute) if template else default
    for end, wire in (("valid_from", "ValidFrom"), ("valid_until", "ValidUntil")):
        days = getattr(template, end + "_days") if template else None
        if days is not None and wire not in said:
            values[end] = TODAY + timedelta(days)
    for one in TWINS:
        other = one + "MultiCurrency"
        if said.get(one) and said.get(other):
            faults.add(("ES021", one))
        elif one in said:
            values[REQUEST[other][0]] = ()
        elif other in said:
            values[REQUEST[one][0]] = None
    if values["amount_type"] == 1:
        if (values["amount"] or 0) > 100:
            faults.add(("ES021", "Amount"))
        if max((amount for _, amount in values["amounts"]), default=0) > 100:
            faults.add(("ES021", "AmountMultiCurrency"))
    else:
        faults |= {("ES021", wire) for wire, text in said.items() if wire.startswith("MaxDiscount") and text}
        values |= {"max_discount_value": None, "max_discount_values": ()}
    if values["valid_from"] and values["valid_until"] and values["valid_until"] < values["valid_from"]:
        faults.add(("ES021", "ValidUntil"))
    if values["amount"] is None and not values["amounts"]:
        faults.add(("ES009", "Amount"))
    if values["amount_type"] == 2 and not values["cat_prod_filter"]:
        faults.add(("ES009", "CatProdFilter"))
    return faults, values


SEASONAL = Terms(currency="EUR", amount=Decimal("20.00"), valid_from_days=3, valid_until_days=60)
PERCENT = replace(SEASONAL, amount_type=1, max_discount_value=Decimal("9.00"))


@settings(max_examples=600)
@given(templates(), requests())
@example(None, {"Amount": "20"})
@example(SEASONAL, {})
@example(SEASONAL, {"ValidFrom": "2026-09-01"})
@example(SEASONAL, {"ValidFrom": "", "ValidUntil": "$ChargeVal$"})
@example(PERCENT, {"AmountType": "-999999999"})
@example(PERCENT, {"AmountType": "0"})
@example(PERCENT, {"MaxDiscountValueMultiCurrency": "EUR:9"})
def test_resolution_is_what_the_simple_rules_say(template: Terms | None, texts: dict[str, str]) -> None:
    faults, values = simply(template, texts)
    event("refused" if faults else "resolved")
    found = outcome(
        lambda: resolve(check_explicit(read_explicit(texts), SHOP), template, currency=SHOP.currency, today=TODAY)
    )
    if isinstance(found, VoucherFault):
        assert (found.code, found.field) in faults
    else:
        assert not faults
        assert found == Terms(**values, active=template.active if template else True)
        assert resolve({}, found, currency="USD", today=TODAY) == found
