"""Terms in the store, on both databases: one row for equal terms, and every field comes back as it was."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import fields, replace
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select
from sqlalchemy.exc import ResourceClosedError

from soap_service.domain import money
from soap_service.domain.kinds import BY_TYPE, Kind
from soap_service.domain.shops import Shop
from soap_service.domain.terms import Terms
from soap_service.operations.house import House
from soap_service.store import terms
from soap_service.store.engine import TermsCache
from soap_service.store.tables import terms as table

EXAMPLES = settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])

# What XML can carry, which is all that can arrive.
_letters = st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"], include_characters="\t\n\r")
_text = st.text(_letters, min_size=1, max_size=20)
_value = st.one_of(_text, st.text("&<>;#13quotap\"'", min_size=1)).map(str.strip).filter(bool)
_index = st.integers(0, 10**18 - 1).map(str)
_amount = st.decimals(0, money.LARGEST, places=2)
_currency = st.sampled_from(["EUR", "CHF", "USD", "JPY", "BHD"])
_amounts = st.lists(st.tuples(_currency, _amount), max_size=3, unique_by=lambda pair: pair[0]).map(tuple)
_int32 = st.integers(-(2**31), 2**31 - 1)
_name = st.text(_letters.filter(lambda letter: letter != ","), min_size=1, max_size=9).map(str.strip).filter(bool)
_kinds = st.sampled_from(list(BY_TYPE.values())) | st.builds(
    Kind,
    **dict.fromkeys((field.name for field in fields(Kind) if field.name.startswith("max_")), st.none() | _int32),
    **dict.fromkeys((field.name for field in fields(Kind) if not field.name.startswith("max_")), st.booleans()),
)


def _filter(**tags: st.SearchStrategy[str]) -> st.SearchStrategy[tuple[tuple[str, str], ...]]:
    entry = st.one_of(*(st.tuples(st.just(tag), values) for tag, values in tags.items()))
    return st.lists(entry, max_size=4, unique=True).map(tuple)


_terms = st.builds(
    Terms,
    currency=_currency,
    amount=st.none() | _amount,
    amount_type=st.integers(0, 2),
    amounts=_amounts,
    min_order_value=st.none() | _amount,
    min_order_values=_amounts,
    max_discount_value=st.none() | _amount,
    max_discount_values=_amounts,
    subshops=st.lists(_name, max_size=3).map(tuple),
    kind=_kinds,
    type2=st.integers(1, 2),
    valid_from=st.none() | st.dates(),
    valid_until=st.none() | st.dates(),
    valid_from_days=st.none() | st.integers(0, 36_500),
    valid_until_days=st.none() | st.integers(0, 36_500),
    vat_index=_int32,
    customer_filter=_filter(i=_index, n=_value),
    cat_prod_filter_set_behavior=st.none() | st.integers(0, 1),
    cat_prod_filter=_filter(ci=_index, pi=_index, pn=_value),
    labels=st.lists(st.text(_letters | st.just("\0"), max_size=9), max_size=3).map(tuple),
    active=st.booleans(),
)


def keep(house: House, shop: Shop, said: Terms) -> int:
    """Keep terms past the cache of the store."""
    house.store.cache = TermsCache()
    with house.store.read() as connection:
        return terms.keep(house.store, connection, shop.shop_id, said)


def load(house: House, shop: Shop, terms_id: int) -> Terms:
    """Load terms past the cache of the store."""
    house.store.cache = TermsCache()
    with house.store.read() as connection:
        return terms.load(house.store, connection, shop.shop_id, [terms_id])[terms_id]


def rows(house: House) -> int:
    with house.store.read() as connection:
        return connection.execute(select(func.count()).select_from(table)).scalar_one()


@EXAMPLES
@given(said=_terms)
def test_every_field_comes_back_as_it_was(house: House, shop: Shop, said: Terms) -> None:
    terms_id = keep(house, shop, said)
    read = load(house, shop, terms_id)
    assert read == said
    assert repr(read) == repr(said)  # types and decimals too, since the content hash is made of them
    assert keep(house, shop, read) == terms_id


@EXAMPLES
@given(one=_terms, field=st.sampled_from([field.name for field in fields(Terms)]), data=st.data())
def test_terms_that_differ_in_one_field_are_two(
    house: House, shop: Shop, one: Terms, field: str, data: st.DataObject
) -> None:
    other = replace(one, **{field: getattr(data.draw(_terms), field)})
    assert (keep(house, shop, one) == keep(house, shop, other)) == (one == other)


def test_the_strategy_reaches_every_field() -> None:
    """Guards the two tests above: a new field must be added to the strategy."""
    declared = {field.name for field in fields(Terms)}
    assert declared == {
        *("currency", "amount", "amount_type", "amounts", "min_order_value", "min_order_values"),
        *("max_discount_value", "max_discount_values", "subshops", "kind", "type2", "valid_from"),
        *("valid_until", "valid_from_days", "valid_until_days", "vat_index", "customer_filter"),
        *("cat_prod_filter_set_behavior", "cat_prod_filter", "labels", "active"),
    }


@pytest.mark.parametrize(
    "said",
    [
        Terms(currency="EUR"),
        Terms(currency="EUR", amount=Decimal("0.01"), min_order_value=Decimal("0.00")),
        Terms(currency="EUR", amount=money.LARGEST),
        Terms(currency="EUR", labels=("",)),
        Terms(currency="EUR", labels=("a,b", '"', "\\", "ä😀\0")),
        Terms(currency="EUR", customer_filter=(("n", "a&amp;\r\n<b>'\""),)),
        Terms(currency="EUR", cat_prod_filter=(("pn", "&#13;"), ("pn", "&quot;"), ("pn", "]]>"))),
        Terms(currency="EUR", valid_from=date.min, valid_until=date.max),
    ],
)
def test_edges_come_back_as_they_were(house: House, shop: Shop, said: Terms) -> None:
    assert repr(load(house, shop, keep(house, shop, said))) == repr(said)


def test_many_threads_make_one_row(house: House, shop: Shop) -> None:
    """Each thread says the same ten terms, past the cache, in a transaction or not."""
    start = threading.Barrier(6)

    def work(number: int) -> list[int]:
        start.wait()
        ids = []
        for days in range(10):
            said = Terms(currency="EUR", valid_until_days=days)
            house.store.cache = TermsCache()
            with house.store.write() if number % 2 else house.store.read() as connection:
                ids.append(terms.keep(house.store, connection, shop.shop_id, said))
        return ids

    with ThreadPoolExecutor(6) as pool:
        first, *others = pool.map(work, range(6))
    assert len(set(first)) == 10
    assert others == [first] * 5
    assert rows(house) == 10


def test_terms_of_a_transaction_that_failed_are_not_remembered(house: House, shop: Shop) -> None:
    said = Terms(currency="EUR", amount=Decimal("1.00"))
    with suppress(ZeroDivisionError), house.store.write() as transaction:
        lost = terms.keep(house.store, transaction, shop.shop_id, said)
        assert terms.load(house.store, transaction, shop.shop_id, [lost]) == {lost: said}
        _ = 1 / 0
    with house.store.read() as connection:
        assert terms.load(house.store, connection, shop.shop_id, [lost]) == {}
        kept = terms.keep(house.store, connection, shop.shop_id, said)
        assert terms.load(house.store, connection, shop.shop_id, [kept]) == {kept: said}
    assert load(house, shop, kept) == said


def test_known_terms_cost_no_statement(house: House, shop: Shop) -> None:
    said = Terms(currency="EUR", amount=Decimal("1.00"))
    terms_id = keep(house, shop, said)
    with house.store.read() as connection:
        connection.close()  # whoever asks it now gets an error
        assert terms.keep(house.store, connection, shop.shop_id, said) == terms_id
        assert terms.load(house.store, connection, shop.shop_id, [terms_id]) == {terms_id: said}
        with pytest.raises(ResourceClosedError):
            terms.load(house.store, connection, shop.shop_id, [terms_id + 1])


def test_terms_belong_to_their_shop(house: House, shop: Shop) -> None:
    terms_id = keep(house, shop, Terms(currency="EUR"))
    house.store.cache = TermsCache()
    with house.store.read() as connection:
        assert terms.load(house.store, connection, shop.shop_id + 1, [terms_id]) == {}
