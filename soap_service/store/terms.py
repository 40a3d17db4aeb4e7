"""Queries about terms: immutable rows, found by what they say."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from dataclasses import fields
from typing import Any

from sqlalchemy import Connection, RowMapping, bindparam, select

from soap_service.domain import filters, money
from soap_service.domain.kinds import Kind
from soap_service.domain.terms import Terms
from soap_service.store import dialects
from soap_service.store.engine import Store, stands_alone
from soap_service.store.tables import terms as table

_KIND = tuple(field.name for field in fields(Kind))
_FIELDS = tuple(field.name for field in fields(Terms) if field.name != "kind")

_FIND_ID = select(table.c.terms_id).where(
    table.c.shop_id == bindparam("shop_id"), table.c.content_hash == bindparam("content_hash")
)


def keep(store: Store, connection: Connection, shop_id: int, terms: Terms) -> int:
    """The id of the row that says exactly `terms`, made when there is none."""
    known = store.cache.id_of(shop_id, terms)
    if known is not None:
        return known
    content_hash = terms.content_hash()
    find = {"shop_id": shop_id, "content_hash": content_hash}
    terms_id: int | None = connection.execute(_FIND_ID, find).scalar()
    if terms_id is None:
        values = {**_row(terms), **find, **dialects.next_id(connection, table.c.terms_id)}
        statement = dialects.insert_or_skip(connection, table).values(values).returning(table.c.terms_id)
        terms_id = connection.execute(statement).scalar()
    if terms_id is None:  # another caller made the row between the two statements
        terms_id = connection.execute(_FIND_ID, find).scalar_one()
    if stands_alone(connection):  # what a transaction made may still be rolled back
        store.cache.remember(shop_id, terms_id, terms)
    return terms_id


def load(store: Store, connection: Connection, shop_id: int, ids: Collection[int]) -> dict[int, Terms]:
    """The terms with these ids."""
    found = {terms_id: terms for terms_id in ids if (terms := store.cache.terms_of(shop_id, terms_id))}
    unknown = [terms_id for terms_id in ids if terms_id not in found]
    if unknown:
        statement = select(table).where(table.c.shop_id == shop_id, table.c.terms_id.in_(unknown))
        for row in connection.execute(statement).mappings():
            found[row["terms_id"]] = read = _terms(row)
            if stands_alone(connection):
                store.cache.remember(shop_id, row["terms_id"], read)
    return found


def _multi(pairs: money.MultiCurrency) -> str | None:
    return money.write_multi_currency(pairs) or None


_TO_COLUMN: dict[str, Callable[[Any], Any]] = {
    "amounts": _multi,
    "min_order_values": _multi,
    "max_discount_values": _multi,
    "subshops": lambda value: ",".join(value) or None,
    "customer_filter": lambda value: filters.write_filter(value) or None,
    "cat_prod_filter": lambda value: filters.write_filter(value) or None,
    "labels": lambda value: json.dumps(value, ensure_ascii=False) if value else None,
}
_FROM_COLUMN: dict[str, Callable[[str], Any]] = {
    "amounts": lambda text: money.read_multi_currency("", text),
    "min_order_values": lambda text: money.read_multi_currency("", text),
    "max_discount_values": lambda text: money.read_multi_currency("", text),
    "subshops": lambda text: tuple(text.split(",")),
    "customer_filter": lambda text: filters.read_filter("", text, filters.CUSTOMER_TAGS),
    "cat_prod_filter": lambda text: filters.read_filter("", text, filters.PRODUCT_TAGS),
    "labels": lambda text: tuple(json.loads(text)),
}


def _same(value: Any) -> Any:
    return value


def _row(terms: Terms) -> dict[str, Any]:
    row = {name: _TO_COLUMN.get(name, _same)(getattr(terms, name)) for name in _FIELDS}
    return row | {name: getattr(terms.kind, name) for name in _KIND}


def _terms(row: RowMapping) -> Terms:
    values: dict[str, Any] = {}
    for name in _FIELDS:
        value = row[name]
        if name not in _FROM_COLUMN:
            values[name] = value
        elif value is not None:
            values[name] = _FROM_COLUMN[name](value)
    return Terms(kind=Kind(**{name: row[name] for name in _KIND}), **values)
