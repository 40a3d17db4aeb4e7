"""The wire's `Type` and the flags behind it: one table, read in both directions."""

from __future__ import annotations

from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soap_service.domain.kinds import BY_TYPE, Kind, kind_of, type_of

# Interface documentation, field Type: (what is left stays usable, universal, only for new customers).
DOCUMENTED = {
    0: (True, False, False),  # Restbetrag kann wiederverwendet werden
    1: (False, False, False),  # Restbetrag verfällt
    2: (False, True, False),  # Universalgutschein
    3: (False, True, False),  # Universalgutschein (kundenspezifisch)
    4: (False, True, True),  # Universalgutschein (nur für Neukunden)
    5: (True, False, True),  # Restbetrag kann wiederverwendet werden (nur für Neukunden)
    6: (False, False, True),  # Restbetrag verfällt (nur für Neukunden)
    7: (True, False, False),  # Individueller Mehrfachgutschein (mit automatischer Kundenbindung)
}

kinds = st.builds(
    Kind,
    max_uses=st.none() | st.integers(1, 5),
    max_uses_per_customer=st.none() | st.integers(1, 3),
    **{field.name: st.booleans() for field in fields(Kind) if not field.name.startswith("max_")},
)


def test_there_are_eight_types() -> None:
    assert list(BY_TYPE) == list(range(8))
    assert len(set(BY_TYPE.values())) == 8


@pytest.mark.parametrize("number", range(8))
def test_a_type_says_what_is_documented(number: int) -> None:
    kind = kind_of(number)
    assert (kind.keep_surplus, kind.multiple_customer, kind.new_customers_only) == DOCUMENTED[number]
    assert kind.binds_customer == (number == 7)
    assert kind.max_uses_per_customer == (1 if number in (3, 4) else None)
    assert (kind.app_only, kind.free_shipping, kind.existing_customers_only, kind.max_uses) == (
        False,
        False,
        False,
        None,
    )


@pytest.mark.parametrize("number", range(8))
def test_a_type_is_the_same_on_its_way_back(number: int) -> None:
    assert type_of(kind_of(number)) == number


@pytest.mark.parametrize("number", [-1, 8, 99, -999_999_999, 10**60])
def test_there_is_no_other_type(number: int) -> None:
    with pytest.raises(KeyError):
        kind_of(number)


@given(kinds)
def test_every_kind_has_the_type_whose_flags_it_has(kind: Kind) -> None:
    number = type_of(kind)
    nearest = kind_of(number)
    if kind.binds_customer:
        assert number == 7
    else:
        assert nearest.multiple_customer == kind.multiple_customer
        assert nearest.new_customers_only == kind.new_customers_only
        if not kind.multiple_customer:  # a universal voucher has no surplus to keep
            assert nearest.keep_surplus == kind.keep_surplus


@pytest.mark.parametrize(
    ("kind", "number"),
    [
        (Kind(keep_surplus=True, app_only=True), 0),
        (Kind(free_shipping=True), 1),
        (Kind(max_uses=1), 1),
        (Kind(multiple_customer=True, max_uses=100), 2),
        (Kind(multiple_customer=True, max_uses_per_customer=2), 2),
        (Kind(multiple_customer=True, max_uses_per_customer=1, app_only=True), 3),
        (Kind(multiple_customer=True, new_customers_only=True), 4),
        (Kind(keep_surplus=True, existing_customers_only=True), 0),
        (Kind(binds_customer=True, multiple_customer=True), 7),
    ],
)
def test_what_soap_cannot_say_comes_closest(kind: Kind, number: int) -> None:
    assert type_of(kind) == number
